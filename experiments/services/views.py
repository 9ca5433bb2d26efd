"""Tables of runs that somebody has set up and given a name. Readers use them, contributors keep them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from experiments.models import Experiment, SavedView
from experiments.search import PARAMETERS, Asked
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict
from mlportal.texts import storable

MAX_NAME = 100
MAX_QUERY = 20_000  # characters of all of it
Query = Mapping[str, Sequence[str]]


@transaction.atomic
def save_view(workspace: Workspace, experiment: Experiment | None, name: str, query: Query, *, by: User) -> SavedView:
    """A new one, of an experiment or of all runs of the workspace. Raises Conflict `exists`, and BadSearch."""
    require(Role.CONTRIBUTOR, workspace, by)
    fields: dict[str, Any] = {"name": _clean_name(name), "query": _clean_query(query)}
    try:
        with transaction.atomic():
            view = SavedView.objects.create(workspace=workspace, experiment=experiment, created_by=by, **fields)
    except IntegrityError:
        raise _taken(fields["name"]) from None
    record("view.save", by=by, workspace=workspace, subject=view.name)
    return view


@transaction.atomic
def change_view(view: SavedView, *, name: str | None = None, query: Query | None = None, by: User) -> None:
    """Call it something else, or keep another table under its name; None leaves it as it is."""
    require(Role.CONTRIBUTOR, view.workspace, by)
    fields: dict[str, Any] = {}
    if name is not None:
        fields["name"] = _clean_name(name)
    if query is not None:
        fields["query"] = _clean_query(query)
    if not fields:
        return
    try:
        with transaction.atomic():
            SavedView.objects.filter(pk=view.pk).update(**fields, updated_at=timezone.now())
    except IntegrityError:
        raise _taken(fields["name"]) from None
    record("view.change", by=by, workspace=view.workspace, subject=view.name, changed=sorted(fields))
    view.refresh_from_db()


@transaction.atomic
def delete_view(view: SavedView, *, by: User) -> None:
    """The view alone: the runs that it shows stay."""
    require(Role.CONTRIBUTOR, view.workspace, by)
    record("view.delete", by=by, workspace=view.workspace, subject=view.name)
    view.delete()


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a view named {name!r} here already.", code="exists", field="name")


def _clean_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable() or storable(name) != name:
        raise BadInput(f"A view's name has 1 to {MAX_NAME} characters, and none that cannot be seen.", field="name")
    return name


def _clean_query(query: Query) -> dict[str, list[str]]:
    """What a table's address may ask for, without what is empty."""
    if unknown := sorted(query.keys() - set(PARAMETERS)):
        raise BadInput(f"A view has no {unknown[0][:50]!r}; it has: {', '.join(PARAMETERS)}.", field="query")
    kept = {name: [text for text in query[name] if text] for name in PARAMETERS if name in query}
    if sum(len(text) for texts in kept.values() for text in texts) > MAX_QUERY:
        raise BadInput(f"A view has at most {MAX_QUERY} characters.", field="query")
    if any(storable(text) != text for texts in kept.values() for text in texts):
        raise BadInput("The view holds a character that no text may have.", field="query")
    Asked.of(kept)
    return {name: texts for name, texts in kept.items() if texts}
