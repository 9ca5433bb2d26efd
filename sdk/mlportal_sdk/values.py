"""What a script may hand over as a value, as JSON that every reader takes, and back."""

import math
import operator
from typing import Any, List, Union

Scalar = Union[int, float, str]

NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def scalar(value: Any) -> Scalar:
    """An int of 64 bits, a float or a str.

    Takes whatever converts exactly or nearly: numpy and torch scalars, 0-d arrays, bools, Decimal, Fraction.
    None is a missing number, NaN. Raises TypeError for the rest.
    """
    kind = type(value)
    if kind is float:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return _bounded(value)
    if isinstance(value, str):
        return well_formed(str.__str__(value))  # an Enum of str counts by its value
    if value is None:
        return math.nan
    try:
        return _bounded(int(operator.index(value)))  # index() alone leaves a bool a bool
    except TypeError:
        pass
    # numpy turns complex numbers and dates into floats too, with a warning at most
    if hasattr(kind, "__float__") and getattr(getattr(value, "dtype", None), "kind", "") not in ("c", "m", "M"):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    raise TypeError("expected a number or a string, not {}".format(kind.__name__))


def scalars(values: Any) -> List[Any]:
    """The scalars of a list, tuple, 1-d array, Series or other iterable as JSON; TypeError for text and mappings."""
    if isinstance(values, (str, bytes, dict)) or not hasattr(values, "__iter__"):
        raise TypeError("expected a list, not {}".format(type(values).__name__))
    if hasattr(values, "tolist"):
        values = values.tolist()
    return [encode(scalar(value)) for value in values]


def structure(value: Any) -> Any:
    """Dicts, lists and arrays of any depth as JSON; TypeError where something is neither these nor a scalar."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return {text(key): structure(item) for key, item in value.items()}
    if getattr(value, "shape", None) and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [structure(item) for item in value]
    return encode(scalar(value))


def encode(value: Scalar) -> Any:
    """JSON has no NaN: a number that is not finite becomes {"x": its name}."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"x": non_finite_name(value)}
    return value


def decode(value: Any) -> Any:
    """The reverse of `scalars`, `structure` and `encode`."""
    if isinstance(value, dict):
        if len(value) == 1 and value.get("x") in ("nan", "inf", "-inf"):
            return NON_FINITE[value["x"]]
        return {key: decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return value


def non_finite_name(value: float) -> str:
    return "nan" if value != value else "inf" if value > 0 else "-inf"


def text(value: Any) -> str:
    return well_formed(str(value))


def well_formed(value: str) -> str:
    """Half surrogates become U+FFFD: strict readers would refuse the whole line for them."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _bounded(value: int) -> Union[int, float]:
    """Integers of more than 64 bits are read differently from parser to parser; as floats they are read alike."""
    if -(2**63) <= value < 2**63:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
