"""What a finished run leaves to be stored, and what it cannot smuggle into the store."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from experiments.runner import beneath, collect, launch


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    run_dir = tmp_path / "run"
    launch.prepare_directory(run_dir)
    return run_dir


def collected(
    run_dir: Path, max_files: int = 100, max_bytes: int | None = None
) -> tuple[dict[str, bytes], dict[str, str]]:
    files, skipped = collect.walk_outputs(run_dir, max_files=max_files, max_bytes=max_bytes)
    stored = {}
    for file in files:
        with file.open() as content:
            stored[file.name] = content.read()
        assert file.size == len(stored[file.name]) and file.path.is_file()
    return stored, dict(skipped)


def test_everything_a_run_leaves_is_named(run_dir: Path) -> None:
    (run_dir / "logs/std_log.txt").write_bytes(b"log")
    (run_dir / "uploads/plots").mkdir()
    (run_dir / "uploads/plots/roc.png").write_bytes(b"png")
    (run_dir / "work/outputs/empty").mkdir()
    (run_dir / "work/outputs/model.joblib").write_bytes(b"model")
    (run_dir / "work/logs/own.txt").write_bytes(b"own")
    (run_dir / "work/train.py").touch()
    stored, skipped = collected(run_dir)
    assert skipped == {}
    assert stored == {
        "user_logs/std_log.txt": b"log",
        "plots/roc.png": b"png",
        "outputs/model.joblib": b"model",
        "logs/own.txt": b"own",
    }


def test_what_is_no_regular_file_is_skipped_with_its_reason(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = run_dir / "work/outputs"
    (outputs / "passwd").symlink_to("/etc/passwd")
    (outputs / "etc").symlink_to("/etc")
    os.mkfifo(outputs / "fifo")
    monkeypatch.chdir(outputs)  # a socket's address is short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        stored, skipped = collected(run_dir)
    assert stored == {}
    assert skipped == {
        "outputs/passwd": "symbolic link",
        "outputs/etc": "symbolic link",
        "outputs/fifo": "named pipe (FIFO)",
        "outputs/socket": "socket",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="device nodes and other users' files take root")
def test_devices_and_hard_links_to_other_users_files_are_skipped(run_dir: Path, tmp_path: Path) -> None:
    outputs = run_dir / "work/outputs"
    os.mknod(outputs / "null", 0o20600, os.makedev(1, 3))
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"secret")
    os.chown(foreign, 12345, 12345)
    os.link(foreign, outputs / "linked")
    (outputs / "own").write_bytes(b"own")
    os.link(outputs / "own", outputs / "own_too")
    stored, skipped = collected(run_dir)
    assert stored == {"outputs/own": b"own", "outputs/own_too": b"own"}
    assert skipped == {"outputs/null": "character device", "outputs/linked": "hard link to another user's file"}


@pytest.mark.parametrize("folder", ["work/outputs", "work"])
def test_a_folder_replaced_by_a_symlink_is_not_entered(run_dir: Path, tmp_path: Path, folder: str) -> None:
    (tmp_path / "secret/outputs").mkdir(parents=True)
    (tmp_path / "secret/outputs/a").write_bytes(b"secret")
    (run_dir / folder).rename(tmp_path / "away")
    (run_dir / folder).symlink_to(tmp_path / "secret")
    stored, skipped = collected(run_dir)
    assert stored == {}
    assert skipped["outputs"].startswith("cannot be opened")


def test_a_run_that_removed_its_folder_still_has_its_log(run_dir: Path) -> None:
    (run_dir / "logs/std_log.txt").write_bytes(b"log")
    shutil.rmtree(run_dir / "work")
    assert collected(run_dir) == ({"user_logs/std_log.txt": b"log"}, {})


def test_a_swap_between_listing_and_opening_leads_nowhere(run_dir: Path, tmp_path: Path) -> None:
    folder = run_dir / "work/outputs/a"
    folder.mkdir()
    (folder / "hosts").write_bytes(b"mine")
    files, _ = collect.walk_outputs(run_dir)
    listed = list(files)
    folder.rename(tmp_path / "away")
    folder.symlink_to("/etc")
    with pytest.raises(OSError):
        listed[0].open()


@pytest.mark.parametrize(
    "name", ["../spec.json", "outputs/../../spec.json", "/etc/passwd", "", "outputs", "a\0b", "outputs//x"]
)
def test_a_name_that_leads_out_is_refused(run_dir: Path, name: str) -> None:
    (run_dir / "spec.json").write_text("{}")
    with pytest.raises(OSError):
        beneath.open_regular(run_dir, tuple(name.split("/")))


def test_a_file_uploaded_by_name_wins_over_one_in_outputs(run_dir: Path) -> None:
    (run_dir / "uploads/outputs").mkdir()
    (run_dir / "uploads/outputs/model").write_bytes(b"uploaded")
    (run_dir / "work/outputs/model").write_bytes(b"left")
    stored, skipped = collected(run_dir)
    assert stored == {"outputs/model": b"uploaded"}
    assert "uploaded by the script" in skipped["outputs/model"]


def test_limits_on_count_and_bytes_name_what_they_leave_out(run_dir: Path) -> None:
    for index in range(5):
        (run_dir / f"work/outputs/{index}").write_bytes(b"x" * 10)
    stored, skipped = collected(run_dir, max_files=3)
    assert len(stored) == 3 and list(skipped) == ["outputs/3", "outputs/4"]
    assert "more than 3 files" in skipped["outputs/3"]
    stored, skipped = collected(run_dir, max_bytes=45)
    assert len(stored) == 4 and "45 bytes" in skipped["outputs/4"]


def test_unusual_names_come_through_or_are_named_legibly(run_dir: Path) -> None:
    long = "é" * 127
    for name in ("a\r\nb", long, "\N{SNOWMAN}"):
        (run_dir / "work/outputs" / name).touch()
    Path(os.fsdecode(os.fsencode(run_dir / "work/outputs") + b"/\xff\x01")).touch()
    stored, skipped = collected(run_dir)
    assert set(stored) == {"outputs/a\r\nb", f"outputs/{long}", "outputs/\N{SNOWMAN}"}
    assert skipped == {"outputs/\ufffd\ufffd": "the name is not UTF-8"}


def test_folders_nested_too_deep_are_cut_off(run_dir: Path) -> None:
    folder = os.open(run_dir / "work/outputs", os.O_RDONLY)
    for _ in range(collect.MAX_DEPTH + 40):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    stored, skipped = collected(run_dir)
    assert stored == {} and list(skipped.values()) == ["too many folders deep"]
