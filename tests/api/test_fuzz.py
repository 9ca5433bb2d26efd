"""schemathesis reads the OpenAPI description and sends what nobody thought of, to a real portal, as four callers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.fuzzing import SECONDS, fuzz
from tests.portal import Portal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if "FUZZ_SECONDS" in os.environ else 300)]
# POSTs that write nothing.
ASKED = {"environments/check/", "compare/", "compare/curves/"}
ENOUGH = 50  # answers
PEOPLE = """
from django.db.models import F
from experiments import services
from mlportal.access.models import User
from mlportal.access.services import create_token, create_workspace, set_member
import io
made = {name: User.objects.create_user(name) for name in ("olga", "rita", "sam")}
lab = create_workspace("lab", by=made["olga"])
set_member(lab, "rita", "reader", by=made["olga"])
snapshot = services.take_files(lab, [("train.py", io.BytesIO(b"print(1)"))], by=made["olga"]).snapshot
run = services.start_run(lab, experiment="moonshot", by=made["olga"])
services.log_metrics(run, [{"t": 1.0, "k": "scalar", "n": "loss", "v": 0.5}], by=made["olga"])
print(run.uid, *(create_token(person, "fuzz")[1] for person in made.values()))
"""


class Lab(NamedTuple):
    portal: Portal
    schema: Path
    run: str
    tokens: dict[str, str | None]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("fuzz")
    limits = {"MLPORTAL_API_RATE": "0", "MLPORTAL_API_REFUSED_RATE": "0"}  # 429 is documented, and would hide the rest
    with Portal(folder / "home", limits) as portal:
        run, olga, rita, sam = portal.manage("shell", "-v", "0", "-c", PEOPLE).strip().splitlines()[-1].split()
        schema = folder / "schema.json"
        portal.manage("spectacular", "--format", "openapi-json", "--file", str(schema))
        schema.write_text(json.dumps(narrowed(json.loads(schema.read_text()))))
        yield Lab(portal, schema, run, {"owner": olga, "reader": rita, "stranger": sam, "nobody": None})


def narrowed(schema: Any) -> Any:
    """Without what would hide the rest: the same Idempotency-Key again is a conflict by design, an answer of some fields is
    not the whole one that is described, and an address of more than 64 kB ends in the HTTP server.
    """
    for operations in schema["paths"].values():
        for operation in operations.values():
            given = operation.get("parameters", [])
            operation["parameters"] = [one for one in given if one["name"] not in ("Idempotency-Key", "fields")]
            for one in operation["parameters"]:
                if "maxItems" in one["schema"]:
                    one["schema"] |= {"maxItems": 2, "items": one["schema"]["items"] | {"maxLength": 200}}
    return schema


@pytest.mark.parametrize("caller", ["nobody", "stranger", "reader", "owner"])
def test_whatever_is_sent_is_answered_as_described(lab: Lab, caller: str, tmp_path: Path) -> None:
    code, said, answers = fuzzed(lab, caller, tmp_path, SECONDS)
    if len(answers) < ENOUGH:  # a machine that is busy with something else gets more time, not a test of nothing
        code, said, answers = fuzzed(lab, caller, tmp_path, 5 * SECONDS)
    assert code == 0 and len(answers) >= ENOUGH, said[:20_000]
    if caller in ("stranger", "nobody"):
        seen = [answer for answer in answers if "moonshot" in answer["text"] or lab.run in answer["text"]]
        opened = [answer for answer in answers if "/workspaces/lab/" in answer["url"] and answer["status"] < 300]
        assert not [answer for answer in seen if answer["status"] < 400] and not opened
    if caller == "reader":  # before the owner, who may make somebody else of the reader
        written = [answer for answer in answers if answer["method"] not in ("GET", "HEAD") and answer["status"] < 300]
        assert {answer["url"].split("/lab/")[-1] for answer in written if "/lab/" in answer["url"]} <= ASKED
    if caller == "nobody":
        assert {answer["status"] for answer in answers} <= {401, 404, 405}


def fuzzed(lab: Lab, caller: str, folder: Path, seconds: int) -> tuple[int, str, list[dict[str, Any]]]:
    known = (
        f'[parameters]\n"path.workspace" = "lab"\n"path.uid" = "{lab.run}"\n"path.name" = "moonshot"\n'
        '"path.username" = "moonshot"\n"path.token" = 999999\n'
    )
    token = lab.tokens[caller]
    return fuzz(lab.schema, lab.portal.url, token, folder, seconds, known, "--exclude-path-regex", "/stream/$")
