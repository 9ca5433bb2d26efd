"""Numbers on their way out of the portal: JSON has no NaN and no infinity."""

import math


def encode(value: object) -> object:
    """Replace non-finite floats by "NaN", "Infinity" and "-Infinity", in nested lists, tuples and dicts too.

    That is how protobuf's JSON spells them (https://protobuf.dev/programming-guides/json/), and with it MLflow's API.
    """
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value
