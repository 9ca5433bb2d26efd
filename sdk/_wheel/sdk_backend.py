"""Builds the SDK's wheel with nothing but the standard library: `pip install ./sdk` needs no index (PEP 517, 427, 660).

What a wheel says of itself is in setup.cfg. The same files make the same bytes.
"""

import base64
import configparser
import hashlib
import io
import os
import re
import zipfile
from typing import Any, Dict, Iterator, List, Optional, Tuple

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = ("mlportal_sdk", "azureml")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip knows


def build_wheel(
    wheel_directory: str, config_settings: Optional[Dict[str, Any]] = None, metadata_directory: Optional[str] = None
) -> str:
    return _write(wheel_directory, dict(_modules()))


def build_editable(
    wheel_directory: str, config_settings: Optional[Dict[str, Any]] = None, metadata_directory: Optional[str] = None
) -> str:
    return _write(wheel_directory, {"mlportal_sdk.pth": (HERE + "\n").encode("utf-8")})


def build_sdist(sdist_directory: str, config_settings: Optional[Dict[str, Any]] = None) -> str:
    import tarfile

    root = "mlportal_sdk-{}".format(version())
    name = root + ".tar.gz"
    with tarfile.open(os.path.join(sdist_directory, name), "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for file, content in _source():
            about = tarfile.TarInfo("{}/{}".format(root, file))
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return name


def get_requires_for_build_wheel(config_settings: Optional[Dict[str, Any]] = None) -> List[str]:
    return []


get_requires_for_build_sdist = get_requires_for_build_editable = get_requires_for_build_wheel


def wheel() -> Tuple[str, bytes]:
    """(file name, bytes)."""
    return wheel_name(), _wheel(dict(_modules()))


def wheel_name() -> str:
    return "mlportal_sdk-{}-py3-none-any.whl".format(version())


def version() -> str:
    found = re.search(r'^__version__ = "([^"]+)"', _read("mlportal_sdk/__init__.py").decode("utf-8"), re.MULTILINE)
    assert found
    return found.group(1)


def _write(directory: str, files: Dict[str, bytes]) -> str:
    with open(os.path.join(directory, wheel_name()), "wb") as file:
        file.write(_wheel(files))
    return wheel_name()


def _wheel(files: Dict[str, bytes]) -> bytes:
    config = _config()
    about = "mlportal_sdk-{}.dist-info".format(version())
    scripts = "[console_scripts]\n{}\n".format(config["options.entry_points"]["console_scripts"].strip())
    files = {
        **files,
        about + "/METADATA": _metadata(config),
        about + "/WHEEL": b"Wheel-Version: 1.0\nGenerator: sdk_backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        about + "/entry_points.txt": scripts.encode("utf-8"),
    }
    record = "".join("{},sha256={},{}\n".format(name, _digest(data), len(data)) for name, data in files.items())
    files[about + "/RECORD"] = "{}{}/RECORD,,\n".format(record, about).encode("utf-8")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return target.getvalue()


def _config() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read_string(_read("setup.cfg").decode("utf-8"))
    return config


def _metadata(config: configparser.ConfigParser) -> bytes:
    metadata = config["metadata"]
    head = [
        "Metadata-Version: 2.1",
        "Name: " + metadata["name"],
        "Version: " + version(),
        "Summary: " + metadata["description"],
        "License: " + metadata["license"],
        "Requires-Python: " + config["options"]["python_requires"],
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(head).encode("utf-8") + b"\n\n" + _read("README.md")


def _modules() -> Iterator[Tuple[str, bytes]]:
    for package in PACKAGES:
        for folder, below, names in os.walk(os.path.join(HERE, package)):
            below[:] = sorted(name for name in below if name != "__pycache__")
            for name in sorted(names):
                if name.endswith((".py", ".typed")):
                    path = os.path.relpath(os.path.join(folder, name), HERE).replace(os.sep, "/")
                    yield path, _read(path)


def _source() -> Iterator[Tuple[str, bytes]]:
    for name in ("pyproject.toml", "setup.cfg", "README.md", "_wheel/sdk_backend.py"):
        yield name, _read(name)
    yield "PKG-INFO", _metadata(_config())
    for name, content in _modules():
        yield name, content


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode("ascii").rstrip("=")


def _read(name: str) -> bytes:
    with open(os.path.join(HERE, *name.split("/")), "rb") as file:
        return file.read()
