"""What .amlignore and .gitignore leave out, compared with git itself."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from experiments.snapshots import SnapshotRefused
from experiments.snapshots.ignore import IgnoreRules

FILES = (
    "train.py",
    "data/a.csv",
    "data/keep.csv",
    "data/deep/a.csv",
    "data/deep/b.txt",
    "logs/x.log",
    "sub/logs/y.log",
    "sub/train.py",
    "build/out/x.o",
    "name with space.txt",
    "#hash.txt",
    "!bang.txt",
    "über.txt",
)

CASES = [
    {".gitignore": "*.csv"},
    {".gitignore": "*.csv\n!keep.csv"},
    {".gitignore": "data/\n!data/keep.csv"},
    {".gitignore": "data/*\n!data/keep.csv"},
    {".gitignore": "data/**\n!data/keep.csv\n!data/deep/"},
    {".gitignore": "data/**\n!data/**/\n!*.txt"},
    {".gitignore": "/train.py"},
    {".gitignore": "train.py\n!/train.py"},
    {".gitignore": "logs/"},
    {".gitignore": "/logs"},
    {".gitignore": "**/logs/*.log"},
    {".gitignore": "sub/**/y.log"},
    {".gitignore": "*\n!data/\n!data/deep/\n!*.txt"},
    {".gitignore": "*\n!*/\n!*.py"},
    {".gitignore": "\\#hash.txt\n\\!bang.txt\n# comment\n\n   \nname with space.txt   "},
    {".gitignore": "[dl]*/\n"},
    {".gitignore": "data/[!k]*.csv\n[z-a]\n[\n!\ntrain\\"},
    {".gitignore": "*.csv", "data/.gitignore": "!a.csv"},
    {".gitignore": "!a.csv", "data/.gitignore": "*.csv\n/deep"},
    {".gitignore": "data/", "data/.gitignore": "!*"},
    {"sub/.gitignore": "/train.py\nlogs"},
    {".gitignore": "\ufeff*.csv\r\n*.log\r\n"},
    {".gitignore": "?rain.py\nx.?"},
    {".gitignore": "*/\n!/data/\n"},
    {".gitignore": "**\n!**/\n!b.txt"},
    {".gitignore": "/*\n!/sub"},
    {".gitignore": "**/deep/**\n/**/logs"},
    {".gitignore": "build/**/x.o\ndata/**/b.txt"},
]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git to compare with")
@pytest.mark.parametrize("ignores", CASES, ids=lambda case: repr(case))
def test_the_rules_are_those_of_git(ignores: dict[str, str], tmp_path: Path) -> None:
    for name, content in {**dict.fromkeys(FILES, ""), **ignores}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content.encode())
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    names = (*FILES, *ignores)
    listed = subprocess.run(
        ["git", "-c", "core.excludesFile=", "ls-files", "-z", "--others", "--exclude-standard"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    rules = IgnoreRules({name: content.encode() for name, content in ignores.items()})
    assert {name for name in names if rules.why_left_out(name) is None} == set(filter(None, listed.stdout.split("\0")))


def test_the_reason_names_file_line_and_pattern() -> None:
    rules = IgnoreRules({".gitignore": b"# data\n\n*.csv\n", "sub/.gitignore": b"out/\n"})
    assert rules.why_left_out("a/b.csv") == ".gitignore:3: *.csv"
    assert rules.why_left_out("sub/out/deep/x") == "sub/.gitignore:1: out/"
    assert rules.why_left_out("out/x") is None


def test_an_amlignore_replaces_the_gitignore_beside_it_only() -> None:
    rules = IgnoreRules({".gitignore": b"*.csv", ".amlignore": b"*.log", "sub/.gitignore": b"*.csv"})
    assert rules.why_left_out("a.csv") is None
    assert rules.why_left_out("a.log") == ".amlignore:1: *.log"
    assert rules.why_left_out("sub/a.csv") == "sub/.gitignore:1: *.csv"


@pytest.mark.parametrize(
    "name", [".git/config", "a/.git/HEAD", "a/__pycache__/x.pyc", ".ipynb_checkpoints/a", "a/.DS_Store", "__MACOSX/._a"]
)
def test_some_files_are_always_left_out(name: str) -> None:
    reason = IgnoreRules({".amlignore": b"!*\n!.git/\n"}).why_left_out(name)
    assert reason is not None
    assert reason.startswith("always left out: ")


def test_a_file_named_like_a_folder_that_is_left_out_is_kept() -> None:
    assert IgnoreRules({}).why_left_out("__pycache__") is None


def test_many_wildcards_are_refused_naming_the_line() -> None:
    with pytest.raises(SnapshotRefused, match="line 2") as refused:
        IgnoreRules({"sub/.gitignore": b"*.csv\n*a*a*a*a*b\n"})
    assert refused.value.entry == "sub/.gitignore"


def test_hostile_patterns_cannot_keep_the_portal_busy() -> None:
    rules = IgnoreRules({".gitignore": b"*a*a*a*b\n" * 50})
    start = time.perf_counter()
    with pytest.raises(SnapshotRefused, match="too long"):
        for number in range(10_000):
            rules.why_left_out("a" * 240 + str(number))
    assert time.perf_counter() - start < 20


def test_a_huge_ignore_file_is_refused() -> None:
    with pytest.raises(SnapshotRefused, match="larger than"):
        IgnoreRules({".gitignore": b"x\n" * 40_000})
