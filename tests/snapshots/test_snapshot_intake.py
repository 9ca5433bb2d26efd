"""What people hand over, hostile archives among it, becomes a manifest or a refusal that names the entry."""

import contextlib
import hashlib
import io
import stat
import tracemalloc
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.snapshots import Intake, Limits, SnapshotRefused, take_files, take_zip


class Store:
    """A content-addressed store in memory."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def put(self, stream: BinaryIO) -> tuple[str, int]:
        content = stream.read()
        digest = hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return digest, len(content)


def count_only(stream: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := stream.read(1 << 16):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def files(found: dict[str, bytes]) -> list[tuple[str, BinaryIO]]:
    return [(name, io.BytesIO(content)) for name, content in found.items()]


def zipped(entries: Iterable[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    stream.seek(0)
    return stream


def entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def taken(intake: Intake, store: Store) -> dict[str, bytes]:
    return {name: store.blobs[sha256] for name, sha256, _ in intake.manifest.entries}


def refusal(stream: BinaryIO, limits: Limits | None = None) -> SnapshotRefused:
    with pytest.raises(SnapshotRefused) as refused:
        take_zip(stream, limits=limits, put=count_only)
    return refused.value


PROJECT = {"train.py": b"print(1)\r\n", "data/é.csv": b"1,2\n" * 1000, "empty.txt": b""}


def test_files_a_folder_and_zips_of_either_give_the_same_snapshot() -> None:
    in_folder = {f"project/{name}": content for name, content in PROJECT.items()}
    store = Store()
    intakes = [
        take_files(files(PROJECT), put=store.put),
        take_files(reversed(files(in_folder)), put=store.put),
        take_zip(zipped(PROJECT.items()), put=store.put),
        take_zip(zipped([("project/", b""), *in_folder.items()], zipfile.ZIP_STORED), put=store.put),
    ]
    assert len({intake.manifest.digest for intake in intakes}) == 1
    assert all(taken(intake, store) == PROJECT for intake in intakes)
    assert [bool(intake.notes) for intake in intakes] == [False, True, False, True]
    assert "'project'" in intakes[1].notes[0]


def test_the_common_folder_stays_when_asked_for() -> None:
    intake = take_files(files({"src/train.py": b""}), put=Store().put, strip_top=False)
    assert intake.manifest.names == ("src/train.py",)


@pytest.mark.parametrize("beside", ["readme.md", "other/x.py", "empty/"])
def test_a_folder_with_something_beside_it_stays(beside: str) -> None:
    intake = take_zip(zipped([("src/train.py", b""), (beside, b"")]), put=Store().put)
    assert "src/train.py" in intake.manifest.names
    assert intake.notes == ()


def test_what_a_mac_adds_does_not_count_as_beside() -> None:
    archive = zipped(
        [("src/train.py", b""), ("src/.DS_Store", b"x"), ("__MACOSX/src/._train.py", b""), (".DS_Store", b"")]
    )
    intake = take_zip(archive, put=Store().put)
    assert intake.manifest.names == ("train.py",)
    assert {ignored.name for ignored in intake.ignored} == {".DS_Store", "__MACOSX/src/._train.py"}


def test_ignored_files_are_listed_and_count_towards_no_limit() -> None:
    found = {f"node_modules/{number}.js": b"x" * 100 for number in range(50)}
    found |= {"train.py": b"12345", ".gitignore": b"node_modules/\n"}
    store = Store()
    for intake in (
        take_files(files(found), put=store.put, limits=Limits(max_bytes=30, max_files=2)),
        take_zip(zipped(found.items()), put=store.put, limits=Limits(max_bytes=30, max_files=2)),
    ):
        assert intake.manifest.names == (".gitignore", "train.py")
        assert len(intake.ignored) == 50
        assert intake.ignored[0] == ("node_modules/0.js", 100, ".gitignore:1: node_modules/")
    assert len(store.blobs) == 2


def test_ignore_files_of_a_dropped_folder_hold_after_its_name_is_cut_off() -> None:
    found = {
        "p/.gitignore": b"data/*.csv",
        "p/.amlignore": b"/data/big.csv",
        "p/data/big.csv": b"",
        "p/data/a.csv": b"",
    }
    intake = take_files(files(found), put=Store().put)
    assert intake.manifest.names == (".amlignore", ".gitignore", "data/a.csv")
    assert [i.why for i in intake.ignored] == [".amlignore:1: /data/big.csv"]


def test_streams_are_taken_from_their_beginning_and_stay_open() -> None:
    stream = io.BytesIO(b"content")
    stream.read(3)
    store = Store()
    assert taken(take_files([("a", stream)], put=store.put), store) == {"a": b"content"}
    assert not stream.closed


def test_too_many_files_are_refused_before_a_byte_is_stored() -> None:
    store = Store()
    with pytest.raises(SnapshotRefused, match="2001 files") as refused:
        take_files(files({f"{number}.txt": b"x" for number in range(2001)}), put=store.put)
    assert refused.value.limit == 2000
    assert store.blobs == {}


def test_ten_thousand_entries_of_a_zip_are_refused_before_a_byte_is_stored() -> None:
    store = Store()
    with pytest.raises(SnapshotRefused, match="10000 files"):
        take_zip(zipped(((f"{n}.txt", b"x") for n in range(10_000)), zipfile.ZIP_STORED), put=store.put)
    assert store.blobs == {}


def test_a_table_of_contents_that_is_too_large_is_refused_before_it_is_read() -> None:
    refused = refusal(zipped(((f"{'n' * 230}{n}", b"") for n in range(32_000)), zipfile.ZIP_STORED))
    assert "too many entries" in refused.why


def test_the_file_that_passes_the_size_limit_is_named() -> None:
    limits = Limits(max_bytes=1000)
    exact = take_files(files({"a": b"x" * 600, "b": b"x" * 400}), put=Store().put, limits=limits)
    assert exact.manifest.total_bytes == 1000
    with pytest.raises(SnapshotRefused) as refused:
        take_files(files({"a": b"x" * 600, "b": b"x" * 401}), put=Store().put, limits=limits)
    assert (refused.value.entry, refused.value.limit) == ("b", 1000)


@pytest.mark.parametrize("limits", [Limits(), Limits(max_ratio=10**6, max_bytes=20_000_000)], ids=["ratio", "total"])
def test_a_bomb_stops_early_in_bounded_memory(limits: Limits) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb.bin", "w") as bomb:
        for _ in range(200):
            bomb.write(bytes(1 << 20))
    assert len(stream.getvalue()) < 250_000
    tracemalloc.start()
    read = 0

    def put(member: BinaryIO) -> tuple[str, int]:
        nonlocal read
        while chunk := member.read(1 << 16):
            read += len(chunk)
        return "0" * 64, read

    with pytest.raises(SnapshotRefused, match=r"bomb\.bin"):
        take_zip(stream, limits=limits, put=put)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read < 45_000_000
    assert peak < 5_000_000


def test_a_size_that_the_header_understates_is_not_believed() -> None:
    content = b"x" * 5000
    raw = zipped([("a.bin", content)], zipfile.ZIP_STORED).getvalue()
    lying = raw.replace((5000).to_bytes(4, "little") * 2, (10).to_bytes(4, "little") * 2)
    assert lying != raw
    assert refusal(io.BytesIO(lying)).entry == "a.bin"


@pytest.mark.parametrize(
    "name", ["../evil.py", "a/../../evil.py", "/etc/passwd", "C:/evil.py", "..\\evil.py", "a\0b", "x/../"]
)
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    placeholder = "~" * len(name)
    raw = zipped([("good.py", b""), (placeholder, b"")]).getvalue().replace(placeholder.encode(), name.encode())
    assert refusal(io.BytesIO(raw)).entry == name


@pytest.mark.parametrize(
    ("kind", "why"),
    [(stat.S_IFLNK, "symbolic link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "pipe"), (stat.S_IFSOCK, "socket")],
)
def test_entries_that_are_no_files_are_refused(kind: int, why: str) -> None:
    refused = refusal(zipped([("train.py", b""), (entry("odd", kind | 0o777), b"/etc/passwd")]))
    assert refused.entry == "odd"
    assert why in refused.why


def test_a_zip_made_on_unix_with_modes_is_taken() -> None:
    stream = zipped([(entry("d/", stat.S_IFDIR | 0o755), b""), (entry("d/a.py", stat.S_IFREG | 0o644), b"1")])
    assert take_zip(stream, put=count_only).manifest.names == ("a.py",)


def test_names_equal_but_for_case_are_refused_naming_both() -> None:
    refused = refusal(zipped([("Train.py", b"1"), ("train.py", b"2")]))
    assert "Train.py" in str(refused)
    assert "train.py" in str(refused)


def test_the_same_name_twice_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = zipped([("a.py", b"1"), ("a.py", b"2")])
    assert refusal(archive).entry == "a.py"


@pytest.mark.parametrize("bit", [0x1, 0x40, 0x2000])
def test_an_encrypted_entry_is_refused(bit: int) -> None:
    raw = bytearray(zipped([("secret.txt", b"x")]).getvalue())
    at = raw.index(b"PK\1\2") + 8
    raw[at : at + 2] = bit.to_bytes(2, "little")
    refused = refusal(io.BytesIO(bytes(raw)))
    assert (refused.entry, "encrypted" in refused.why) == ("secret.txt", True)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bounds_are_refused(method: int) -> None:
    assert "deflate" in refusal(zipped([("a", b"x" * 1000)], method)).why


def test_a_damaged_entry_is_named() -> None:
    raw = bytearray(zipped([("ok.txt", b"1"), ("bad.txt", b"0123456789")], zipfile.ZIP_STORED).getvalue())
    raw[raw.index(b"0123456789")] ^= 1
    assert refusal(io.BytesIO(bytes(raw))).entry == "bad.txt"


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\5\6", b"PK\5\6" + b"\xff" * 18])
def test_what_is_no_zip_is_refused(content: bytes) -> None:
    assert refusal(io.BytesIO(content)).entry == ""


@pytest.mark.parametrize("found", [{}, {".git/config": b""}, {"a.csv": b"", ".gitignore": b"*"}])
def test_a_snapshot_without_a_file_is_refused(found: dict[str, bytes]) -> None:
    with pytest.raises(SnapshotRefused, match="no file"):
        take_files(files(found), put=count_only)


def test_an_error_of_the_store_is_not_blamed_on_the_archive() -> None:
    def full(stream: BinaryIO) -> tuple[str, int]:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        take_zip(zipped([("a", b"1")]), put=full)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_zip_with_random_damage_is_taken_or_refused(data: st.DataObject) -> None:
    raw = bytearray(zipped([("p/train.py", b"print(1)\n" * 20), ("p/a.txt", b"x")]).getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SnapshotRefused):
        take_zip(io.BytesIO(bytes(raw)), put=count_only)


def test_a_damaged_zip_on_a_disk_is_refused_too(tmp_path: Path) -> None:
    """A real file raises other errors than one in memory, for example when it is asked to seek before its start."""
    raw = zipped([("a.py", b"1")]).getvalue()
    end = raw.index(b"PK\5\6")
    path = tmp_path / "x.zip"
    for value in (0, 1, 10_000, 2**31 - 1, 2**32 - 1):
        for at in (12, 16):
            path.write_bytes(raw[: end + at] + value.to_bytes(4, "little") + raw[end + at + 4 :])
            with path.open("rb") as stream:
                try:
                    take_zip(stream, put=count_only)
                except SnapshotRefused:
                    continue
                assert value in (0, 1), "only small offsets can still make sense"
