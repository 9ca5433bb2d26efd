"""Classes that have a part of their Azure ML namesake's members and say so for the rest."""

from typing import Any, Dict

from azureml.exceptions import NotSupportedError


def _missing(owner: Any, name: str, instead: Dict[str, str]) -> AttributeError:
    if name.startswith("_"):  # asked for by copy, pickle, inspect and the like
        return AttributeError("{!r} has no attribute {!r}".format(owner.__name__, name))
    advice = instead.get(name, "see the portal's documentation for what its SDK covers")
    return NotSupportedError("{}.{} is not supported here: {}".format(owner._shown_as or owner.__name__, name, advice))


class _PartialType(type):
    _instead: Dict[str, str] = {}

    def __getattr__(cls, name: str) -> Any:
        raise _missing(cls, name, cls._instead)


class Partial(metaclass=_PartialType):
    """Base of such a class; `_instead` maps members that it lacks to what to use in their place."""

    _instead: Dict[str, str] = {}
    _shown_as = ""

    def __getattr__(self, name: str) -> Any:
        raise _missing(type(self), name, self._instead)
