"""What is done to the rows that are chosen in a table of runs."""

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from experiments import services
from experiments.models import Experiment, Run
from experiments.views.table import RunsTable
from experiments.views.trash import moment_in_address
from mlportal.errors import PortalError
from mlportal.pages import WorkspaceRequest, workspace_view

DONE = {"cancel": "canceled", "tag": "tagged", "trash": "put in the trash", "move": "moved"}
NAMED = 5  # of those to which it could not be done


@require_POST
@workspace_view
def bulk(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """Of the runs that are named, or with `all` of those that the table's address finds."""
    form = {name: text.replace("\0", "") for name, text in request.POST.items() if isinstance(text, str)}
    runs = Run.objects.kept().visible_to(request.user, request.workspace)
    action, tag = form.get("action", ""), form.get("tag", "").strip()
    try:
        if form.get("all"):
            table = RunsTable(request, _experiment(request, form), QueryDict(form.get("query", "")))
            if table.error:
                raise table.error
            runs = runs.filter(pk__in=table.found.runs.values("pk"))
        else:
            runs = runs.filter(uid__in=[uid.replace("\0", "") for uid in request.POST.getlist("run")])
        outcome = services.act_on_runs(
            request.workspace,
            runs,
            action,
            set_to={tag: form.get("value") or None} if tag and not form.get("remove") else {},
            remove=[tag] if tag and form.get("remove") else [],
            experiment=form.get("to", "").strip(),
            by=request.user,
        )
    except PortalError as error:
        messages.error(request, error.message)
    else:
        _tell(request, action, outcome, form.get("to", "").strip())
    return redirect(_back(request, form))


def _tell(request: WorkspaceRequest, action: str, outcome: services.Outcome, place: str) -> None:
    done, refused = outcome.done, outcome.refused
    if done:
        to = f" to {place}" if action == "move" else ""
        undo = reverse("trash-undo", args=[request.workspace.name, moment_in_address(outcome.at)]) if outcome.at else ""
        said = f"{_runs(done)} {'is' if done == 1 else 'are'} {DONE[action]}{to}."
        messages.success(request, said, extra_tags=f"undo {undo}" if undo else "")
    if refused:
        named = " ".join(f"{one.name}: {one.message}" for one in refused[:NAMED])
        more = f" And {len(refused) - NAMED} more." if len(refused) > NAMED else ""
        messages.warning(request, f"{_runs(len(refused))} could not be {DONE[action]}. {named}{more}")
    if not done and not refused:
        messages.warning(request, "No run was chosen that is still here.")


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _experiment(request: WorkspaceRequest, form: dict[str, str]) -> Experiment | None:
    if not form.get("experiment"):
        return None
    here = Experiment.objects.visible_to(request.user, request.workspace)
    return get_object_or_404(here, name=form["experiment"])


def _back(request: WorkspaceRequest, form: dict[str, str]) -> str:
    """Where the form was sent from, if that is a page of the portal."""
    back = form.get("back", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/"):
        return back
    return reverse("runs", args=[request.workspace.name])
