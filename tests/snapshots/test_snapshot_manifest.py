"""Manifests: canonical, free of conflicts, and laid out on a disk byte by byte."""

import hashlib
import io
import os
import random
import stat
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.snapshots import (
    CorruptBlob,
    Manifest,
    SnapshotRefused,
    guess_entry_script,
    guess_environment,
    write_to,
)

segments = st.text(alphabet="abcé.-_ ", min_size=1, max_size=4).filter(lambda s: s not in (".", ".."))
names = st.lists(segments, min_size=1, max_size=3).map("/".join)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest_of(files: dict[str, bytes]) -> Manifest:
    return Manifest.of((name, sha(content), len(content)) for name, content in files.items())


def opener(*contents: bytes) -> dict[str, bytes]:
    return {sha(content): content for content in contents}


@given(st.lists(names, unique=True, max_size=8), st.randoms())
def test_the_digest_does_not_depend_on_the_order(found: list[str], shuffle: random.Random) -> None:
    rows = [(name, sha(name.encode()), len(name)) for name in found]
    try:
        manifest = Manifest.of(rows)
    except SnapshotRefused:
        return
    shuffle.shuffle(rows)
    assert Manifest.of(rows) == manifest
    assert Manifest.of(rows).digest == manifest.digest
    assert Manifest.of(manifest.rows()) == manifest


def test_the_digest_is_the_documented_one() -> None:
    """A change of it would make every stored snapshot a new one."""
    manifest = manifest_of({"b.txt": b"2", "a/é.py": b"1"})
    text = f"mlportal-snapshot-1\na/é.py\0{sha(b'1')}\x001\nb.txt\0{sha(b'2')}\x001\n"
    assert manifest.digest == sha(text.encode())


def test_name_content_and_size_each_change_the_digest() -> None:
    base = ("a", sha(b"1"), 1)
    digests = {Manifest.of([row]).digest for row in (base, ("b", *base[1:]), ("a", sha(b"2"), 1), ("a", base[1], 2))}
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (["Train.py", "train.py"], ["Train.py", "train.py"]),
        (["a", "a"], ["a", "twice"]),
        (["a", "a/b"], ["'a'", "'a/b'"]),
        (["A", "a/b/c"], ["'A'", "'a/b/c'"]),
        (["straße", "STRASSE"], ["straße", "STRASSE"]),
    ],
)
def test_names_that_cannot_live_together_are_refused_naming_both(found: list[str], named: list[str]) -> None:
    with pytest.raises(SnapshotRefused) as refused:
        Manifest.of((name, sha(b""), 0) for name in found)
    assert all(name in str(refused.value) for name in named)


@pytest.mark.parametrize("row", [("../x", sha(b""), 0), ("a", "ABC", 0), ("a", sha(b""), -1), ("e\u0301", sha(b""), 0)])
def test_rows_that_no_intake_made_are_refused(row: tuple[str, str, int]) -> None:
    with pytest.raises(SnapshotRefused):
        Manifest.of([row])


def test_the_tree_nests_and_adds_up() -> None:
    tree = manifest_of({"z.py": b"12", "data/b.csv": b"123", "data/deep/a.csv": b"1", "A.md": b""}).tree()
    assert (tree.size, tree.files) == (6, 4)
    assert [child.name for child in tree.children] == ["data", "A.md", "z.py"]
    data = tree.children[0]
    assert (data.is_folder, data.path, data.size, data.files) == (True, "data", 4, 2)
    assert [child.path for child in data.children] == ["data/deep", "data/b.csv"]
    assert not data.children[1].is_folder


def test_a_snapshot_is_laid_out_privately(tmp_path: Path) -> None:
    files = {
        "train.py": b"print(1)\r\n",
        "data/deep/é.bin": bytes(range(256)),
        "data/copy": b"print(1)\r\n",
        "empty": b"",
    }
    blobs = opener(*files.values())
    previous = os.umask(0)
    try:
        write_to(manifest_of(files), tmp_path / "work", lambda digest: io.BytesIO(blobs[digest]))
    finally:
        os.umask(previous)
    found = {p.relative_to(tmp_path / "work").as_posix(): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert found == files
    for path in (tmp_path / "work", *(tmp_path / "work").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("stored", [b"prinT(1)", b"print(1", b"print(1)!", b""])
def test_a_damaged_blob_is_refused_and_nothing_stays(stored: bytes, tmp_path: Path) -> None:
    manifest = manifest_of({"a/first.py": b"ok", "train.py": b"print(1)"})

    def open_blob(digest: str) -> BinaryIO:
        return io.BytesIO(b"ok" if digest == sha(b"ok") else stored)

    with pytest.raises(CorruptBlob, match=r"train\.py"):
        write_to(manifest, tmp_path / "work", open_blob)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_or_link_is_never_written_into(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for target in ("real", "link"):
        with pytest.raises(FileExistsError):
            write_to(manifest_of({"a": b""}), tmp_path / target, lambda _: io.BytesIO())
    assert list((tmp_path / "real").iterdir()) == []


@pytest.mark.parametrize(
    ("found", "guess"),
    [
        (["train_iris.py", "sklearn-env.yml"], "train_iris.py"),
        (["train_iris.py", "train.py", "main.py"], "train.py"),
        (["main.py", "utils.py"], "main.py"),
        (["deep/train.py", "main.py"], "main.py"),
        (["only.py", "lib/a.py", "lib/b.py", "README.md"], "only.py"),
        (["src/only.py"], "src/only.py"),
        (["setup.py", "conftest.py", "score.py", "fit.py"], "fit.py"),
        (["test_train.py"], None),
        (["a.py", "b.py"], None),
        (["train.pyc", "train.py/readme"], None),
        ([], None),
    ],
)
def test_the_entry_script_is_guessed(found: list[str], guess: str | None) -> None:
    assert guess_entry_script(found) == guess


@pytest.mark.parametrize(
    ("found", "guess"),
    [
        (["train_iris.py", "sklearn-env.yml"], "sklearn-env.yml"),
        (["environment.yml", "conda.yaml"], "environment.yml"),
        (["conda_dependencies.yml", "config.yml"], "conda_dependencies.yml"),
        (["deep/environment.yml", "my-env.yaml"], "my-env.yaml"),
        (["docker-compose.yml", "config.yaml"], None),
    ],
)
def test_the_environment_is_guessed(found: list[str], guess: str | None) -> None:
    assert guess_environment(found) == guess
