"""The lister on real model files, and on files made to run something or to exhaust it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from models_registry.inspection import Inspection, inspect_model
from models_registry.inspection.verdicts import verdict_of


class Touch:
    """Pickles to a call that makes a file: the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def names(inspection: Inspection) -> set[str]:
    return {f"{item.module}.{item.name}" for item in inspection.imports}


@pytest.fixture(scope="module")
def model() -> Any:
    x, y = load_iris(return_X_y=True)
    return make_pipeline(StandardScaler(), SVC(kernel="linear", random_state=0)).fit(x, y)


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)], ids=str)
def test_a_joblib_model_is_listed_under_every_compression(tmp_path: Path, model: Any, compress: Any) -> None:
    path = tmp_path / "model.bin"
    joblib.dump(model, path, compress=compress)
    inspection = inspect_model(path)
    assert (inspection.verdict, inspection.format) == ("known", "joblib"), inspection
    assert {"sklearn.svm._classes.SVC", "sklearn.preprocessing._data.StandardScaler"} <= names(inspection)
    assert "safe" not in inspection.message


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dump", [joblib.dump, None], ids=["joblib", "pickle"])
def test_every_pickle_protocol_is_listed(tmp_path: Path, model: Any, protocol: int, dump: Any) -> None:
    path = tmp_path / "model.pkl"
    if dump:
        dump(model, path, protocol=protocol)
    else:
        path.write_bytes(pickle.dumps(model, protocol=protocol))
    inspection = inspect_model(path)
    assert inspection.verdict == "known", inspection
    assert inspection.format == ("joblib" if dump else "pickle")
    assert "sklearn.svm._classes.SVC" in names(inspection)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "compressed"])
def test_what_comes_after_the_first_pickle_is_listed_too(tmp_path: Path, pack: Any) -> None:
    """An entry script may load twice."""
    canary = tmp_path / "canary"
    path = tmp_path / "model.pkl"
    path.write_bytes(pack(pickle.dumps(1) + pickle.dumps(Touch(canary))))
    inspection = inspect_model(path)
    assert (inspection.verdict, canary.exists()) == ("dangerous", False)
    path.write_bytes(pack(pickle.dumps(SVC()) + b"\xff"))
    assert inspect_model(path).verdict == "unreadable"


def test_object_arrays_and_structured_arrays_are_followed(tmp_path: Path) -> None:
    rows = np.array([["red", 1.0], ["blue", 2.0], ["red", 3.0]], dtype=object)
    model = make_pipeline(ColumnTransformer([("c", OneHotEncoder(), [0])]), RandomForestClassifier(5)).fit(
        rows, [0, 1, 0]
    )
    path = tmp_path / "model.joblib"
    joblib.dump({"model": model, "names": np.array(["é", "b"]), "after": SVC()}, path)
    inspection = inspect_model(path)
    assert inspection.verdict == "known", inspection
    assert {"sklearn.tree._tree.Tree", "sklearn.svm._classes.SVC"} <= names(inspection)


def test_a_large_model_is_quick(tmp_path: Path, model: Any) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump([np.zeros(30 << 17), model], path)
    assert path.stat().st_size > 30 << 20
    started = time.monotonic()
    assert inspect_model(path).verdict == "known"
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("compress", [0, 3], ids=["plain", "compressed"])
@pytest.mark.parametrize("place", ["before", "behind", "inside"])
def test_a_command_among_arrays_is_named_and_not_run(tmp_path: Path, compress: int, place: str) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.joblib"
    evil, array = Touch(canary), np.arange(1000.0)
    holders = {"before": [evil, array], "behind": [array, evil], "inside": np.array([1, evil], dtype=object)}
    joblib.dump(holders[place], path, compress=compress)
    inspection = inspect_model(path)
    assert inspection.verdict == "dangerous"
    assert names(inspection) & {"os.system", "posix.system"}
    assert "system" in inspection.message
    assert not canary.exists()
    joblib.load(path)
    assert canary.exists(), "the file would have run its command: the test is real"


