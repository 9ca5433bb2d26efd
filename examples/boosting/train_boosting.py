"""Trains gradient boosting on handwritten digits for about a minute and logs the loss of every round as it happens."""

import argparse
import logging
import os
import time

import joblib
from azureml.core import Run
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import train_test_split


class Progress:
    """Called by scikit-learn after every round: logs the loss, prints now and then, and keeps to the pace."""

    def __init__(self, run, rounds, seconds):
        self.run = run
        self.rounds = rounds
        self.seconds = seconds
        self.started = time.monotonic()

    def __call__(self, index, model, _variables):
        done = index + 1
        loss = model.train_score_[index]
        self.run.log("loss", loss, step=done)
        logging.debug("round %d loss %.6f", done, loss)
        if done == 1 or done % 100 == 0 or done == self.rounds:
            print(f"round {done} of {self.rounds}: loss {loss:.6f}", flush=True)
        # a fast machine waits for its turn, so that there is a minute to watch on every machine
        time.sleep(max(0.0, self.started + self.seconds * done / self.rounds - time.monotonic()))
        return False  # True would end the training


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2000, help="boosting rounds: one loss is logged for each")
    parser.add_argument("--seconds", type=float, default=60.0, help="time over which the rounds are spread, at least")
    args = parser.parse_args()

    os.makedirs("logs", exist_ok=True)
    os.makedirs("outputs", exist_ok=True)
    logging.basicConfig(
        filename="logs/training.log", level=logging.DEBUG, format="%(asctime)s %(levelname)s %(message)s"
    )

    run = Run.get_context()
    digits = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(digits.data, digits.target, random_state=0)
    logging.info("training on %d images, testing on %d", len(x_train), len(x_test))

    model = GradientBoostingClassifier(
        n_estimators=args.rounds,
        learning_rate=0.01,
        max_depth=2,
        max_features="sqrt",
        subsample=0.5,
        random_state=0,
    )
    model.fit(x_train, y_train, monitor=Progress(run, args.rounds, args.seconds))

    accuracy = model.score(x_test, y_test)
    run.log("accuracy", accuracy)
    logging.info("accuracy %.4f", accuracy)
    print(f"accuracy on {len(x_test)} images that it has not seen: {accuracy:.4f}")

    joblib.dump(model, "outputs/model.joblib")


if __name__ == "__main__":
    main()
