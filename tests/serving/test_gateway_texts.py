"""Texts in requests, and what they may cost."""

import numpy as np
import pytest

from models_registry.serving.gateway.errors import BadInput
from models_registry.serving.gateway.tabular import Table, payload_of

DESCRIBE = {"n_features": None, "feature_names": None}


def test_one_long_text_beside_many_short_rows_is_refused_before_numpy_makes_it_wide() -> None:
    rows = [["x" * 1_000_000], *([["y"]] * 500)]
    with pytest.raises(BadInput, match="too long"):
        payload_of(Table(rows, None), DESCRIBE, 100_000)


def test_short_texts_and_numbers_pass() -> None:
    payload, count = payload_of(Table([["a", 1.5], ["b", 2.5]], None), DESCRIBE, 10)
    assert (payload, count) == ({"rows": [["a", 1.5], ["b", 2.5]]}, 2)
    payload, count = payload_of(Table([[1, 2]], None), DESCRIBE, 10)
    assert isinstance(payload, np.ndarray) and payload.shape == (1, 2) and count == 1
