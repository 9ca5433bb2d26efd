"""Environments as people see them: what they wrote becomes a version, equal ones are one."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Avg, F

from experiments import environments as conda
from experiments.models import Environment, EnvironmentBuild, EnvironmentVersion
from experiments.services.building import (
    cancel_build,
    cancel_builds_nobody_waits_for,
    carry_out,
    fail_run,
    failed_here_lately,
    is_built_here,
    open_build,
    python_of,
    read_build_log,
    request_build,
)
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput

__all__ = [
    "Checked",
    "add_version",
    "cancel_build",
    "cancel_builds_nobody_waits_for",
    "carry_out",
    "check_definition",
    "fail_run",
    "failed_here_lately",
    "install_curated",
    "is_built_here",
    "lock_difference",
    "open_build",
    "python_of",
    "read_build_log",
    "request_build",
    "usual_seconds",
]
NAME_CHARACTERS = 255


@dataclass(frozen=True)
class Checked:
    """What would happen with a definition: read without building anything."""

    spec: conda.EnvironmentSpec | None = None
    interpreter: conda.Interpreter | None = None
    notes: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


def check_definition(text: str, *, as_of: date | None = None) -> Checked:
    """Never raises for what the text says: errors and notes carry {text or message, line, key}."""
    try:
        spec = conda.parse_conda_yaml(text, policy=policy())
    except conda.EnvironmentFileError as error:
        return Checked(errors=[asdict(found) for found in error.errors])
    notes = [asdict(note) for note in spec.notes]
    notes += [
        {"text": f"{name} is provided by the portal itself.", "line": None, "key": None} for name in spec.provided
    ]
    if as_of and spec.as_of and as_of != spec.as_of:
        notes.append(
            {"text": f"The date {as_of} replaces the one in the file, {spec.as_of}.", "line": None, "key": None}
        )
    try:
        choice = conda.choose(spec.python, conda.discover(settings.EXTRA_PYTHONS), as_of=as_of or spec.as_of)
    except conda.InterpreterNotFound as error:
        return Checked(spec=spec, notes=notes, errors=[{"message": str(error), "line": None, "key": "python"}])
    if choice.note:
        notes.insert(0, {"text": choice.note, "line": None, "key": "python"})
    return Checked(spec=spec, interpreter=choice.interpreter, notes=notes)


@transaction.atomic
def add_version(
    workspace: Workspace, name: str, text: str, *, as_of: date | None = None, by: User
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
    return _version_of(environment, text, as_of, by)


def install_curated(workspace: Workspace) -> None:
    """The environments that ship with the portal, in this workspace. Doing it again adds only what is new or changed."""
    for shipped in conda.curated().values():
        with transaction.atomic():
            environment, _ = Environment.objects.update_or_create(
                workspace=workspace, name=shipped.name, defaults={"curated": True, "description": shipped.description}
            )
            _version_of(environment, shipped.text, None, None)


def _version_of(environment: Environment, text: str, as_of: date | None, by: User | None) -> EnvironmentVersion:
    checked = check_definition(text, as_of=as_of)
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
