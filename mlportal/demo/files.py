"""The article's two files, and what becomes of them on a machine without the article's Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from mlportal.demo.client import Client
from mlportal.demo.process import ROOT

EXAMPLE = ROOT / "examples" / "iris"
SCRIPT, ENVIRONMENT = "train_iris.py", "sklearn-env.yml"
ARTICLE_DAY = date(2020, 7, 24)
# numpy 1.24 of 18 December 2022 has no np.float; Python 3.11 is the newest that an older one has wheels for.
LAST_DAY_OF_THE_NAMES = date(2022, 12, 1)
PYTHONS_OF_THE_NAMES = "python>=3.6,<3.12"


@dataclass(frozen=True)
class Prepared:
    """What is submitted: the script, the environment, and the day whose packages it takes; `remarks` say why."""

    script: str
    definition: str
    as_of: date | None
    python: str
    notes: list[str]
    remarks: list[str]


def prepare(client: Client) -> Prepared:
    """The article's files when the machine has their Python; else the least change that works, each change explained."""
    script = (EXAMPLE / SCRIPT).read_text()
    definition = (EXAMPLE / ENVIRONMENT).read_text()
    checked = _check(client, definition, ARTICLE_DAY)
    if checked["interpreter"]:
        return _prepared(script, definition, ARTICLE_DAY, checked, [])
    remarks = ["The article's Python, 3.6.2, is not on this machine, and no other patch of 3.6 either."]
    wider = re.sub(r"python=\S+", PYTHONS_OF_THE_NAMES, definition)
    checked = _check(client, wider, LAST_DAY_OF_THE_NAMES)
    if checked["interpreter"]:
        version = checked["interpreter"]["version"]
        remarks.append(f"The nearest that is here is {version}; `{PYTHONS_OF_THE_NAMES}` in the file takes it.")
        remarks.append(f"Packages are taken as of {LAST_DAY_OF_THE_NAMES}: np.float was in numpy until that month.")
        return _prepared(script, wider, LAST_DAY_OF_THE_NAMES, checked, remarks)
    newest = re.sub(r"python=\S+", "python>=3.12", definition)
    checked = _check(client, newest, None)
    remarks.append("No Python here is old enough for a numpy that has np.float and np.str, which the script calls.")
    remarks.append(
        "So this demo, and nothing but this demo, writes float and str there, and takes the packages of today."
    )
    return _prepared(re.sub(r"\bnp\.(float|str)\(", r"\1(", script), newest, None, checked, remarks)


def _check(client: Client, definition: str, as_of: date | None) -> Any:
    return client.post("environments/check/", {"definition": definition, "as_of": as_of and as_of.isoformat()})


def _prepared(script: str, definition: str, as_of: date | None, checked: Any, remarks: list[str]) -> Prepared:
    notes = [note["text"] for note in checked["notes"]]
    return Prepared(script, definition, as_of, checked["interpreter"]["version"], notes, remarks)
