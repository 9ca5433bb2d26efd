"""What strangers send: schemathesis by a service's own description, and bodies that cost more than they should."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.fuzzing import SECONDS, faults_of, fuzz
from tests.serving import estimators
from tests.serving.conftest import IRIS, KEY, Memory
from tests.serving.nursing import Nursery, served

ENOUGH = 30  # answers
# What one hostile body of a megabyte may make the gateway's process keep.
FLAT_BYTES = 60 << 20


def mixed_model() -> Any:
    rows = np.array([["red", 1.0], ["blue", 2.0], ["red", 3.0], ["blue", 4.0]], dtype=object)
    columns = ColumnTransformer([("colour", OneHotEncoder(), [0]), ("size", StandardScaler(), [1])])
    return make_pipeline(columns, LogisticRegression()).fit(rows, ["no", "yes", "no", "yes"])


def text_model() -> Any:
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good", "bad"], [1, 0])


@pytest.fixture(scope="module")
def nursery(folder: Path, memory: Memory) -> Iterator[Nursery]:
    it = Nursery(folder, memory)
    yield it
    it.close()


@pytest.mark.slow
@pytest.mark.timeout(0 if "FUZZ_SECONDS" in os.environ else 300)
@pytest.mark.parametrize("kind", ["numbers", "mixed", "texts", "distances"])
def test_by_its_own_description_a_service_answers_as_described_and_never_fails(
    http: httpx.Client, address: str, nursery: Nursery, tmp_path: Path, kind: str
) -> None:
    name = {"numbers": "SVC", "distances": "NearestNeighbors"}.get(kind, "")
    model = estimators.fitted(name)[0] if name else {"mixed": mixed_model, "texts": text_model}[kind]()
    with served(nursery, kind, model):
        document = http.get(f"/services/{kind}/openapi.json").json()
        assert not faults_of(document), "it is valid OpenAPI 3.1"
        schema = tmp_path / "schema.json"
        schema.write_text(json.dumps(document))
        url = f"{address}/services/{kind}"
        code, said, answers = fuzz(schema, url, KEY, tmp_path, SECONDS)
        if len(answers) < ENOUGH:  # a busy machine gets more time, not a test of nothing
            code, said, answers = fuzz(schema, url, KEY, tmp_path, 5 * SECONDS)
        assert code == 0 and len(answers) >= ENOUGH, said[:20_000]
        assert not [answer for answer in answers if answer["status"] >= 500]
        assert {200, 400} <= {answer["status"] for answer in answers}


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {400}),
        (b'{"data": [' + b"[" * 1000 + b"]" * 1000 + b"]}", {400}),
        (b"[" * 900_000, {400}),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {400}),
        (b'{"data": [[' + b"1," * 300_000 + b"1]]}", {400}),
        (b'{"data": [' + b"[]," * 200_000 + b"[]]}", {400, 413}),
        (b'{"data": [[1, 2, 3, ' + b"9" * 900_000 + b"]]}", {400}),
        (b'{"data": [[1, 2, 3, 1e999]]}', {400}),
        (b'{"data": [[1, 2, 3, -Infinity]]}', {400}),
        (b'{"data": [[1, 2, 3, 18446744073709551616]]}', {200}),
        (b'{"data": [[1, 2, 3, 18446744073709551615]]}', {200}),
        (b'{"data": [[1, 2, 3, true]]}', {200}),
        (b'{"data": [[1, 2, 3, "4"]]}', {400}),
        (b'{"data": [[1, 2, 3, [4]]]}', {400}),
        (b'{"data": [[1, 2, 3, "\\ud800"]]}', {400}),
        (b'{"data": [[1, 2, 3, "\xff"]]}', {400}),
        (b'{"data": [[1, 2, 3, 4]], "data": [[5.1, 3.5, 1.4, 0.2]]}', {200}),
        (b'{"data": [[1, 2, 3, 4]], "method": "__class__"}', {400}),
        (b'{"data": [["' + b"x" * 900_000 + b'", 2, 3, 4]]}', {400}),
        (b'{"data": [{' + b",".join(b'"%d": 1' % n for n in range(50_000)) + b"}]}", {400}),
    ],
    ids=range(20),
)
def test_a_body_that_means_harm_is_refused_and_leaves_the_next_one_answered(
    http: httpx.Client, service: str, body: bytes, statuses: set[int]
) -> None:
    before = psutil.Process().memory_info().rss
    for _ in range(3):
        answer = http.post("/services/iris/score", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in statuses, answer.text[:500]
        assert len(answer.content) < 20_000, "an error is no echo"
    assert psutil.Process().memory_info().rss - before < FLAT_BYTES
    assert http.post("/services/iris/score", json={"data": IRIS}).json() == [0, 2]


def test_a_gigabyte_is_refused_before_it_is_in_memory(http: httpx.Client, service: str) -> None:
    """In pieces, of which the client sends as many as the gateway takes."""
    before, sent = psutil.Process().memory_info().rss, 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        piece = b" " * (1 << 18)
        for _ in range(4096):
            sent += len(piece)
            yield piece

    try:
        answer = http.post("/services/iris/score", content=pieces(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
    except httpx.WriteError:
        pass  # the gateway has closed the connection while there was more to come
    assert sent < 1 << 30
    assert psutil.Process().memory_info().rss - before < FLAT_BYTES


def test_slow_clients_and_a_flood_of_headers_keep_nobody_else_waiting(
    http: httpx.Client, address: str, service: str
) -> None:
    url = urlsplit(address)
    place = (url.hostname or "", url.port or 0)
    slow = [socket.create_connection(place, timeout=10) for _ in range(50)]
    start = b"POST /services/iris/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode()
    for connection in slow:
        connection.sendall(start + b'\r\nContent-Length: 100\r\n\r\n{"data"')
    with socket.create_connection(place, timeout=10) as flood:
        try:
            flood.sendall(b"POST /services/iris/score HTTP/1.1\r\n" + b"X-A: " + b"b" * 1000 + b"\r\n")
            for _ in range(200):
                flood.sendall(b"X-A: " + b"b" * 1000 + b"\r\n")
            flood.sendall(b"\r\n")
            answered = flood.recv(100)
        except OSError:
            answered = b""
    assert answered == b"" or answered.split()[1].startswith(b"4")
    answers: list[int] = []
    callers = [
        threading.Thread(
            target=lambda: answers.append(http.post("/services/iris/score", json={"data": IRIS}).status_code)
        )
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert answers == [200] * 4
    for connection in slow:
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
        connection.close()
