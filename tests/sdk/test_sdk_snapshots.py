"""Which files of a folder the client names to the portal: all that the portal may want, and no more than it must."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mlportal_sdk import errors
from mlportal_sdk.snapshots import walk

from experiments.snapshots.ignore import IgnoreRules


def lay_out(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def names(folder: Path) -> list[str]:
    return [name for name, _ in walk(str(folder))]


def test_every_regular_file_is_named_with_its_size(tmp_path: Path) -> None:
    lay_out(tmp_path, {"train.py": "12345", "b/two.txt": "", "b/a/one.txt": "1", ".amlignore": "x\n"})
    assert {name: size for name, (_, size) in walk(str(tmp_path))} == {
        ".amlignore": 2,
        "train.py": 5,
        "b/two.txt": 0,
        "b/a/one.txt": 1,
    }


def test_links_to_files_are_files_and_other_things_are_left_alone(tmp_path: Path) -> None:
    lay_out(tmp_path, {"folder/data.csv": "1"})
    (tmp_path / "link.csv").symlink_to("folder/data.csv")
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "round").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path) == ["link.csv", "folder/data.csv"]


def test_a_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.py")).write_text("")
    with pytest.raises(errors.BadInput, match="not valid Unicode"):
        names(tmp_path)


@pytest.mark.parametrize(
    ("ignore", "walked"),
    [
        (".venv/\ndata\n", False),
        ("# my\n\n.venv\ndata/  \n", False),
        (".venv/\ndata\n!data/keep.csv\n", True),  # the portal decides where something is taken back
        (".v*\nd?ta\n", True),
        ("/.venv\n/data\n", True),
    ],
)
def test_folders_that_are_plainly_left_out_are_not_walked(tmp_path: Path, ignore: str, walked: bool) -> None:
    lay_out(tmp_path, {".gitignore": ignore, "train.py": "", ".venv/lib/a.py": "", "src/data/b.csv": "", "data": ""})
    left_out = {".venv/lib/a.py", "src/data/b.csv"}
    found = set(names(tmp_path))
    assert found - left_out == {".gitignore", "train.py", "data"}
    assert (found & left_out == left_out) is walked


def test_amlignore_replaces_the_gitignore_beside_it(tmp_path: Path) -> None:
    lay_out(tmp_path, {".gitignore": "data\n", ".amlignore": "other\n", "data/a": "", "other/b": ""})
    assert "data/a" in names(tmp_path)
    assert "other/b" not in names(tmp_path)


def test_what_is_not_walked_is_what_the_portal_leaves_out(tmp_path: Path) -> None:
    """Else a file would be missing from the snapshot, and nobody told why."""
    lines = ["data", "sub/", "*.pyc", "a b", "x\\ y", "#c", "", "  ", "lib/deep", "[z]", "**/w", "sub "]
    folders = ["data", "sub", "a b", "x y", "#c", "lib/deep", "z", "w", "src/data", "src/sub", ".git", "__pycache__"]
    lay_out(tmp_path, {".gitignore": "\n".join(lines), **{f"{folder}/f.py": "" for folder in folders}})
    lay_out(tmp_path, {"src/.gitignore": "more\n", "src/more/f.py": "", "more/f.py": "", "src/more/below/f.py": ""})
    everything = {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()
    }
    ignores = {name: (tmp_path / name).read_bytes() for name in everything if name.endswith(".gitignore")}
    rules = IgnoreRules(ignores)
    kept = {name for name in everything if rules.why_left_out(name) is None}
    assert kept - set(names(tmp_path)) == set()
    assert "more/f.py" in kept


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read every folder
    with pytest.raises(errors.BadInput, match="Permission denied"):
        names(tmp_path)
