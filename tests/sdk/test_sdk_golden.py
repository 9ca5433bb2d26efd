"""Golden requests as a training script writes them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from mlportal_sdk.golden import golden_requests, save_golden_requests

from models_registry.services.golden import read_items


class Model:
    def predict(self, rows: Any) -> Any:
        return rows.sum(axis=1).astype(int)

    def predict_proba(self, rows: Any) -> Any:
        return np.array([[0.25, math.nan]] * len(rows))


def test_what_a_script_writes_is_what_the_portal_takes(tmp_path: Path) -> None:
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    path = save_golden_requests(Model(), {"two": rows}, str(tmp_path / "outputs" / "golden_requests.json"))
    assert read_items(json.loads(Path(path).read_text())) == [
        {"name": "two", "method": "predict", "request": {"data": [[1.0, 2.0], [3.0, 4.0]]}, "answer": [3, 7]}
    ]


def test_each_method_is_a_request_and_what_is_no_number_is_null() -> None:
    items = golden_requests(Model(), np.array([[1.0, 2.0]]), methods=["predict", "predict_proba"])
    assert [(item["name"], item["answer"]) for item in items] == [("predict", [3]), ("predict_proba", [[0.25, None]])]
