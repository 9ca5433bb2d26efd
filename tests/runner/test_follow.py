"""Reading logs and metrics from offsets while they grow."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.runner import launch
from experiments.runner.follow import MAX_LOGS, RunFiles
from experiments.runner.records import KINDS, MAX_LINE, parse

LOG = "user_logs/std_log.txt"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    launch.prepare_directory(tmp_path / "run")
    return tmp_path / "run"


def metric(step: int) -> bytes:
    return b'{"t": 1.5, "k": "scalar", "n": "loss", "v": 0.25, "s": %d}\n' % step


def test_every_log_has_a_name(run_dir: Path) -> None:
    (run_dir / "work/logs/deep/er").mkdir(parents=True)
    (run_dir / "work/logs/deep/er/a.txt").write_text("four")
    (run_dir / "work/logs/line\nbreak").touch()
    assert RunFiles(run_dir).log_sizes() == {LOG: 0, "logs/deep/er/a.txt": 4, "logs/line\ufffdbreak": 0}
    (run_dir / "logs/std_log.txt").write_text("printed")
    assert RunFiles(run_dir).log_sizes()[LOG] == 7


def test_only_regular_files_are_logs(run_dir: Path) -> None:
    logs = run_dir / "work/logs"
    (logs / "link").symlink_to("/etc/passwd")
    (logs / "folder").symlink_to("/etc")
    os.mkfifo(logs / "fifo")
    (logs / "1/2/3/4/5").mkdir(parents=True)
    (logs / "1/2/3/4/5/too_deep").touch()
    assert list(RunFiles(run_dir).log_sizes()) == [LOG]


def test_a_logs_folder_that_became_a_symlink_shows_nothing(run_dir: Path) -> None:
    (run_dir / "work/logs").rmdir()
    (run_dir / "work/logs").symlink_to("/etc")
    assert list(RunFiles(run_dir).log_sizes()) == [LOG]


def test_the_number_of_logs_is_bounded(run_dir: Path) -> None:
    for index in range(MAX_LOGS + 20):
        (run_dir / f"work/logs/{index}").touch()
    assert len(RunFiles(run_dir).log_sizes()) == MAX_LOGS + 1


def test_a_file_swapped_for_a_symlink_after_listing_is_not_read(run_dir: Path) -> None:
    log = run_dir / "work/logs/a"
    log.write_text("mine")
    files = RunFiles(run_dir)
    assert files.read_log("logs/a", 0) == b"mine"
    log.unlink()
    log.symlink_to("/etc/passwd")
    assert files.read_log("logs/a", 0) == b""


def test_a_log_is_read_from_an_offset_and_by_any_reader(run_dir: Path) -> None:
    (run_dir / "logs/std_log.txt").write_bytes(b"0123456789")
    assert RunFiles(run_dir).read_log(LOG, 3, 4) == b"3456"
    assert RunFiles(run_dir).read_log(LOG, 10) == b""
    assert RunFiles(run_dir).read_log(LOG, 99) == b""
    with pytest.raises(KeyError):
        RunFiles(run_dir).read_log("logs/../../spec.json", 0)


def test_an_unfinished_character_is_held_back_until_the_end(run_dir: Path) -> None:
    euro = "€".encode()
    (run_dir / "logs/std_log.txt").write_bytes(b"a" + euro[:2])
    files = RunFiles(run_dir)
    assert files.read_log(LOG, 0) == b"a"
    assert files.read_log(LOG, 1) == b""
    assert files.read_log(LOG, 1, final=True) == euro[:2]
    (run_dir / "logs/std_log.txt").write_bytes(b"a" + euro)
    assert files.read_log(LOG, 1) == euro


@given(text=st.text(max_size=60), limit=st.integers(1, 20))
def test_pieces_of_a_log_decode_each_by_itself(tmp_path_factory: pytest.TempPathFactory, text: str, limit: int) -> None:
    run_dir = tmp_path_factory.mktemp("run")
    (run_dir / "logs").mkdir()
    (run_dir / "logs/std_log.txt").write_bytes(text.encode())
    files, offset, read = RunFiles(run_dir), 0, ""
    while piece := files.read_log(LOG, offset, limit):
        offset += len(piece)
        read += piece.decode()
    assert read == text


@given(data=st.binary(max_size=60), limit=st.integers(1, 20))
def test_any_bytes_are_read_once_to_the_end(tmp_path_factory: pytest.TempPathFactory, data: bytes, limit: int) -> None:
    run_dir = tmp_path_factory.mktemp("run")
    (run_dir / "logs").mkdir()
    (run_dir / "logs/std_log.txt").write_bytes(data)
    files, read = RunFiles(run_dir), b""
    while piece := files.read_log(LOG, len(read), limit, final=True):
        read += piece
    assert read == data


def test_a_torn_last_line_waits_for_its_end(run_dir: Path) -> None:
    line = metric(1)
    (run_dir / "metrics.jsonl").write_bytes(metric(0) + line[:20])
    files = RunFiles(run_dir)
    records, offset, bad = files.read_records(0)
    assert ([record["s"] for record in records], offset, bad) == ([0], len(metric(0)), 0)
    assert files.read_records(offset) == ([], offset, 0)
    with (run_dir / "metrics.jsonl").open("ab") as file:
        file.write(line[20:])
    assert [record["s"] for record in files.read_records(offset)[0]] == [1]


def test_bad_lines_are_counted_and_the_rest_read(run_dir: Path) -> None:
    bad = [b"", b"{", b"[]", b'{"t": 1}', b"\xff", b'{"t": 1, "k": "scalar", "n": "a", "v": NaN}', b"[" * 100_000]
    (run_dir / "metrics.jsonl").write_bytes(metric(0) + b"\n".join(bad) + b"\n" + metric(1))
    records, offset, count = RunFiles(run_dir).read_records(0)
    assert [record["s"] for record in records] == [0, 1]
    assert count == len(bad) and offset == (run_dir / "metrics.jsonl").stat().st_size


def test_a_giant_line_is_skipped_once_in_bounded_memory(run_dir: Path) -> None:
    with (run_dir / "metrics.jsonl").open("wb") as file:
        file.write(metric(0) + b'{"t": 1, "k": "text", "n": "a", "v": "')
        for _ in range(40):
            file.write(b"x" * (1 << 20))
    files, offset, bad, seen = RunFiles(run_dir), 0, 0, []
    tracemalloc.start()
    for _ in range(60):
        records, offset, more = files.read_records(offset)
        bad += more
        seen += [record["s"] for record in records]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (seen, bad) == ([0], 1) and peak < 24 << 20
    with (run_dir / "metrics.jsonl").open("ab") as file:
        file.write(b'"}\n' + metric(1))
    records, offset, more = files.read_records(offset)
    assert ([record["s"] for record in records], more) == ([1], 0)


def test_reading_in_small_steps_gives_every_record_once(run_dir: Path) -> None:
    long = b'{"t": 1, "k": "text", "n": "a", "v": "%s"}\n' % (b"x" * (MAX_LINE - 100))
    (run_dir / "metrics.jsonl").write_bytes((long + metric(1)) * 3)
    files, offset = RunFiles(run_dir), 0
    names: list[str] = []
    while True:
        records, following, bad = files.read_records(offset, 10)
        assert bad == 0
        if following == offset:
            break
        offset, names = following, names + [record["k"] for record in records]
    assert names == ["text", "scalar"] * 3


def test_no_metrics_yet_is_nothing(run_dir: Path) -> None:
    assert RunFiles(run_dir).read_records(0) == ([], 0, 0)
    (run_dir / "metrics.jsonl").symlink_to("/etc/passwd")
    assert RunFiles(run_dir).read_records(0) == ([], 0, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"k": "scalar", "n": "a", "v": None, "x": "nan", "s": None},
        {"k": "scalar", "n": "a", "v": 3, "s": 2, "d": "text"},
        {"k": "list", "n": "a", "v": [1, {"x": "nan"}, "é"]},
        {"k": "row", "n": "a", "v": {"x": 1}},
        {"k": "table", "n": "a", "v": {"x": [1]}},
        {"k": "image", "n": "a", "path": "a.png"},
        {"k": "predictions", "n": "a", "v": {"data": {"bins": [1.0]}}},
        {"k": "tag", "n": "a", "v": None},
        {"k": "untag", "n": "a"},
        {"k": "file", "n": "a"},
        {"k": "complete"},
        {"k": "fail", "message": None, "code": "x"},
    ],
)
def test_a_record_of_the_contract_comes_back_as_it_is(fields: dict[str, object]) -> None:
    record = {"t": 1.0, **fields}
    assert parse(json.dumps(record).encode()) == record


@pytest.mark.parametrize(
    "text",
    [
        '{"t": 1, "k": "scalar", "n": "a", "v": null}',
        '{"t": 1, "k": "scalar", "n": "a", "v": "1"}',
        '{"t": 1, "k": "scalar", "n": "a", "v": true}',
        '{"t": 1, "k": "scalar", "n": "a", "v": 1, "s": 0.5}',
        '{"t": 1, "k": "scalar", "n": "a", "v": 1, "s": 9223372036854775808}',
        '{"t": 1, "k": "scalar", "n": "", "v": 1}',
        '{"t": 1e999, "k": "scalar", "n": "a", "v": 1}',
        '{"t": 1e12, "k": "scalar", "n": "a", "v": 1}',
        '{"t": -1, "k": "scalar", "n": "a", "v": 1}',
        '{"t": "1", "k": "scalar", "n": "a", "v": 1}',
        '{"t": 1, "k": "unheard of", "n": "a", "v": 1}',
        '{"t": 1, "k": ["scalar"], "n": "a", "v": 1}',
        '{"t": 1, "k": "list", "n": "a", "v": {}}',
        '{"t": 1, "k": "table", "n": "a", "v": {"a": 1}}',
        '{"t": 1, "k": "image", "n": "a"}',
        '{"t": 1, "k": "fail", "message": 7}',
    ],
)
def test_a_line_outside_the_contract_is_refused(text: str) -> None:
    assert parse(text.encode()) is None


def test_numbers_that_overflow_become_flagged_infinities() -> None:
    scalar = parse(b'{"t": 1, "k": "scalar", "n": "a", "v": -1e999, "s": 1}')
    assert scalar == {"t": 1, "k": "scalar", "n": "a", "v": None, "x": "-inf", "s": 1}
    huge = parse(b'{"t": 1, "k": "scalar", "n": "a", "v": 1%s}' % (b"0" * 400))
    assert huge is not None and huge["x"] == "inf"
    listed = parse(b'{"t": 1, "k": "list", "n": "a", "v": [1e999, 1, -1%s]}' % (b"0" * 400))
    assert listed is not None and listed["v"] == [{"x": "inf"}, 1, {"x": "-inf"}]


def test_text_that_no_database_holds_is_mended() -> None:
    record = parse(rb'{"t": 1, "k": "text", "n": "a\u0000", "v": "\ud800 \ud83d\ude00 \u0000"}')
    assert record == {"t": 1, "k": "text", "n": "a\ufffd", "v": "\ufffd \U0001f600 \ufffd"}
    scalar = parse(rb'{"t": 1, "k": "scalar", "n": "\udc80", "v": 1}')
    assert scalar is not None and scalar["n"] == "\ufffd"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(kind=st.sampled_from(sorted(KINDS)), value=JSON, name=st.text())
def test_whatever_is_accepted_can_be_stored(kind: str, value: object, name: str) -> None:
    line = json.dumps({"t": 1, "k": kind, "n": name, "v": value}).replace("NaN", "null").replace("Infinity", "1e999")
    record = parse(line.encode())
    if record is not None:
        stored = json.dumps(record, allow_nan=False, ensure_ascii=False)
        assert "\\u0000" not in stored and stored.encode()
