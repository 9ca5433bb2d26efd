"""Which value of a metric is the best one, as its name says."""

import pytest

from experiments.metrics import Goal, goal_of


@pytest.mark.parametrize(
    "name", ["loss", "val_loss", "train/valLoss", "RMSE", "testRMSE", "log_loss", "epoch time", "eval.error"]
)
def test_losses_errors_and_times_are_better_when_lower(name: str) -> None:
    assert goal_of(name) is Goal.LOWER


@pytest.mark.parametrize(
    "name", ["accuracy", "f1", "lossless_share", "terror", "neg_mean_squared_error", "", "größe", "<b>"]
)
def test_all_others_are_better_when_higher(name: str) -> None:
    assert goal_of(name) is Goal.HIGHER
