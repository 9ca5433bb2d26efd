"""Rows that a version was trained on: what is taken, what is told of it, and what is refused."""

from __future__ import annotations

import fcntl
import io
import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arro3 import core
from arro3.io import write_parquet

from mlportal.access.models import AuditEvent, User
from mlportal.blobs.models import Blob
from mlportal.errors import BadInput, Busy, NotAllowed, NotFound, TooLarge
from models_registry import services
from models_registry.models import ModelVersion, TrainingSample
from models_registry.services.samples import LOCK
from models_registry.services.samples import read as read_sample
from models_registry.tables import Limits, Read, TableRefused, read_table
from tests.models_registry.conftest import Register

LIMITS = Limits(rows=100, columns=50, cells=100_000, bytes=1_000_000)
TABLE = b"""age,city,smokes,seen,bmi
31,Rome,true,2024-05-01,22.5
,=1+1,false,2024-05-02,nan
45,Rome,,2024-05-03T10:30:00+02:00,19
"""


@pytest.fixture
def version(register: Register) -> ModelVersion:
    return register(b"bytes")


def read(content: bytes, **changes: int) -> Read:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_table(file, replace(LIMITS, **changes))


def parquet(**columns: Any) -> bytes:
    stream = io.BytesIO()
    arrays = [values if isinstance(values, core.Array) else core.Array(*values) for values in columns.values()]
    write_parquet(core.Table.from_arrays(arrays, names=list(columns)), stream)
    return stream.getvalue()


def test_each_column_is_told_of_by_its_kind(version: ModelVersion, contributor: User) -> None:
    sample = services.attach_sample(version, io.BytesIO(TABLE), target="smokes", source="t.csv", by=contributor)
    age, city, smokes, seen, bmi = sample.columns
    assert [column["kind"] for column in sample.columns] == ["integer", "text", "boolean", "time", "number"]
    assert [column["missing"] for column in sample.columns] == [1, 0, 1, 0, 1]
    assert (age["min"], age["max"], age["mean"], age["quantiles"][3]) == (31, 45, 38, 38)
    assert (
        sum(age["histogram"]["counts"]) == 2 and len(age["histogram"]["edges"]) == len(age["histogram"]["counts"]) + 1
    )
    assert city["values"] == [["Rome", 2], ["=1+1", 1]] and city["distinct"] == 2
    assert smokes["values"] == [[False, 1], [True, 1]]
    assert (seen["min"], seen["max"]) == ("2024-05-01T00:00:00Z", "2024-05-03T08:30:00Z")
    assert bmi["quantiles"][0] == 19
    assert (sample.rows, sample.of_rows, sample.target) == (3, 3, "smokes")
    assert AuditEvent.objects.filter(action="model.sample", actor=contributor, subject="iris:1").exists()


def test_the_columns_are_read_as_arrays(version: ModelVersion, contributor: User) -> None:
    services.attach_sample(version, io.BytesIO(TABLE), by=contributor)
    found = services.read_sample(version)
    assert found["age"].dtype == np.float64 and math.isnan(found["age"][1])
    assert found["city"].tolist() == ["Rome", "=1+1", "Rome"]
    assert found["smokes"].tolist() == [True, False, None]
    assert found["seen"][2] == np.datetime64("2024-05-03T08:30:00")
    assert found["bmi"].tolist()[::2] == [22.5, 19.0]


def test_parquet_says_the_same_as_csv(version: ModelVersion, contributor: User) -> None:
    types = core.DataType
    moments = core.Array([1_714_521_600_000_000, None], types.int64()).cast(types.timestamp("us"))
    content = parquet(
        n=([1, 2], types.int32()),
        x=([0.5, float("nan")], types.float32()),
        t=(["1", "NA"], types.utf8()),
        b=([True, None], types.bool()),
        d=moments,
        __index_level_0__=([7, 8], types.int64()),
    )
    sample = services.attach_sample(version, io.BytesIO(content), by=contributor)
    assert [(each["name"], each["kind"]) for each in sample.columns] == [
        ("n", "integer"),
        ("x", "number"),
        ("t", "text"),
        ("b", "boolean"),
        ("d", "time"),
    ]
    found = services.read_sample(version)
    assert found["n"].dtype == np.int64
    assert found["t"].tolist() == ["1", "NA"]
    assert found["b"].tolist() == [True, None]
    assert found["d"][0] == np.datetime64("2024-05-01") and np.isnat(found["d"][1])


