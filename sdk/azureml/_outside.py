"""Packages and classes of the Azure ML SDK that the portal does not have: they can be imported, and say so when used.

So a notebook's import cell passes, and the error stands at the line that needs the missing thing, naming it.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any, Optional

from azureml._absent import CLASSES, MODULES
from azureml.exceptions import NotSupportedError

_COVERED = ("azureml.core.", "azureml.data.")


class _Unsupported(type):
    """A name of such a package: calling it, or asking it for a member, is the error."""

    _instead = ""

    def _refuse(cls, member: str = "") -> NotSupportedError:
        return NotSupportedError(
            "{}.{}{} is not supported here: {}".format(cls.__module__, cls.__name__, member, cls._instead)
        )

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise cls._refuse()

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):  # asked for by inspect, pickle and the like
            raise AttributeError(name)
        raise cls._refuse("." + name)


class _OutsideModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        full_name = "{}.{}".format(self.__name__, name)
        if name.startswith("__") or any(known == full_name or known.startswith(full_name + ".") for known in MODULES):
            raise AttributeError(name)  # a module of the table: the import system goes on to look for it
        return _stand_in(self, name, _advice(self.__name__))


class _CoveredModule(ModuleType):
    """A module that is there: a class that it lacks can be imported, too."""

    def __getattr__(self, name: str) -> Any:
        return missing(self, name)


def missing(module: ModuleType, name: str) -> Any:
    """What stands in for a class of Azure's that a module lacks. Raises AttributeError for all other names."""
    if name not in CLASSES:
        raise AttributeError("module {!r} has no attribute {!r}".format(module.__name__, name))
    return _stand_in(module, name, CLASSES[name])


def _stand_in(module: ModuleType, name: str, instead: Optional[str]) -> Any:
    value = _Unsupported(name, (), {"__module__": module.__name__, "_instead": instead})
    module.__dict__[name] = value
    return value


class _CoveringLoader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if type(module) is ModuleType:  # else it answers by itself
            module.__class__ = _CoveredModule


class _Coverer:
    """At the beginning of sys.meta_path: the SDK's modules, with an answer for what they lack."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if not name.startswith(_COVERED):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _CoveringLoader(name, spec.loader.path)
        return spec


class _Finder:
    """At the end of sys.meta_path: it is asked only for what is not there."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if not name.startswith("azureml.") or _advice(name) is None:
            return None
        return ModuleSpec(name, cls, is_package=True)  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return _OutsideModule(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        pass


def _advice(name: str) -> Optional[str]:
    """Of the longest name in the table that the module is, or is in."""
    parts = name.split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 1, -1))
    return next((MODULES[known] for known in names if known in MODULES), None)


def install() -> None:
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Coverer)  # type: ignore[arg-type]
        sys.meta_path.append(_Finder)  # type: ignore[arg-type]
