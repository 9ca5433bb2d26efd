"""What a model's method returned → what can be sent: a numeric array, or a JSON value. Python 3.6 and numpy.

What JSON has no word for becomes a text: dates and durations in ISO's form, complex numbers, bytes, and whole numbers
of more than 64 bits. Sparse results are dense, tuples are lists, records are objects.
"""

import types
from typing import Any

import numpy as np

DENSE_BYTES = 1 << 28  # of a sparse result; larger ones are not sent


class TooLarge(ValueError):
    """The answer would not fit; the message says what to do."""


def answer_of(result: Any, codes: Any) -> Any:
    """The result as an array of one of the dtypes `codes`, or as a JSON value."""
    if not isinstance(result, np.ndarray):
        if isinstance(result, (list, tuple, dict, types.GeneratorType, str)):
            return plain(result)
        if hasattr(result, "toarray"):
            result = _dense(result)
        elif hasattr(result, "to_numpy"):  # a frame
            result = result.to_numpy()
        elif hasattr(result, "values"):  # of a pandas before 0.24
            result = result.values
    array = np.atleast_1d(result)
    if array.dtype.newbyteorder("<") in codes:
        return array
    if array.dtype.kind == "f":  # longer ones
        return array.astype("<f8")
    return plain(array)


def plain(value: Any) -> Any:
    """A JSON value."""
    if value is None or isinstance(value, (bool, float, str)):
        return value if type(value) in (bool, float, str) or value is None else _base(value)
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 64 else str(value)
    if isinstance(value, np.ndarray):
        return _plain_array(value)
    if isinstance(value, np.generic):
        return _plain_array(np.asarray(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, types.GeneratorType)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "toarray"):
        return plain(_dense(value))
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    for name in ("to_numpy", "tolist", "isoformat"):
        if callable(getattr(value, name, None)):
            return plain(getattr(value, name)())
    return str(value)


def _base(value: Any) -> Any:
    """Of a subclass, such as numpy.str_ or numpy.float64."""
    return str(value) if isinstance(value, str) else float(value)


def _plain_array(array: Any) -> Any:
    kind = array.dtype.kind
    if array.dtype.names:
        rows = [plain(array[name]) for name in array.dtype.names]
        if not array.ndim:
            return dict(zip(array.dtype.names, rows))  # noqa: B905
        return [dict(zip(array.dtype.names, row)) for row in zip(*rows)]  # noqa: B905
    if kind in "mMc":
        texts = array.astype(str).tolist()
        return _without_nat(texts) if kind in "mM" else texts
    if kind == "f" and array.dtype.itemsize > 8:
        return array.astype("<f8").tolist()
    return plain(array.tolist()) if kind in "OSV" else array.tolist()


def _without_nat(texts: Any) -> Any:
    if isinstance(texts, list):
        return [_without_nat(text) for text in texts]
    return None if texts == "NaT" else texts


def _dense(matrix: Any) -> Any:
    cells = 1
    for length in matrix.shape:
        cells *= int(length)
    if cells * matrix.dtype.itemsize > DENSE_BYTES:
        shape = " x ".join(str(length) for length in matrix.shape)
        raise TooLarge("the answer has %s cells, more than are sent: ask for fewer rows" % shape)
    return matrix.toarray()
