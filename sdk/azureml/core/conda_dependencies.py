"""`azureml.core.conda_dependencies`: a conda environment file as an object."""

import copy
import os
import re
from typing import Any, Dict, Iterable, List, Optional, Union

from azureml._partial import Partial
from azureml._said import say
from azureml.core import _conda_file
from azureml.exceptions import UserErrorException

__all__ = [
    "CHANNELS",
    "CONDA_FILE_NAME",
    "DEFAULT_SDK_ORIGIN",
    "DEPENDENCIES",
    "PIP",
    "PYTHON_PREFIX",
    "CondaDependencies",
]

DEFAULT_SDK_ORIGIN = "https://pypi.python.org/simple"
CONDA_FILE_NAME = "auto_conda_dependencies.yml"
CHANNELS, DEPENDENCIES, PIP, PYTHON_PREFIX = "channels", "dependencies", "pip", "python"
PYTHON_DEFAULT_VERSION = "3.10.18"

_HEAD = """\
# Conda environment specification. The dependencies defined in this file will
# be automatically provisioned for runs with userManagedDependencies=False.

"""


class CondaDependencies(Partial):
    """The Python, conda packages, pip packages and channels of an environment.

    What is read from a file stays as it is written, comments too, until something is changed.
    """

    def __init__(
        self, conda_dependencies_file_path: Optional[str] = None, _underlying_structure: Optional[Dict[str, Any]] = None
    ) -> None:
        self._text: Optional[str] = None
        self._read: Optional[Dict[str, Any]] = None
        if conda_dependencies_file_path is not None:
            with open(conda_dependencies_file_path, encoding="utf-8-sig") as file:
                self._text = file.read()
        else:
            self._read = copy.deepcopy(_underlying_structure) or _blank(PYTHON_DEFAULT_VERSION)

    @classmethod
    def _of_text(cls, text: str) -> "CondaDependencies":
        made = cls()
        made._text, made._read = text, None
        return made

    @property
    def _content(self) -> Dict[str, Any]:
        """Read when it is asked for: a file that nobody changes is for the portal to judge, as it is written."""
        if self._read is None:
            content = _conda_file.read(self._text or "")
            if not isinstance(content, dict):
                raise UserErrorException("a conda file has `key: value` lines, `dependencies:` first of all")
            for key in (CHANNELS, DEPENDENCIES):
                if content.get(key) is not None and not isinstance(content[key], list):
                    raise UserErrorException("{} of a conda file has to be a list".format(key))
            self._read = content
        return self._read

    @staticmethod
    def create(
        pip_indexurl: Optional[str] = None,
        pip_packages: Optional[List[str]] = None,
        conda_packages: Optional[List[str]] = None,
        python_version: str = PYTHON_DEFAULT_VERSION,
        pin_sdk_version: bool = True,
    ) -> "CondaDependencies":
        """With azureml-defaults, which the portal provides by itself; whatever else, by what is given."""
        made = CondaDependencies(_underlying_structure=_blank(python_version))
        for package in conda_packages or ():
            made.add_conda_package(package)
        if pip_indexurl:
            made.set_pip_index_url("--index-url " + pip_indexurl)
        for package in pip_packages or ():
            made.add_pip_package(package)
        return made

    @staticmethod
    def merge_requirements(requirements: Iterable[str]) -> List[str]:
        """One line a package: the last that was named."""
        found: Dict[str, str] = {}
        for line in requirements:
            found[_name(line)] = line
        return list(found.values())

    @property
    def conda_channels(self) -> Iterable[str]:
        return iter(self._content.get(CHANNELS) or [])

    @property
    def conda_packages(self) -> Iterable[str]:
        """Those of conda's section, without Python itself."""
        return iter([item for item in self._conda() if not _is_python(item)])

    @property
    def pip_packages(self) -> Iterable[str]:
        return iter([item for item in self._pip() if not item.startswith("-")])

    @property
    def pip_options(self) -> Iterable[str]:
        return iter([item for item in self._pip() if item.startswith("-")])

    @property
    def python_version(self) -> Optional[str]:
        """As it is written: `3.6.2`; None when the file names none."""
        return self.get_python_version()

    def get_python_version(self) -> Optional[str]:
        return next((re.sub(r"^python\s*=*\s*", "", item) or None for item in self._conda() if _is_python(item)), None)

    def set_python_version(self, version: Union[str, float]) -> None:
        others = [item for item in self._items() if not (isinstance(item, str) and _is_python(item))]
        self._change(DEPENDENCIES, ["python={}".format(version)] + others)

    def add_conda_package(self, conda_package: str) -> None:
        """In place of the same package in another version."""
        others = [item for item in self._items() if not (isinstance(item, str) and _name(item) == _name(conda_package))]
        pip = [item for item in others if isinstance(item, dict)]
        plain = [item for item in others if not isinstance(item, dict)]
        self._change(DEPENDENCIES, plain + [_checked(conda_package)] + pip)

    def remove_conda_package(self, conda_package: str) -> None:
        kept = [item for item in self._items() if not (isinstance(item, str) and _name(item) == _name(conda_package))]
        self._change(DEPENDENCIES, kept)

    def add_pip_package(self, pip_package: str) -> None:
        """In place of the same package in another version."""
        others = [item for item in self._pip() if item.startswith("-") or _name(item) != _name(pip_package)]
        self._set_pip(others + [_checked(pip_package)])

    def remove_pip_package(self, pip_package: str) -> None:
        self._set_pip([item for item in self._pip() if item.startswith("-") or _name(item) != _name(pip_package)])

    def set_pip_requirements(self, requirements: Iterable[str]) -> None:
        options = [item for item in self._pip() if item.startswith("-")]
        self._set_pip(options + [_checked(line) for line in requirements])

    def set_pip_option(self, pip_option: str) -> None:
        """A line such as `--extra-index-url https://…`; which ones are followed is the portal's setting."""
        name = pip_option.split()[0]
        self._set_pip([_checked(pip_option)] + [item for item in self._pip() if item.split()[0] != name])

    def set_pip_index_url(self, index_url: str) -> None:
        self.set_pip_option(index_url if index_url.startswith("-") else "--index-url " + index_url)

    def remove_pip_option(self, pip_option: str) -> None:
        self._set_pip([item for item in self._pip() if item.split()[0] != pip_option.split()[0]])

    def add_channel(self, channel: str) -> None:
        channels = list(self.conda_channels)
        if channel not in channels:
            self._change(CHANNELS, channels + [_checked(channel)])

    def remove_channel(self, channel: str) -> None:
        self._change(CHANNELS, [item for item in self.conda_channels if item != channel])

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: Optional[str] = None) -> None:
        self.add_conda_package("tensorflow" + ("={}".format(version) if version else ""))
        if core_type != "cpu":
            say("core_type={!r}: the portal installs the tensorflow of the Python package index".format(core_type))

    def add_tensorflow_pip_package(self, core_type: str = "cpu", version: Optional[str] = None) -> None:
        self.add_pip_package("tensorflow" + ("=={}".format(version) if version else ""))
        if core_type != "cpu":
            say("core_type={!r}: the portal installs the tensorflow of the Python package index".format(core_type))

    def as_dict(self) -> Dict[str, Any]:
        return copy.deepcopy(self._content)

    def serialize_to_string(self) -> str:
        """The file: as it was read, or written anew where something was changed."""
        if self._text is not None:
            return self._text
        lines = []
        for key, value in self._content.items():
            if isinstance(value, list):
                lines.append("{}:".format(key))
                for item in value:
                    lines += _item(item)
            elif value is not None:
                lines.append("{}: {}".format(key, _conda_file.write_text(str(value))))
        return _HEAD + "\n".join(lines) + "\n"

    def save(self, path: Optional[str] = None) -> str:
        """Writes the file, or conda_dependencies.yml in a folder, and returns its path."""
        path = path or "conda_dependencies.yml"
        if os.path.isdir(path):
            path = os.path.join(path, "conda_dependencies.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.serialize_to_string())
        return path

    def save_to_file(self, base_directory: str, conda_file_path: Optional[str] = None) -> str:
        """Writes base_directory/conda_file_path and returns the latter."""
        name = conda_file_path or CONDA_FILE_NAME
        path = os.path.join(base_directory, name)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.save(path)
        return name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CondaDependencies) and self._content == other._content

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.serialize_to_string()

    __repr__ = __str__

    def _items(self) -> List[Any]:
        return list(self._content.get(DEPENDENCIES) or [])

    def _conda(self) -> List[str]:
        return [item for item in self._items() if isinstance(item, str)]

    def _pip(self) -> List[str]:
        lists = [item[PIP] for item in self._items() if isinstance(item, dict) and isinstance(item.get(PIP), list)]
        return [str(line) for lines in lists for line in lines]

    def _set_pip(self, lines: List[str]) -> None:
        others = [item for item in self._items() if not (isinstance(item, dict) and PIP in item)]
        self._change(DEPENDENCIES, others + ([{PIP: lines}] if lines else []))

    def _change(self, key: str, value: List[Any]) -> None:
        self._content[key] = value
        self._text = None


def _blank(python_version: str) -> Dict[str, Any]:
    return {
        "name": "project_environment",
        DEPENDENCIES: ["python={}".format(python_version), {PIP: ["azureml-defaults"]}],
        CHANNELS: ["anaconda", "conda-forge"],
    }


def _item(item: Any) -> List[str]:
    if not isinstance(item, dict):
        return ["  - " + _conda_file.write_text(str(item))]
    lines = []
    for key, inner in item.items():
        lines.append("  - {}:".format(key))
        lines += ["      - " + _conda_file.write_text(str(line)) for line in inner or ()]
    return lines


def _name(line: str) -> str:
    """`conda-forge::scikit_learn[alldeps]>=0.19` is of scikit-learn."""
    own = line.strip().rpartition("::")[2]
    return re.split(r"[\s=<>~!;@\[]", own, maxsplit=1)[0].lower().replace("_", "-")


def _is_python(line: str) -> bool:
    return _name(line) == PYTHON_PREFIX


def _checked(line: str) -> str:
    if not isinstance(line, str) or not line.strip() or "\n" in line:
        raise UserErrorException("a package is named by one line of text, not by {!r}".format(line))
    return line.strip()
