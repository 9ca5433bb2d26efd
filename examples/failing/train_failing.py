"""Fails on purpose, after it has logged something: a column's name is misspelt."""

import numpy as np
from azureml.core import Run
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

FEATURES = ["sepal length (cm)", "petal lenght (cm)"]


def load_table():
    iris = load_iris()
    table = {name: iris.data[:, position] for position, name in enumerate(iris.feature_names)}
    return table, iris.target


def select_columns(table, names):
    return np.column_stack([table[name] for name in names])


def train(run):
    table, target = load_table()
    run.log("rows", len(target))
    print("columns:", ", ".join(table))
    columns = select_columns(table, FEATURES)
    return LogisticRegression().fit(columns, target)


def main():
    run = Run.get_context()
    run.tag("purpose", "shows what a failed run looks like")
    model = train(run)
    print("classes:", model.classes_)


if __name__ == "__main__":
    main()
