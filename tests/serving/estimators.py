"""Every estimator of scikit-learn, fitted on small data: what it is made with, and what it is asked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators

Array = np.ndarray[Any, Any]
X, Y = load_iris(return_X_y=True)
X, Y = X[::3], Y[::3]
NAMES = load_iris().target_names[Y]
ASKED = X[[3, 20, 45]] + 0.05
TWO = np.column_stack([X[:, 0] * 2, X[:, 1] + X[:, 2]])
WORDS = ["good", "bad day", "good day", "bad"]
THREE = [("a", LogisticRegression()), ("b", DecisionTreeClassifier(random_state=0))]
REGRESSORS = [("a", Ridge()), ("b", DecisionTreeRegressor(random_state=0))]

# What those are made with that need something, or would be slow.
MADE_WITH: dict[str, Callable[[], dict[str, Any]]] = {
    "CCA": lambda: {"n_components": 1},
    "ClassifierChain": lambda: {"estimator": LogisticRegression()},
    "ColumnTransformer": lambda: {"transformers": [("s", StandardScaler(), [0, 1]), ("m", MinMaxScaler(), [2, 3])]},
    "FeatureUnion": lambda: {"transformer_list": [("s", StandardScaler()), ("m", MinMaxScaler())]},
    "FixedThresholdClassifier": lambda: {"estimator": LogisticRegression()},
    "FrozenEstimator": lambda: {"estimator": LogisticRegression().fit(X, Y)},
    "GaussianRandomProjection": lambda: {"n_components": 2, "random_state": 0},
    "GridSearchCV": lambda: {"estimator": LogisticRegression(), "param_grid": {"C": [0.1, 1.0]}},
    "HalvingGridSearchCV": lambda: {"estimator": LogisticRegression(), "param_grid": {"C": [0.1, 1.0]}},
    "HashingVectorizer": lambda: {"n_features": 64},
    "FeatureHasher": lambda: {"n_features": 64},
    "KernelPCA": lambda: {"fit_inverse_transform": True},
    "LocalOutlierFactor": lambda: {"novelty": True},
    "MultiOutputClassifier": lambda: {"estimator": LogisticRegression()},
    "MultiOutputRegressor": lambda: {"estimator": Ridge()},
    "OneVsOneClassifier": lambda: {"estimator": LogisticRegression()},
    "OneVsRestClassifier": lambda: {"estimator": LogisticRegression()},
    "OutputCodeClassifier": lambda: {"estimator": LogisticRegression(), "random_state": 0},
    "PLSCanonical": lambda: {"n_components": 1},
    "PLSSVD": lambda: {"n_components": 1},
    "Pipeline": lambda: {"steps": [("scale", StandardScaler()), ("model", LogisticRegression())]},
    "RFE": lambda: {"estimator": LogisticRegression()},
    "RFECV": lambda: {"estimator": LogisticRegression(), "cv": 2},
    "RandomizedSearchCV": lambda: {"estimator": Ridge(), "param_distributions": {"alpha": [1.0, 2.0]}, "n_iter": 2},
    "RegressorChain": lambda: {"estimator": Ridge()},
    "SelectFromModel": lambda: {"estimator": LogisticRegression()},
    "SelfTrainingClassifier": lambda: {"estimator": LogisticRegression()},
    "SequentialFeatureSelector": lambda: {"estimator": LinearRegression(), "cv": 2},
    "SparseCoder": lambda: {"dictionary": np.eye(4)},
    "SparseRandomProjection": lambda: {"n_components": 2, "random_state": 0},
    "StackingClassifier": lambda: {"estimators": THREE, "cv": 2},
    "StackingRegressor": lambda: {"estimators": REGRESSORS, "cv": 2},
    "TunedThresholdClassifierCV": lambda: {"estimator": LogisticRegression(), "cv": 2},
    "SimpleImputer": lambda: {"add_indicator": True},
    "VotingClassifier": lambda: {"estimators": THREE, "voting": "soft"},
    "VotingRegressor": lambda: {"estimators": REGRESSORS},
}
OBJECTS = [{"city": "Lyon", "size": 2.0}, {"city": "Oslo", "size": 1.0}]
IMAGES = np.arange(2.0 * 12 * 12).reshape(2, 12, 12)
# (X to fit, y to fit or None, what is asked) of those that take something else than numbers and a label.
DATA: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "CountVectorizer": lambda: (WORDS, None, WORDS[:2]),
    "DictVectorizer": lambda: (OBJECTS, None, OBJECTS),
    "FeatureHasher": lambda: (OBJECTS, None, OBJECTS),
    "HashingVectorizer": lambda: (WORDS, None, WORDS[:2]),
    "IsotonicRegression": lambda: (X[:, 0], X[:, 1], ASKED[:, 0]),
    "KernelCenterer": lambda: (X @ X.T, None, ASKED @ X.T),
    "LabelBinarizer": lambda: (NAMES, None, NAMES[[3, 20]]),
    "LabelEncoder": lambda: (NAMES, None, NAMES[[3, 20]]),
    "MultiLabelBinarizer": lambda: ([["a", "b"], ["c"]], None, [["a"], ["c", "b"]]),
    "PatchExtractor": lambda: (IMAGES, None, IMAGES[:1]),
    "TfidfVectorizer": lambda: (WORDS, None, WORDS[:2]),
    **dict.fromkeys(("FixedThresholdClassifier", "TunedThresholdClassifierCV"), lambda: (X[:34], Y[:34], ASKED)),
    "GaussianProcessClassifier": lambda: (X[:34], NAMES[:34], ASKED),
    "OneHotEncoder": lambda: (X, None, X[[3, 20, 45]]),
    "OrdinalEncoder": lambda: (X, None, X[[3, 20, 45]]),
    "SelfTrainingClassifier": lambda: (X, np.where(np.arange(len(Y)) % 4, Y, -1), ASKED),
    "SimpleImputer": lambda: (np.where(X > 6, np.nan, X), None, np.where(ASKED > 5, np.nan, ASKED)),
    **dict.fromkeys(("ClassifierChain",), lambda: (X, np.column_stack([Y == 0, Y == 1]).astype(int), ASKED)),
    **dict.fromkeys(("MultiOutputClassifier",), lambda: (X, np.column_stack([NAMES, Y]).astype(object), ASKED)),
    **dict.fromkeys(
        ("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV"), lambda: (X, TWO, ASKED)
    ),
    **dict.fromkeys(("MultiOutputRegressor", "RegressorChain"), lambda: (X, TWO, ASKED)),
}
# No method for new rows: deploying them says so.
WITHOUT_METHODS = {
    "AgglomerativeClustering": "labels its own rows only",
    "ClassicalMDS": "places its own rows only",
    "DBSCAN": "labels its own rows only",
    "HDBSCAN": "labels its own rows only",
    "MDS": "places its own rows only",
    "OPTICS": "labels its own rows only",
    "SpectralBiclustering": "labels its own rows only",
    "SpectralCoclustering": "labels its own rows only",
    "SpectralClustering": "labels its own rows only",
    "SpectralEmbedding": "places its own rows only",
    "TSNE": "places its own rows only",
}
# None today: whoever adds a name here says why it cannot be fitted, and the test tries it all the same.
CANNOT_BE_FITTED: dict[str, str] = {}

ESTIMATORS = dict(all_estimators())


def fitted(name: str) -> tuple[Any, Any]:
    """(the estimator `name`, fitted; what it is asked)."""
    kind = ESTIMATORS[name]
    estimator = kind(**MADE_WITH.get(name, dict)())
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    target = estimator.__sklearn_tags__().estimator_type
    plain = NAMES if target == "classifier" else X[:, 0] * 1.5 + 1
    x, y, asked = DATA.get(name, lambda: (X, plain if target else Y, ASKED))()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if y is None:
            estimator.fit(x)
        else:
            estimator.fit(x, y)
    return estimator, asked