HOSTILE = {
    "a global of protocol 0": b"cos\nsystem\n(S'true'\ntR.",
    "the names of Python 2": b"c__builtin__\neval\n(S'1'\ntR.",
    "an instance": b"(S'true'\nios\nsystem\n.",
    "a computed name": b"\x80\x04\x8c\x08builtins\x8c\x09str.lower\x93\x8c\x02OS\x85R\x8c\x06system\x93.",
    "a module reached through another": b"\x80\x04\x8c\x0csklearn.base\x8c\x09os.system\x93.",
    "a module as a name": b"\x80\x04\x8c\x0csklearn.base\x8c\x02os\x93.",
    "a loader of files": b"cnumpy\nload\n(S'x.npy'\ntR.",
    "a pickle in a pickle": b"c_pickle\nloads\n(S'x'\ntR.",
    "attributes": b"cbuiltins\ngetattr\n.",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_ways_around_a_scanner_are_dangerous(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(body)
    assert inspect_model(path).verdict == "dangerous"


def test_imports_met_before_the_end_of_a_broken_file_still_count(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR" + b"\xff\xff garbage")
    inspection = inspect_model(path)
    assert inspection.verdict == "dangerous"
    assert "could not be read" in inspection.message


def test_an_array_that_lies_about_its_type_stops_the_listing(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(np.arange(3.0), path)
    whole = path.read_bytes()
    flags = whole.index(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00") + len(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK")
    path.write_bytes(whole[:flags] + b"\x3f" + whole[flags + 1 :])
    inspection = inspect_model(path)
    assert inspection.verdict == "unreadable"
    assert "contradicts itself" in inspection.message


def test_every_cut_of_a_model_is_unreadable(tmp_path: Path, model: Any) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(model, path, compress=3)
    whole = path.read_bytes()
    for size in (0, 1, 2, len(whole) // 3, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:size])
        assert inspect_model(path).verdict == "unreadable", size


@pytest.mark.parametrize(
    "body",
    [
        b"\0" * 100,
        b"not a model at all\n",
        b"ZF0x10 ",
        b"\x04\x22\x4d\x18rest",
        b"(" * 100_000 + b"l" * 99_999,
        b"PK\x03\x04no",
    ],
)
def test_other_bytes_are_unreadable(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(body)
    inspection = inspect_model(path)
    assert (inspection.verdict, inspection.imports) == ("unreadable", ())
    assert inspection.message.startswith("The file could not be read: ")


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_bounded_in_time_and_memory(tmp_path: Path, pack: Any) -> None:
    # A text of 400 MB must be held as a whole, unlike array bytes, which are only read past.
    size = 400 << 20
    path = tmp_path / "model.joblib"
    path.write_bytes(pack(b"\x80\x04\x8d" + size.to_bytes(8, "little") + bytes(20 << 20)))
    started = time.monotonic()
    inspection = inspect_model(path, timeout=5, memory_bytes=200 << 20)
    assert inspection.verdict == "unreadable"
    assert time.monotonic() - started < 8


def test_a_file_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cos\nsystem\n" + b"}0" * 20_000_000 + b".")
    inspection = inspect_model(path, timeout=0.5)
    assert inspection.verdict == "dangerous", "what was listed before the end is kept"
    assert "takes more than 0.5 s" in inspection.message


def test_a_skops_schema_is_listed(tmp_path: Path) -> None:
    content = {
        "__class__": "SVC",
        "__module__": "sklearn.svm._classes",
        "content": [{"__class__": "system", "__module__": "os"}],
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", json.dumps(content))
    path = tmp_path / "model.skops"
    path.write_bytes(buffer.getvalue())
    inspection = inspect_model(path)
    assert (inspection.format, inspection.verdict) == ("skops", "dangerous")
    assert names(inspection) == {"sklearn.svm._classes.SVC", "os.system"}


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/passwd")
    for name in ("fifo", "link", "absent"):
        with pytest.raises(OSError):
            inspect_model(tmp_path / name)


@pytest.mark.parametrize(
    ("module", "name", "verdict"),
    [
        ("sklearn.svm.classes", "SVC", "known"),
        ("numpy.core.multiarray", "_reconstruct", "known"),
        ("builtins", "set", "known"),
        ("builtins", "exec", "dangerous"),
        ("numpy", "load", "dangerous"),
        ("sklearn.utils", "joblib.load", "dangerous"),
        ("numpy.testing._private.utils", "runstring", "dangerous"),
        ("my_company.features", "Encoder", "unknown"),
        ("sklearn.datasets", "SomeLoader", "unknown"),
        ("functools", "partial", "unknown"),
    ],
)
def test_verdicts(module: str, name: str, verdict: str) -> None:
    assert verdict_of(module, name) == verdict