def test_of_many_rows_a_fair_choice_is_kept_and_the_same_one_each_time() -> None:
    content = b"n\n" + b"\n".join(b"%d" % number for number in range(5000))
    first, second = read(content), read(content)
    assert (first.rows, first.of_rows) == (100, 5000)
    assert first.csv == second.csv
    kept = [int(line) for line in first.csv.split()[1:]]
    assert kept == sorted(kept) and len(set(kept)) == 100
    assert 1500 < sum(kept) / 100 < 3500 and kept[-1] > 4000

    batches = read(parquet(n=(list(range(5000)), core.DataType.int64())))
    assert batches.csv == first.csv


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "It is empty"),
        (b"a,b\n", "It has no rows"),
        (b"a,b\n1,2\n3\n", "Line 3 has 1 cells, the line of names has 2"),
        (b"a,a\n1,2\n", "Two columns are called 'a'"),
        (b"a,\n1,2\n", "Column 2 has no name"),
        (b"1.5,2\n1,2\n", "numbers only"),
        ("ä\n1\n".encode("latin-1"), "no UTF-8"),
        (b"a\n" + b"\xff" * 9, "no UTF-8"),
        (b'a\n"1\n', "no CSV"),
        (b"a\n1e999\n", "infinite"),
        (b"a\n-inf\n1\n", "infinite"),
        (b",".join(b"c%d" % place for place in range(10_000)) + b"\n" + b"1," * 9999 + b"1\n", "10,000 columns"),
        (b"a" * 300 + b"\n1\n", "250 characters"),
        (b"a\0b\n1\n", "cannot be seen"),
        (b"PAR1" + b"x" * 100 + b"PAR1", "cannot be read as one"),
        (b"a\n" + b"x" * 200_000 + b"\n", "no CSV"),
        (b"a,b\n" + b"1,2\n" * 60_000, "MLPORTAL_SAMPLE_CELLS"),
    ],
)
def test_what_is_no_table_gets_one_clear_error(content: bytes, message: str) -> None:
    with pytest.raises(TableRefused, match=message):
        read(content)


def test_numbers_near_the_end_of_doubles_give_finite_figures() -> None:
    (told,) = read(b"a\n1.7e308\n-1.7e308\n1.6e308\n").columns
    assert told["max"] == 1.7e308
    assert all(map(math.isfinite, [told["mean"], told["std"], *told["quantiles"], *told["histogram"]["edges"]]))


def test_big_numbers_of_an_id_stay_what_they_are() -> None:
    (told,) = read(b"a\n123456789012345678\n").columns
    assert told["kind"] == "integer"
    (told,) = read(b"a\n1234567890123456789012345\n").columns
    assert told["kind"] == "number"


def test_a_small_parquet_of_countless_rows_ends_at_a_limit() -> None:
    """Runs of one value take no room in the file."""
    content = parquet(n=([7] * 3_000_000, core.DataType.int64()))
    assert len(content) < 100_000
    with pytest.raises(TableRefused, match="MLPORTAL_SAMPLE_CELLS"):
        read(content)


def test_a_small_parquet_of_huge_texts_ends_at_a_limit() -> None:
    """A dictionary writes a long text once, however many rows have it."""
    content = parquet(t=(["x" * 100_000] * 200, core.DataType.utf8()))
    assert len(content) < 200_000
    with pytest.raises(TableRefused, match="1,000,000 bytes"):
        read(content)
    with pytest.raises(TableRefused, match="more memory or time"):
        read(content, memory=100_000_000)


