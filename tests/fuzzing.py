"""schemathesis, which reads an OpenAPI description and sends what nobody thought of.

It lives in an environment of its own: it wants other versions of what the portal stands on. FUZZ_SECONDS, which
`make fuzz` sets, is how long it takes for each caller.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SECONDS = int(os.environ.get("FUZZ_SECONDS", "6"))
VERSION = "schemathesis==4.32.5"
TOOL = (str(Path(sys.executable).with_name("uv")), "tool", "run", "--python", "3.11", "--from", VERSION)
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method"
)
# The validator that comes with it, of the specification's own schema for OpenAPI 3.1.
VALIDATE = """
import json, sys
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
faults = list(OPENAPI_31_VALIDATOR.iter_errors(json.load(sys.stdin)))
for fault in faults: print(list(fault.absolute_path), fault.message[:300])
sys.exit(bool(faults))
"""


def fuzz(
    schema: Path, url: str, token: str | None, folder: Path, seconds: int, config: str = "", *more: str
) -> tuple[int, str, list[dict[str, Any]]]:
    """How schemathesis ends, what it says, and all answers that it got from `url` by the description `schema`."""
    (folder / "schemathesis.toml").write_text(config)
    done = subprocess.run(
        [
            *(*TOOL, "schemathesis", "--config-file", str(folder / "schemathesis.toml")),
            *("run", str(schema), "--url", url),
            *("--checks", CHECKS, "--seed", "1", "--max-time", str(seconds), "--no-shrink"),
            *("--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--max-failures", "50"),
            *("--suppress-health-check", "all", "--warnings", "off", *more),
            *("--report", "har", "--report-har-path", str(folder / "answers.har")),
            *(["--header", f"Authorization: Bearer {token}"] if token else []),
        ],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    entries = json.loads((folder / "answers.har").read_text())["log"]["entries"]
    answers = [
        {
            "method": entry["request"]["method"],
            "url": entry["request"]["url"],
            "status": entry["response"]["status"],
            "text": entry["response"]["content"].get("text") or "",
        }
        for entry in entries
    ]
    return done.returncode, done.stdout + done.stderr, answers


def faults_of(document: Any) -> str:
    """What is wrong with a description by the schema of OpenAPI 3.1, or nothing."""
    command = [*TOOL, "python", "-c", VALIDATE]
    done = subprocess.run(command, input=json.dumps(document), capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""
