"""Modules that import a name when it is first asked for, and say what to use in place of names that they lack.

A module-level `__getattr__` is of Python 3.7; a module of another class does the same on 3.6.
"""

import importlib
import sys
from types import ModuleType
from typing import Any, Dict, List

from azureml._outside import missing
from azureml.exceptions import UnsupportedImportError


class _LazyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if name in own["_homes"]:
            value = getattr(importlib.import_module(own["_homes"][name]), name)
            own[name] = value
            return value
        # an ImportError, not an AttributeError: `from azureml.core import X` would replace the latter's message
        if name in own["_instead"]:
            raise UnsupportedImportError(
                "{}.{} is not supported here: {}".format(self.__name__, name, own["_instead"][name])
            )
        return missing(self, name)

    def __dir__(self) -> List[str]:
        return sorted(set(self.__dict__) | set(self.__dict__["_homes"]))


def lazy(module_name: str, homes: Dict[str, str], instead: Dict[str, str]) -> List[str]:
    """Makes a module lazy: `homes` says where each of its names is, `instead` what to use for those it lacks.

    Returns the names that there are, for `__all__`.
    """
    module = sys.modules[module_name]
    module.__dict__.update(_homes=homes, _instead=instead)
    module.__class__ = _LazyModule
    return sorted(homes)