def test_parquet_of_bytes_is_refused() -> None:
    with pytest.raises(TableRefused, match="'raw' is of a kind"):
        read(parquet(raw=([b"x"], core.DataType.binary())))


@pytest.mark.parametrize(
    "content", [b"a;b\n1;x\n", b"a\tb\n1\tx\n", b"\xef\xbb\xbf,a,b\n0,1,x\n", b"a,b\r\n1,x\r\n\r\n"]
)
def test_spreadsheets_write_csv_in_many_ways(content: bytes) -> None:
    assert [(each["name"], each["kind"]) for each in read(content).columns] == [("a", "integer"), ("b", "text")]


def test_another_sample_takes_the_place_of_the_first(version: ModelVersion, contributor: User) -> None:
    services.attach_sample(version, io.BytesIO(TABLE), target="bmi", by=contributor)
    services.attach_sample(version, io.BytesIO(b"x\n1\n"), by=contributor)
    sample = TrainingSample.objects.get()
    assert (sample.rows, sample.target, [each["name"] for each in sample.columns]) == (1, "", ["x"])


def test_a_refused_sample_leaves_the_one_that_was_there(
    version: ModelVersion, contributor: User, settings: Any
) -> None:
    services.attach_sample(version, io.BytesIO(b"x\n1\n"), by=contributor)
    blobs = Blob.objects.count()
    with pytest.raises(BadInput, match="Two columns") as refusal:
        services.attach_sample(version, io.BytesIO(b"a,a\n1,2\n"), by=contributor)
    assert refusal.value.details["field"] == "file"
    with pytest.raises(BadInput, match="no column 'y'") as refusal:
        services.attach_sample(version, io.BytesIO(TABLE), target="y", by=contributor)
    assert refusal.value.details["field"] == "target"
    settings.SAMPLE_BYTES = 10
    with pytest.raises(TooLarge, match="MLPORTAL_SAMPLE_BYTES"):
        services.attach_sample(version, io.BytesIO(TABLE), by=contributor)
    assert services.read_sample(version)["x"].tolist() == [1]
    assert Blob.objects.count() == blobs


def test_a_sample_is_removed_once(version: ModelVersion, contributor: User) -> None:
    services.attach_sample(version, io.BytesIO(b"x\n1\n"), by=contributor)
    services.remove_sample(version, by=contributor)
    assert not TrainingSample.objects.exists()
    for ask in (lambda: services.remove_sample(version, by=contributor), lambda: services.read_sample(version)):
        with pytest.raises(NotFound):
            ask()


def test_a_copy_of_a_version_has_its_sample(version: ModelVersion, contributor: User) -> None:
    services.attach_sample(version, io.BytesIO(TABLE), target="bmi", by=contributor)
    copy = services.copy_version(version, name="other", by=contributor)
    assert services.read_sample(copy)["age"][0] == 31
    services.remove_sample(copy, by=contributor)
    assert services.read_sample(version)["age"][0] == 31


def test_readers_and_strangers_attach_and_remove_nothing(
    version: ModelVersion, contributor: User, reader: User, stranger: User
) -> None:
    services.attach_sample(version, io.BytesIO(b"x\n1\n"), by=contributor)
    asks: list[Callable[[User], object]] = [
        lambda person: services.attach_sample(version, io.BytesIO(TABLE), by=person),
        lambda person: services.remove_sample(version, by=person),
    ]
    for person in (reader, stranger):
        for ask in asks:
            with pytest.raises(NotAllowed):
                ask(person)
    assert services.read_sample(version)["x"].tolist() == [1]


def test_files_are_read_one_at_a_time_and_who_waits_too_long_is_told(settings: Any) -> None:
    with Path(settings.FILE_UPLOAD_TEMP_DIR, LOCK).open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="Other samples are being read"):
            read_sample(io.BytesIO(TABLE), patience=0.1)
    assert read_sample(io.BytesIO(TABLE), patience=0.1).rows == 3
