"""Environments as people see them: what they wrote becomes a version, equal ones are one."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Avg, F
from django.utils import timezone

from experiments import environments as conda
from experiments.models import ComputeTarget, Environment, EnvironmentBuild, EnvironmentVersion
from experiments.services import compute
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput

NAME_CHARACTERS = 255
PYTHON_LINE = re.compile(r"^(\s*-\s*)python(?![\w.-]).*$", re.MULTILINE)


@dataclass(frozen=True)
class Checked:
    """What would happen with a definition: read without building anything."""

    spec: conda.EnvironmentSpec | None = None
    interpreter: conda.Interpreter | None = None
    notes: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


def check_definition(text: str, *, as_of: date | None = None, target: ComputeTarget | None = None) -> Checked:
    """Never raises for what the text says: errors and notes carry {text or message, line, key}.

    The Pythons are those of the target's machines, without a target those of all.
    """
    try:
        spec = conda.parse_conda_yaml(text, policy=policy())
    except conda.EnvironmentFileError as error:
        return Checked(errors=[asdict(found) for found in error.errors])
    notes = [asdict(note) for note in spec.notes]
    notes += [
        {"text": f"{name} is provided by the portal itself.", "line": None, "key": None} for name in spec.provided
    ]
    if as_of and as_of > timezone.now().date():
        still = {"message": f"{as_of} is still to come.", "line": None, "key": "as_of"}
        return Checked(notes=notes, errors=[still])
    if as_of and spec.as_of and as_of != spec.as_of:
        notes.append(
            {"text": f"The date {as_of} replaces the one in the file, {spec.as_of}.", "line": None, "key": None}
        )
    try:
        choice = conda.choose(spec.python, compute.pythons_of(target), as_of=as_of or spec.as_of)
    except conda.InterpreterNotFound as error:
        return Checked(
            spec=spec, notes=notes, errors=[{"message": str(error), "line": spec.python_line, "key": "python"}]
        )
    if choice.note:
        notes.insert(0, {"text": choice.note, "line": spec.python_line, "key": "python"})
    return Checked(spec=spec, interpreter=choice.interpreter, notes=notes)


@transaction.atomic
def add_version(
    workspace: Workspace,
    name: str,
    text: str,
    *,
    as_of: date | None = None,
    target: ComputeTarget | None = None,
    by: User,
) -> EnvironmentVersion:
    """The version of this definition; the one that is there when somebody wrote an equal one before.

    Raises BadInput with every error of the definition in `details`.
    """
    require(Role.CONTRIBUTOR, workspace, by)
    name = name.strip()
    if not name or len(name) > NAME_CHARACTERS or "/" in name or not name.isprintable():
        raise BadInput("An environment's name has 1 to 255 printable characters and no slash.", field="name")
    environment, _ = Environment.objects.get_or_create(workspace=workspace, name=name)
    if environment.curated:
        raise BadInput(f"{name} is one of the portal's own environments; choose another name for yours.", field="name")
    return _version_of(environment, text, as_of, by, target)


def version_as_of(
    version: EnvironmentVersion, as_of: date, *, target: ComputeTarget | None = None, by: User
) -> EnvironmentVersion:
    """The same environment with the packages of that day, for machines of this target."""
    environment = version.environment
    name = f"{environment.name}-as-of-{as_of}" if environment.curated else environment.name
    return add_version(
        environment.workspace, name, _text_for(version, as_of, target), as_of=as_of, target=target, by=by
    )


def rerun_problem(version: EnvironmentVersion, as_of: date, *, target: ComputeTarget | None = None) -> str:
    """Why its packages cannot be taken as of that day; "" when they can, as far as its Python tells."""
    checked = check_definition(_text_for(version, as_of, target), as_of=as_of, target=target)
    if checked.errors:
        return str(checked.errors[0]["message"])
    if checked.interpreter is None or conda.released(checked.interpreter.version) <= as_of:
        return ""
    python = checked.interpreter.version
    return (
        f"Packages of {as_of} have no wheels for Python {python.major}.{python.minor}, the oldest that {version} "
        f"finds here: it came out on {conda.released(python)}. An older Python has to be named in its YAML, or installed."
    )


def _text_for(version: EnvironmentVersion, as_of: date, target: ComputeTarget | None) -> str:
    """Its definition. The Python of a curated one was the portal's choice, and gives way when that day cannot know it."""
    text = version.definition
    if not version.environment.curated:
        return text
    python = check_definition(text, as_of=as_of, target=target).interpreter
    if python is not None and conda.knows(as_of, python.version):
        return text
    return PYTHON_LINE.sub(rf"\1python  # whichever goes with {as_of}; {version} asks for another", text)


def install_curated(workspace: Workspace) -> None:
    """The environments that ship with the portal, in this workspace. Doing it again adds only what is new or changed."""
    for shipped in conda.curated().values():
        with transaction.atomic():
            environment, _ = Environment.objects.update_or_create(
                workspace=workspace, name=shipped.name, defaults={"curated": True, "description": shipped.description}
            )
            _version_of(environment, shipped.text, None, None)


def _version_of(
    environment: Environment, text: str, as_of: date | None, by: User | None, target: ComputeTarget | None = None
) -> EnvironmentVersion:
    checked = check_definition(text, as_of=as_of, target=target)
    # A missing interpreter is this machine's lack, not the file's fault: another machine of the portal may have it.
    if checked.spec is None:
        errors = checked.errors
        first = errors[0]
        where = f"line {first['line']}: " if first["line"] else ""
        raise BadInput(where + first["message"], code="bad_environment", field="definition", errors=errors)
    as_of = as_of or checked.spec.as_of
    # Under the environment's lock: of two people who write the same at once, the second finds the first's.
    environment = Environment.objects.select_for_update().get(pk=environment.pk)
    digest = hashlib.sha256(f"{text}\0{as_of}".encode()).hexdigest()
    known = environment.versions.filter(digest=digest).first()
    if known:
        return known
    Environment.objects.filter(pk=environment.pk).update(last_version=F("last_version") + 1)
    environment.refresh_from_db(fields=["last_version"])
    version = environment.versions.create(
        version=environment.last_version,
        definition=text,
        as_of=as_of,
        digest=digest,
        notes=checked.notes,
        created_by=by,
    )
    if by is not None:
        record("environment.add", by=by, workspace=environment.workspace, subject=version)
    return version


def lock_difference(version: EnvironmentVersion) -> list[str]:
    """What its lock has that the environment's former lock had not, in words; empty when it is the first."""
    build = version.builds.exclude(changes=[]).first()
    return list(build.changes) if build else []


def usual_seconds(version: EnvironmentVersion) -> float | None:
    """How long builds of this environment took, on average; of any environment when this one was never built."""
    ready = EnvironmentBuild.objects.filter(seconds__isnull=False)
    own: float | None = ready.filter(version__environment=version.environment).aggregate(mean=Avg("seconds"))["mean"]
    every: float | None = ready.aggregate(mean=Avg("seconds"))["mean"]
    return every if own is None else own


def policy() -> conda.PipPolicy:
    return conda.PipPolicy(allowed_indexes=frozenset(settings.ALLOWED_PACKAGE_INDEXES))
