"""`meta.yaml` of somebody's folder: one plain mapping, and nothing of YAML that grows or makes objects."""

from __future__ import annotations

from typing import Any, Final

import yaml

from mlportal.mlflow_port.items import Unreadable

MAX_BYTES: Final = 32 << 20  # a dataset's profile has up to 16 million characters
MAX_DEPTH: Final = 10
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_mapping(data: bytes) -> dict[str, Any]:
    """Raises Unreadable for what is not one mapping with texts as keys, and for aliases, anchors and tags."""
    if len(data) > MAX_BYTES:
        raise Unreadable(f"it has more than {MAX_BYTES} bytes")
    try:
        _refuse_extras(data)
        found = yaml.load(data, Loader=_Loader)
    except yaml.YAMLError as error:
        raise Unreadable(f"it is not valid YAML: {str(error).splitlines()[0]}") from None
    except (ValueError, OverflowError):  # a day 2020-99-99, a number without end
        raise Unreadable("it holds a value that is none") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise Unreadable("it is not a mapping; perhaps it was cut off")
    return found


def _refuse_extras(data: bytes) -> None:
    """Looked for among the parser's events, before anything is built of them."""
    depth = 0
    for event in yaml.parse(data, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise Unreadable("it has a YAML alias, which MLflow never writes")
        if isinstance(event, yaml.NodeEvent) and (event.anchor is not None or getattr(event, "tag", None) is not None):
            raise Unreadable("it has a YAML anchor or tag, which MLflow never writes")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise Unreadable(f"it is nested more than {MAX_DEPTH} deep")
