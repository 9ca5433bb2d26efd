"""Trains a model of each kind with whatever scikit-learn there is, 0.19 and later; says what each answers. Python 3.6.

Argument: a folder. In it: <name>.joblib (or .pkl), and cases.json: {name: [{"method", "rows", "columns", "answer"}, …]}.
"""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False, ignore-errors=True
# ruff: noqa: UP031
import json
import pickle
import sys

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

try:
    import joblib
except ImportError:
    from sklearn.externals import joblib

folder = sys.argv[1]
X, y = load_iris(return_X_y=True)
asked = X[[0, 60, 140]]
cases = {}


def keep(name, model, rows, methods, columns=None, plain_pickle=False):
    if plain_pickle:
        with open("%s/%s.pkl" % (folder, name), "wb") as file:
            pickle.dump(model, file)
    else:
        joblib.dump(model, "%s/%s.joblib" % (folder, name))
    sent = rows.values.tolist() if hasattr(rows, "values") else np.asarray(rows).tolist()
    cases[name] = [
        {"method": each, "rows": sent, "columns": columns, "answer": np.asarray(getattr(model, each)(rows)).tolist()}
        for each in methods
    ]


keep("svc", SVC(kernel="linear", probability=True, random_state=0).fit(X, y), asked, ["predict", "decision_function"])
keep(
    "forest",
    RandomForestClassifier(n_estimators=5, random_state=0).fit(X, y),
    asked,
    ["predict", "predict_proba", "apply"],
)
keep("trees", RandomForestRegressor(n_estimators=5, random_state=0).fit(X, X[:, :2]), asked, ["predict"], None, True)
keep("clusters", KMeans(n_clusters=3, random_state=0).fit(X), asked, ["predict", "transform"])
keep("scaler", StandardScaler().fit(X), asked, ["transform", "inverse_transform"])
search = GridSearchCV(
    make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}, cv=3
)
keep("search", search.fit(X, np.array(["a", "b", "c"])[y]), asked, ["predict", "predict_proba"])
words = ["good day", "bad day", "good", "bad"]
texts = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(words, [1, 0, 1, 0])
keep("texts", texts, ["good day", "bad"], ["predict", "predict_proba"])
try:
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder
except ImportError:
    pass  # before 0.20
else:
    frame = pd.DataFrame({"colour": ["red", "blue", "red", "blue"] * 5, "size": np.arange(20.0)})
    columns = ColumnTransformer([("c", OneHotEncoder(), ["colour"]), ("s", StandardScaler(), ["size"])])
    keep(
        "frame", make_pipeline(columns, Ridge()).fit(frame, np.arange(20.0)), frame[:3], ["predict"], ["colour", "size"]
    )
with open(folder + "/cases.json", "w") as file:
    json.dump(cases, file)
