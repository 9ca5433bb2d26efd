"""Runs and experiments by their ids alone, wherever they are: the addresses that MLflow's clients print lead here
(`/#/experiments/7/runs/01a2…`; static/js/mlflow-links.js turns them round)."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_safe

from experiments.models import Experiment, Run
from experiments.services import DEFAULT
from mlportal.pages import PageRequest


@require_safe
@login_required
def run(request: PageRequest, uid: str) -> HttpResponse:
    visible = Run.objects.visible_to(request.user).select_related("workspace")
    return redirect(get_object_or_404(visible, uid=uid))


@require_safe
@login_required
def experiment(request: PageRequest, key: int) -> HttpResponse:
    """0 is `Default` of the workspace that is named, or else of `default`."""
    visible = Experiment.objects.visible_to(request.user).select_related("workspace")
    if key:
        return redirect(get_object_or_404(visible, pk=key))
    workspace = request.GET.get("workspace", "default").replace("\0", "")
    return redirect(get_object_or_404(visible, name=DEFAULT, workspace__name=workspace))
