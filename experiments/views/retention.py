"""Rules that move finished runs to the trash by themselves."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from experiments import services
from experiments.models import Experiment, Metric, RetentionRule
from experiments.retention_forms import RuleForm
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.errors import BadInput, Conflict
from mlportal.pages import WorkspaceRequest, workspace_view

PROPOSED = 500  # names that the fields propose


@require_safe
@workspace_view
def rules(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    found = [{"rule": rule, "words": services.as_words(rule)} for rule in _rules(request)]
    context = {"rules": found, "may_change": request.role.includes(Role.OWNER)}
    return render(request, "experiments/trash/rules.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@workspace_view
def new(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    require(Role.OWNER, request.workspace, request.user)
    form = RuleForm(request.POST or None, initial={"experiment": request.GET.get("experiment", "")[:500]})
    return _answer(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@workspace_view
def rule(request: WorkspaceRequest, workspace: str, pk: int) -> HttpResponse:
    """What it would do now; owners change it."""
    found = get_object_or_404(_rules(request), pk=pk)
    if request.method == "POST":
        require(Role.OWNER, request.workspace, request.user)
    return _answer(request, RuleForm(request.POST or None, initial=RuleForm.of(found)), found)


@require_POST
@workspace_view
def delete(request: WorkspaceRequest, workspace: str, pk: int) -> HttpResponse:
    services.delete_rule(get_object_or_404(_rules(request), pk=pk), by=request.user)
    messages.success(request, "The rule is deleted. What it has moved stays in the trash.")
    return redirect("rules", workspace)


@require_POST
@workspace_view
def apply(request: WorkspaceRequest, workspace: str, pk: int) -> HttpResponse:
    count = services.apply_rule(get_object_or_404(_rules(request), pk=pk), by=request.user)
    messages.success(request, f"{count:,} run{'' if count == 1 else 's'} moved to the trash.")
    return redirect("trash", workspace)


def _rules(request: WorkspaceRequest) -> QuerySet[RetentionRule]:
    visible = RetentionRule.objects.visible_to(request.user, request.workspace)
    return visible.select_related("workspace", "experiment", "created_by")


def _answer(request: WorkspaceRequest, form: RuleForm, found: RetentionRule | None) -> HttpResponse:
    """The form with what the rule in it would do; saved when that was asked for."""
    place = found.experiment if found else None
    shown: Any = found
    if form.is_valid():
        wish = dict(form.cleaned_data)
        name = wish.pop("experiment")
        try:
            if found is None:
                place = _place(request, name)
            if "save" in request.POST:
                _save(request, found, place, wish)
                return redirect("rules", request.workspace.name)
            shown = services.clean_rule(RetentionRule(workspace=request.workspace, experiment=place), **wish)
        except (BadInput, Conflict) as error:
            form.refuse(error)
    if form.errors:
        shown = None
    metrics = Metric.objects.filter(run__workspace=request.workspace).order_by("name").values_list("name", flat=True)
    context = {
        "form": form,
        "rule": found,
        "words": services.as_words(shown) if shown else "",
        "preview": services.preview(shown) if shown else None,
        "may_change": request.role.includes(Role.OWNER),
        "experiments": [] if found else _experiments(request).values_list("name", flat=True)[:PROPOSED],
        "metrics": metrics.distinct()[:PROPOSED],
    }
    return render(request, "experiments/trash/rule.html", context, status=400 if form.errors else 200)


def _save(request: WorkspaceRequest, found: RetentionRule | None, place: Experiment | None, wish: Any) -> None:
    if found is None:
        services.set_rule(request.workspace, experiment=place, **wish, by=request.user)
    else:
        services.update_rule(found, **wish, by=request.user)
    messages.success(request, "The rule is saved, and on." if wish["enabled"] else "The rule is saved. It is off.")


def _experiments(request: WorkspaceRequest) -> QuerySet[Experiment]:
    return Experiment.objects.visible_to(request.user, request.workspace).order_by("name")


def _place(request: WorkspaceRequest, name: str) -> Experiment | None:
    if not name:
        return None
    found = _experiments(request).filter(name=name).first()
    if found is None:
        raise BadInput("There is no experiment of this name.", field="experiment")
    return found
