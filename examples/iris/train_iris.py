"""Trains a support vector machine on the iris flowers and logs how it went to its run."""

import argparse
import os

import joblib
import numpy as np
from azureml.core.run import Run
from sklearn.datasets import load_iris
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kernel", type=str, default="linear", help="kernel of the support vector machine")
    parser.add_argument("--penalty", type=float, default=1.0, help="penalty of the error term")
    args = parser.parse_args()

    run = Run.get_context()
    run.log("Kernel type", np.str(args.kernel))
    run.log("Penalty", np.float(args.penalty))

    iris = load_iris()
    x_train, x_test, y_train, y_test = train_test_split(iris.data, iris.target, random_state=0)
    model = SVC(kernel=args.kernel, C=args.penalty).fit(x_train, y_train)

    accuracy = model.score(x_test, y_test)
    print("Accuracy of the support vector machine on the test set: {:.2f}".format(accuracy))
    run.log("Accuracy", np.float(accuracy))
    print(confusion_matrix(y_test, model.predict(x_test)))

    # the portal keeps what is in outputs/ when the run ends
    os.makedirs("outputs", exist_ok=True)
    joblib.dump(model, "outputs/model.joblib")


if __name__ == "__main__":
    main()
