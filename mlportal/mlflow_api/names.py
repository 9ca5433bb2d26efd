"""What a metric, a parameter and a tag may be called, and how long they may be: MLflow's rules (mlflow/utils/validation.py).

Where its server cuts a value that is too long and says nothing, this one refuses it: nothing is lost without a word.
"""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any, Final

from mlportal.mlflow_api.errors import invalid, missing
from mlportal.texts import storable

MAX_KEY: Final = 250
MAX_PARAM: Final = 6000
MAX_TAG: Final = 8000
MAX_EXPERIMENT_TAG: Final = 20_000
MAX_REGISTRY_TAG: Final = 5000
STAGES: Final = ("None", "Staging", "Production", "Archived")
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_ALLOWED: Final = re.compile(r"[/\w.\- :]*\Z")


def key(value: Any, path: str) -> str:
    """The name of a metric, a parameter or a tag. Raises INVALID_PARAMETER_VALUE."""
    if value is None or value == "":
        raise missing(path)
    if not isinstance(value, str):
        raise _invalid(path, value, "it has to be a string.")
    if not _ALLOWED.match(value):
        allowed = "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
        raise _invalid(path, value, f"Names may only contain {allowed}")
    plain = posixpath.normpath(value)
    if plain != value or plain == "." or plain.startswith(("..", "/")):
        raise _invalid(
            path,
            value,
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such."
            f" This name would resolve to {plain!r}",
        )
    if len(value) > MAX_KEY:
        raise invalid(f"'{path}' exceeds the maximum length of {MAX_KEY} characters")
    return value


def value(given: Any, path: str, limit: int) -> str:
    """The value of a parameter or a tag; none is an empty one."""
    if given is None:
        return ""
    if not isinstance(given, str):
        raise _invalid(path, given, "it has to be a string.")
    if len(given) > limit:
        raise invalid(f"'{path}' exceeds the maximum length of {limit} characters")
    if storable(given) != given:
        raise _invalid(path, given[:100], "it holds a character that no text may have.")
    return given


def stage(given: str) -> str:
    """A stage of the registry, however it is capitalised."""
    found = next((name for name in STAGES if name.lower() == given.lower()), None)
    if found is None:
        raise invalid(f"Invalid Model Version stage: {given[:50]}. Value must be one of {', '.join(STAGES)}.")
    return found


def step(given: Any, path: str) -> int:
    if given is None:
        return 0
    if type(given) is str and _WHOLE.fullmatch(given):  # protobuf writes 64 bits as a text
        given = int(given)
    if type(given) is not int or not -(2**63) <= given < 2**63:
        raise _invalid(path, given, "it has to be a 64-bit integer.")
    return given


def _invalid(path: str, given: Any, why: str) -> Exception:
    return invalid(f"Invalid value {json.dumps(given)[:300]} for parameter '{path}' supplied: {why}")
