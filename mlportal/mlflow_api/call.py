"""One call: who, where, and the parameters, read and checked as MLflow's server does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import QuerySet

from experiments import services
from experiments.models import Experiment, Run
from experiments.services.experiments import DEFAULT, default_experiment
from mlportal.access.models import User, Workspace
from mlportal.access.principals import RunPrincipal
from mlportal.errors import NotAllowed
from mlportal.mlflow_api.errors import invalid, missing, not_there
from mlportal.texts import storable

Json = dict[str, Any]
INT64: Final = 2**63
DEFAULT_ID: Final = "0"
REMEMBERED_SECONDS: Final = 2.0
MOST_REMEMBERED: Final = 100


@dataclass(frozen=True, slots=True)
class Call:
    """`given` is the JSON of a POST, or the query of a GET with a list for each name. `runs` are those that the caller was
    found to write to a moment ago; `names` are the changing parts of the address."""

    by: User | RunPrincipal
    workspace: Workspace
    given: Mapping[str, Any]
    path: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_query: bool = False
    runs: dict[str, tuple[Run, float]] = field(default_factory=dict)

    @property
    def person(self) -> User:
        """The caller, where a run's token opens nothing."""
        if isinstance(self.by, RunPrincipal):
            raise NotAllowed("A run's token opens that run and its children alone.")
        return self.by

    def one(self, name: str) -> Any:
        value = self.given.get(name)
        return value[0] if self.is_query and value else value

    def text(self, name: str, *, required: bool = True) -> str:
        """A text; without `required` "" where there is none."""
        value = self.one(name)
        if value is None or (required and value == ""):
            if required:
                raise missing(name)
            return ""
        if not isinstance(value, str):
            raise invalid(f"Invalid value {value!r:.100} for parameter '{name}' supplied: it has to be a string.")
        if storable(value) != value:
            raise invalid(f"The parameter '{name}' holds a character that no text may have.")
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        value = self.one(name)
        return default if value is None else whole(value, name)

    def items(self, name: str) -> list[Any]:
        """A list, empty when it is not given."""
        value = self.given.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise invalid(f"Invalid value {value!r:.100} for parameter '{name}' supplied: it has to be an array.")
        return value

    def objects(self, name: str) -> list[dict[str, Any]]:
        found = self.items(name)
        if not set(map(type, found)) <= {dict}:
            raise invalid(f"Invalid value for parameter '{name}' supplied: its items have to be objects.")
        return found

    def texts(self, name: str) -> list[str]:
        found = self.items(name)
        if not all(isinstance(item, str) and storable(item) == item for item in found):
            raise invalid(f"Invalid value for parameter '{name}' supplied: its items have to be strings.")
        return found

    def run_id(self) -> str:
        return self.text("run_id", required=False) or self.text("run_uuid", required=False) or self.text("run_id")

    def run(self, run_id: str | None = None, *related: str) -> Run:
        """The run, if the caller may see it here. Its workspace is at hand."""
        run_id = run_id or self.run_id()
        visible = Run.objects.visible_to(self.by, self.workspace).filter(uid=run_id)
        found = (visible.select_related(*related) if related else visible).first()
        if found is None:
            raise not_there(f"Run with id={run_id[:100]} not found")
        found.workspace = self.workspace
        return found

    def active_run(self, *related: str) -> Run:
        """The run, unless it is in the trash."""
        found = self.run(None, *related)
        if found.deleted_at is not None:
            raise invalid(f"The run {found.uid} must be in the 'active' state. Current state is deleted.")
        return found

    def writable_run(self) -> Run:
        """The run, for who may write to it; found and asked at most every two seconds, for it is asked with every number.

        Whether it is in the trash by now is for the service to see.
        """
        run_id = self.run_id()
        known = self.runs.get(run_id)
        if known and known[1] > time.monotonic():
            return known[0]
        run = self.run(run_id)
        services.require_writer(run, self.by)
        if len(self.runs) >= MOST_REMEMBERED:
            self.runs.clear()
        self.runs[run_id] = (run, time.monotonic() + REMEMBERED_SECONDS)
        return run

    def experiment(self, experiment_id: str | None = None) -> Experiment:
        experiment_id = self.text("experiment_id") if experiment_id is None else experiment_id
        if experiment_id == DEFAULT_ID and not isinstance(self.by, RunPrincipal):
            return default_experiment(self.workspace)
        found: Experiment | None = self.experiments().filter(pk=experiment_key(experiment_id)).first()
        if found is None:
            raise not_there(f"No Experiment with id={experiment_id} exists")
        return found

    def experiments(self) -> QuerySet[Experiment]:
        """Those that the caller sees here: a run's token its own."""
        mine = Experiment.objects.filter(workspace=self.workspace)
        return mine.filter(runs=self.by.run_id) if isinstance(self.by, RunPrincipal) else mine


def experiment_key(experiment_id: str) -> int:
    """Its key in the database; INVALID_PARAMETER_VALUE for what is no number."""
    if not (experiment_id.isascii() and experiment_id.isdigit() and len(experiment_id) <= 18):
        raise invalid(f"Invalid experiment ID '{experiment_id[:100]}'. Experiment ID must be a valid integer.")
    return int(experiment_id)


def shown_id(key: int, name: str) -> str:
    return DEFAULT_ID if name == DEFAULT else str(key)


def active(experiment: Experiment) -> Experiment:
    """The experiment, unless it is deleted."""
    if experiment.archived_at is not None:
        shown = shown_id(experiment.pk, experiment.name)
        raise invalid(f"The experiment {shown} must be in the 'active' state. Current state is deleted.")
    return experiment


def whole(value: Any, name: str) -> int:
    """A 64-bit integer; protobuf writes large ones as texts, and takes 3.0."""
    number = value
    if isinstance(value, str) and len(value) <= 20:
        try:
            number = int(value)
        except ValueError:
            number = None
    if isinstance(value, float) and value.is_integer():
        number = int(value)
    if type(number) is not int or not -INT64 <= number < INT64:
        raise invalid(f"Invalid value {value!r:.100} for parameter '{name}' supplied: it has to be a 64-bit integer.")
    return number
