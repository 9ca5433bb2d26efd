"""`manage.py settings_reference`: docs/settings.md, made from what the code reads from the environment."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

PAGE = Path("docs/settings.md")
# Where variables are read: each file, and the heading for those that stand before its first `# ---` line.
SOURCES = {
    "mlportal/settings.py": "Where everything is kept",
    "mlportal/node.py": "Machines",
    "mlportal/management/commands/portal.py": "The first start",
}
READERS = {
    "text": "text",
    "words": "words, comma-separated",
    "boolean": "on or off",
    "integer": "number",
    "size": "size",
    "seconds": "duration",
}
UNITS = (("GB", 1000**3), ("MB", 1000**2), ("kB", 1000))
PERIODS = (("d", 86_400), ("h", 3600), ("m", 60))

# What a variable is for, and its default where the code computes one.
ABOUT: dict[str, tuple[str, str] | str] = {
    "MLPORTAL_HOME": (
        "The folder of all state: database, stored files, environments, runs, the secret. Keep it to the portal's user (mode 700).",
        "`var` in the checkout",
    ),
    "MLPORTAL_BIND": "`host:port` that the portal listens on. A public address is refused with `MLPORTAL_DEBUG` or a weak secret.",
    "MLPORTAL_PUBLIC_URL": (
        "The address that others reach the portal at, where it differs. With `https://` cookies go over HTTPS only.",
        "`http://` and `MLPORTAL_BIND`",
    ),
    "MLPORTAL_DEBUG": "Django's debug pages. They show settings to anybody who sees them.",
    "MLPORTAL_SECRET_KEY": (
        "Signs sessions and derives the keys of services. All machines of a portal that answer requests need the same one.",
        "made at the first start, in `secret.key`",
    ),
    "MLPORTAL_ALLOWED_HOSTS": "Further host names that the portal answers to, beside those of the two addresses above.",
    "MLPORTAL_LOGIN_ATTEMPTS": "Wrong passwords for one user from one address, after which both have to wait a quarter of an hour.",
    "DATABASE_URL": (
        "The database: `sqlite:///…` or `postgres://user:password@host:port/name`.",
        "SQLite, `portal.sqlite3`",
    ),
    "MLPORTAL_DATABASE_POOLED": "On where a pooler such as PgBouncer hands out PostgreSQL's connections for one transaction each.",
    "BROKER_URL": "What wakes the workers: `filesystem://` (one machine), `redis://…` or `amqp://…`.",
    "STORAGE_URL": (
        "Where files are stored: `file:///…`, or `s3://bucket/prefix?endpoint_url=…&access_key=…&secret_key=…`.",
        "the folder `storage`",
    ),
    "MLPORTAL_WORKER_THREADS": "Runs that one worker follows at a time; a target's slots limit what runs.",
    "MLPORTAL_WORKER_BUILDS": "Environments that one worker builds at a time; further ones wait for their turn.",
    "MLPORTAL_SNAPSHOT_MAX_BYTES": "Largest snapshot.",
    "MLPORTAL_SNAPSHOT_MAX_FILES": "Most files in a snapshot, not counting what `.amlignore` or `.gitignore` leave out.",
    "MLPORTAL_UPLOAD_MAX_BYTES": "Largest request that uploads files from a client; one file comes in one request.",
    "MLPORTAL_DATASET_FILES": "Most files in a dataset, and in one request that puts files into the data store.",
    "MLPORTAL_DATASET_MAX_BYTES": "Largest dataset. Each run that is given it gets a copy in its folder.",
    "MLPORTAL_DATASET_DEFINITION": "Largest description of how a dataset's files are read, as a client gives it.",
    "MLPORTAL_UNNAMED_DATASETS": "How long a dataset without a name is kept that no run was given.",
    "MLPORTAL_TRASH": "How long deleted runs stay in the trash; then they are deleted for good. `0`: until somebody does it. "
    "A retention rule may say otherwise for its workspace or experiment.",
    "MLPORTAL_DATA_STORE_FILES": "Most files in the data store of a workspace.",
    "MLPORTAL_DATA_STORE": "Largest data store of a workspace, all files together.",
    "MLPORTAL_RUN_INPUTS": "Most datasets that a run is given.",
    "MLPORTAL_RUN_WALL": "Longest time that a script runs; a run can ask for less or more.",
    "MLPORTAL_LOG_LIMIT": "Largest log of a script. Beyond it the log is cut, with a marker, and the script goes on.",
    "MLPORTAL_OUTPUT_LIMIT": "Largest `outputs/` of a run. A script that passes it is ended.",
    "MLPORTAL_OUTPUT_FILES": "Most files that are stored of a run; further ones are skipped and named on its page.",
    "MLPORTAL_RUN_OPEN_FILES": "Most files that a script may have open at a time.",
    "MLPORTAL_CANCEL_GRACE": "Time between asking a script to end (SIGTERM) and ending it (SIGKILL).",
    "MLPORTAL_METRIC_NAMES": "Most names of metrics in a run. Points of further names are left out, and the run's page says so.",
    "MLPORTAL_BULK_RUNS": "Most runs that one request cancels, tags, moves or puts in the trash.",
    "MLPORTAL_RUN_CHILDREN": "Most children of one run: the runs that a search or a notebook starts under it.",
    "MLPORTAL_RUN_ATTEMPTS": "How often a run is taken up again after its worker was lost or failed, before it is given up.",
    "MLPORTAL_COMPARE_RUNS": "Most runs that are compared on one page. The page says how many more were asked for.",
    "MLPORTAL_COMPARE_POINTS": "Most points of metrics that are read for the curves of one comparison; further curves are not drawn.",
    "MLPORTAL_DIFF_BYTES": "Largest file of code that is compared line by line.",
    "MLPORTAL_LEASE": "How long a worker, or the machine that serves, may be silent before another one takes over.",
    "MLPORTAL_NODE_GONE": "How long a machine may be silent before its runs are given up.",
    "MLPORTAL_LOCAL_SLOTS": (
        "Runs at a time on the target `local`. Read when the target is made; later it is changed in the administration.",
        "one a core",
    ),
    "MLPORTAL_COMPUTE_TARGETS": "Most compute targets that one workspace makes for itself.",
    "MLPORTAL_COMPUTE_SLOTS": "Most slots that members give to a compute target of their workspace.",
    "MLPORTAL_ENVIRONMENT_BUILD": "Longest time that resolving and installing an environment takes.",
    "MLPORTAL_PACKAGE_INDEXES": "Package indexes that an environment file may name; any other is left out, with a note.",
    "MLPORTAL_SOURCE_BUILDS": "Install packages that have no wheel. Their set-up code runs on the worker, outside of any run.",
    "MLPORTAL_PYTHONS": "Further Python interpreters, or folders of them, beside those on the path, pyenv's and uv's.",
    "MLPORTAL_API_RATE": "Requests to the JSON API that one token, run or session may make in a minute; `0` for any number. "
    "Each web process counts by itself.",
    "MLPORTAL_API_REFUSED_RATE": "Requests without a valid token in a minute from one address, after which they are answered 429; "
    "`0` for any number.",
    "MLPORTAL_IDEMPOTENCY": "How long the answer to a request with an `Idempotency-Key` is kept.",
    "MLPORTAL_SERVICE_BODY": "Largest request that a deployed service takes.",
    "MLPORTAL_SERVICE_BODY_TIMEOUT": "Longest time that a request to a deployed service takes to arrive.",
    "MLPORTAL_SERVICE_ROWS": "Most rows in one request to a deployed service.",
    "MLPORTAL_SERVICE_ANSWER": "Largest answer that is taken from a model.",
    "MLPORTAL_HEADERS": "Largest headers of a request (about: what has come with them is counted, too).",
    "MLPORTAL_SLOW_CLIENT": "How long the headers of a request may take, and how long a client may take nothing of its answer.",
    "MLPORTAL_SERVICE_BATCH_ROWS": "Rows of requests that wait for the same model and become one call of it; 1 turns that off.",
    "MLPORTAL_SERVICE_WAITING_BYTES": "Bytes of the requests that wait, of all services together; more are told to come back (429).",
    "MLPORTAL_SERVICE_WAITING": "Requests of one deployed service that wait or are being answered; more are told to come back (429).",
    "MLPORTAL_SERVICE_START": "Longest time that a model worker takes to load its model, or an entry script for `init()`.",
    "MLPORTAL_SERVICE_TIMEOUT": "Longest time that a deployed service takes for an answer.",
    "MLPORTAL_SERVICE_REPLICAS": "Most replicas that a deployed service may be given.",
    "MLPORTAL_SERVICE_SURGE": "Whether an update starts all new replicas beside the old ones; off: one by one, with less memory.",
    "MLPORTAL_SERVICE_STANDBY": "How long what answered before an update stays in memory, to roll back in an instant; 0s: not at all.",
    "MLPORTAL_SERVICE_HISTORY": "Versions that have answered for a service and can be gone back to.",
    "MLPORTAL_SERVICE_DISAGREEMENTS": "Copied requests kept for a service to which its second version answered something else.",
    "MLPORTAL_SERVICE_SCALE_DOWN": "How long a service must have needed fewer replicas before one is ended.",
    "MLPORTAL_SERVICE_MEMORY": "Memory of a deployed service whose model version does not say how much it needs.",
    "MLPORTAL_SERVICE_FILE": "Largest CSV file that a deployed service scores at once, for members.",
    "MLPORTAL_SAMPLE_BYTES": "Largest file that is taken as the training sample of a model version.",
    "MLPORTAL_SAMPLE_ROWS": "Rows of a training sample that are kept; of more a fair choice.",
    "MLPORTAL_SAMPLE_COLUMNS": "Most columns of a training sample.",
    "MLPORTAL_SAMPLE_CELLS": "Most cells, rows times columns, that are read of a training sample.",
    "MLPORTAL_MEASURES_FINE": "How long measurements of services are kept in pieces of 10 s; then they are merged to minutes.",
    "MLPORTAL_MEASURES_MINUTES": "How long measurements of services are kept by the minute; then they are merged to hours.",
    "MLPORTAL_MEASURES": "How long measurements of services are kept at all.",
    "MLPORTAL_SAMPLED_ROWS": "Most rows of its requests that a service may be told to keep.",
    "MLPORTAL_SAMPLED_SIZE": "Most bytes of its requests that a service keeps, compressed; the oldest go.",
    "MLPORTAL_DRIFT_ROWS": "How many of the newest sampled rows of a version are compared with its training sample.",
    "MLPORTAL_SAMPLES": "How long sampled requests to services are kept, with their predictions and actual values.",
    "MLPORTAL_ACTUALS": "Most actual values that one request may hand over.",
    "MLPORTAL_METRICS_TOKEN": "What Prometheus sends as `Authorization: Bearer …` to read `/metrics`; without it everybody who "
    "reaches the portal may read them: names and versions of services, and numbers.",
    "MLPORTAL_METRICS_VERSIONS": "Most versions of each service, the last ones that answered, that `/metrics` tells apart.",
    "MLPORTAL_CGROUPS": "Limit deployed services by control groups (version 2) where a part of their tree is given to the portal.",
    "MLPORTAL_GOLDEN_REQUESTS": "Golden requests of one version of a model.",
    "MLPORTAL_GOLDEN_SIZE": "Largest golden request, together with its answer.",
    "MLPORTAL_GOLDEN_TIMEOUT": "Longest time that all golden requests of a service take together, when it is started.",
    "MLPORTAL_GOLDEN_RECORD": "Keep the first answer of a version that has no golden request as its golden request.",
    "MLPORTAL_LOG_LEVEL": "What the portal itself writes to the terminal: `DEBUG`, `INFO`, `WARNING` or `ERROR`.",
    "MLPORTAL_NODE": (
        "This machine's name among the portal's machines. It has to stay the same: a worker finds its runs again by it.",
        "the host's name",
    ),
    "MLPORTAL_ADMIN_PASSWORD": (
        "Password of the first administrator, `admin`, at the first start.",
        "a random one, printed once",
    ),
}


@dataclass(frozen=True)
class Variable:
    """An environment variable as the code reads it."""

    name: str
    kind: str
    default: str
    heading: str


class Command(BaseCommand):
    help = "Write docs/settings.md from the code, or say with --check that it is not up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="Write nothing; fail when the page differs")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        page, text = settings.BASE_DIR / PAGE, render(settings.BASE_DIR)
        if not check:
            page.write_text(text)
        elif not page.exists() or page.read_text() != text:
            raise CommandError(f"{PAGE} is not what the code says; run manage.py settings_reference.")


def render(root: Path) -> str:
    """The whole page. Raises CommandError for a variable that nothing is said about, and for words about none."""
    found = list(variables(root))
    names = {variable.name for variable in found}
    if unknown := sorted(names ^ ABOUT.keys()):
        raise CommandError(f"The code and ABOUT do not agree on {', '.join(unknown)}.")
    lines = [
        "# Settings",
        "",
        "Every setting is an environment variable. A value that cannot be read stops the start and says which one it is.",
        "Made by `manage.py settings_reference`; change the code, not this page.",
        "",
        "Sizes are written like `300MB` or `2GiB`, durations like `90s`, `15m`, `2h` or `30d`; bare numbers are bytes and seconds.",
    ]
    for heading in dict.fromkeys(variable.heading for variable in found):
        lines += ["", f"## {heading}", "", "| Variable | Value | Default | What it is for |", "|---|---|---|---|"]
        for variable in found:
            if variable.heading == heading:
                about = ABOUT[variable.name]
                text, default = about if isinstance(about, tuple) else (about, variable.default)
                lines.append(f"| `{variable.name}` | {variable.kind} | {default} | {text} |")
    return "\n".join(lines) + "\n"


def variables(root: Path) -> Iterator[Variable]:
    """In the order of the code, with the headings of its `# --- …` lines."""
    for source, heading in SOURCES.items():
        text = (root / source).read_text()
        headings = {
            number: re.split("[:;]", line.removeprefix("# --- "))[0]
            for number, line in enumerate(text.splitlines(), 1)
            if line.startswith("# --- ")
        }
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and _reader(node)]
        for call in sorted(calls, key=lambda call: call.lineno):
            above = max((number for number in headings if number < call.lineno), default=0)
            name = ast.literal_eval(call.args[0])
            reader = _reader(call)
            yield Variable(name, READERS[reader], _default(reader, call), headings.get(above, heading))


def _reader(call: ast.Call) -> str:
    """The function of mlportal.env that is called, or nothing."""
    called = ast.unparse(call.func)
    name = called.removeprefix("env.")
    is_reader = name in READERS and bool(call.args) and isinstance(call.args[0], ast.Constant)
    return name if is_reader and (called.startswith("env.") or name == "text") else ""


def _default(reader: str, call: ast.Call) -> str:
    if len(call.args) < 2:
        return "none"
    try:
        value = _value(call.args[1])
    except ValueError:
        return ""  # computed: ABOUT says it in words
    if reader == "size":
        return _in_units(value, UNITS)
    if reader == "seconds":
        return _in_units(value, PERIODS) if value >= 60 else f"{value} s"
    if reader == "boolean":
        return "on" if value else "off"
    return f"`{value}`"


def _value(node: ast.expr) -> Any:
    """A literal or a product of literals; ValueError for anything else."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _value(node.left) * _value(node.right)
    return ast.literal_eval(node)


def _in_units(value: int, units: tuple[tuple[str, int], ...]) -> str:
    return next((f"{value // size} {unit}" for unit, size in units if value % size == 0 and value >= size), str(value))
