"""A log reads the same while it is written and afterwards, from any offset."""

import io

import pytest

from experiments import services
from experiments.models import Artifact, Run
from experiments.services import logs
from mlportal.blobs import services as blobs
from mlportal.errors import BadInput, NotFound
from tests.experiments.conftest import Submit

STDOUT = "user_logs/std_log.txt"


@pytest.fixture
def run(running: Submit) -> Run:
    return running()


def write(run: Run, name: str, pieces: list[bytes]) -> bytes:
    offset = 0
    for piece in pieces:
        logs.append_log(run, name, offset, piece)
        offset += len(piece)
    return b"".join(pieces)


def read_in_steps(run: Run, name: str, limit: int) -> bytes:
    data, offset = b"", 0
    while part := services.read_log(run, name, offset, limit).data:
        assert len(part) <= limit
        data, offset = data + part, offset + len(part)
    return data


PIECES = [b"line %d\n" % number for number in range(300)] + [b"x" * 200_000, b"\0\xff\xfe\n", b"y" * 65_536, b"end"]


@pytest.mark.parametrize("limit", [9_999, 65_536, 1 << 20])
def test_reading_live_in_steps_and_reading_the_artifact_give_the_same_bytes(run: Run, limit: int) -> None:
    whole = write(run, STDOUT, PIECES)
    assert read_in_steps(run, STDOUT, limit) == whole
    live = services.read_log(run, STDOUT, 0)
    assert (live.size, live.complete) == (len(whole), False)
    blob = blobs.put(io.BytesIO(whole))
    Artifact.objects.create(run=run, path=STDOUT, blob=blob, size=blob.size)
    run.log_chunks.all().delete()
    assert read_in_steps(run, STDOUT, limit) == whole
    final = services.read_log(run, STDOUT, 5, 7)
    assert (final.data, final.next_offset, final.size, final.complete) == (whole[5:12], 12, len(whole), True)


def test_small_pieces_are_merged_and_no_chunk_grows_without_end(run: Run) -> None:
    write(run, STDOUT, [b"0123456789" * 10] * 2_000)
    sizes = [len(chunk.data) for chunk in run.log_chunks.all()]
    assert len(sizes) == 4
    assert max(sizes) <= logs.CHUNK_BYTES
    offsets = [chunk.offset for chunk in run.log_chunks.all()]
    assert offsets == [sum(sizes[:index]) for index in range(len(sizes))]


def test_every_offset_near_a_border_of_chunks_reads_right(run: Run) -> None:
    whole = write(run, STDOUT, [b"a" * 65_536, b"b" * 65_536, b"c" * 10])
    for border in (0, 65_536, 131_072, len(whole)):
        for offset in range(max(0, border - 2), border + 3):
            assert services.read_log(run, STDOUT, offset, 4).data == whole[offset : offset + 4]


def test_the_output_comes_first_and_then_the_files_by_name(run: Run) -> None:
    write(run, "logs/b.log", [b"bb"])
    write(run, STDOUT, [b"out"])
    write(run, "logs/a.log", [b"a"])
    assert [(file.name, file.size) for file in services.log_files(run)] == [
        (STDOUT, 3),
        ("logs/a.log", 1),
        ("logs/b.log", 2),
    ]


def test_an_output_that_has_not_begun_is_empty_and_not_complete(run: Run) -> None:
    part = services.read_log(run, STDOUT)
    assert (part.data, part.next_offset, part.complete) == (b"", 0, False)


def test_what_is_no_log_is_not_read_as_one(run: Run) -> None:
    blob = blobs.put(io.BytesIO(b"secret"))
    Artifact.objects.create(run=run, path="outputs/model.joblib", blob=blob, size=6)
    for name in ("outputs/model.joblib", "logs/none.log", "../../etc/passwd", ""):
        with pytest.raises(NotFound):
            services.read_log(run, name)
    assert [file.name for file in services.log_files(run)] == []


@pytest.mark.parametrize(("offset", "limit"), [(-1, 10), (0, 0), (0, -5)])
def test_offsets_and_limits_that_cannot_be(run: Run, offset: int, limit: int) -> None:
    with pytest.raises(BadInput):
        services.read_log(run, STDOUT, offset, limit)


def test_two_runs_do_not_see_each_others_logs(running: Submit) -> None:
    first, second = running(), running()
    write(first, STDOUT, [b"first"])
    write(second, STDOUT, [b"second one"])
    assert services.read_log(first, STDOUT).data == b"first"
    assert services.log_files(second)[0].size == 10
