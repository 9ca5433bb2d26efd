"""The training sample on the page of a version."""

from __future__ import annotations

from typing import IO, Any, cast

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from mlportal.errors import BadInput, NotFound
from mlportal.pages import WorkspaceRequest, workspace_view
from mlportal.pages.wording import number_words
from models_registry import services
from models_registry.models import ModelVersion
from models_registry.views.found import version_of

HEIGHT = 20
SHOWN_VALUES = 4


@require_POST
@workspace_view
def attach(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    found = version_of(request, name, number)
    upload = request.FILES.get("file")
    target = request.POST.get("target", "").strip()
    try:
        if upload is None:
            raise BadInput("Choose a file first.")
        services.attach_sample(
            found, cast("IO[bytes]", upload), target=target, source=upload.name or "", by=request.user
        )
        messages.success(request, "The training sample is kept.")
    except BadInput as error:
        messages.error(request, error.message)
    return redirect(found.get_absolute_url() + "#sample")


@require_POST
@workspace_view
def remove(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    found = version_of(request, name, number)
    try:
        services.remove_sample(found, by=request.user)
        messages.success(request, "The training sample is removed.")
    except NotFound as error:
        messages.info(request, error.message)
    return redirect(found.get_absolute_url() + "#sample")


def shown(version: ModelVersion) -> dict[str, Any]:
    """What `version_sample.html` shows."""
    sample = services.sample_of(version)
    columns = (
        [{**_column(column), "is_target": column["name"] == sample.target} for column in sample.columns]
        if sample
        else []
    )
    return {
        "sample": sample,
        "sample_columns": columns,
        "sample_problem": (version.inspection or {}).get("sample", ""),
        "sample_limit": settings.SAMPLE_BYTES,
        "sample_rows": settings.SAMPLE_ROWS,
    }


def _column(column: dict[str, Any]) -> dict[str, Any]:
    if "histogram" in column:
        low, middle, high = column["min"], column["quantiles"][3], column["max"]
        values = f"{number_words(low)} to {number_words(high)}, median {number_words(middle)}"
        counts = column["histogram"]["counts"]
    elif column["kind"] == "time" and "min" in column:
        values, counts = f"{column['min'][:19]} to {column['max'][:19]}", []
    else:
        listed = column.get("values", [])
        values = ", ".join(f"{_said(value)} ({count:,})" for value, count in listed[:SHOWN_VALUES])
        more = column["distinct"] - min(len(listed), SHOWN_VALUES)
        values += f" and {more:,} more" if more > 0 and values else f"{more:,} different texts" if more > 0 else ""
        counts = [count for _, count in listed[:20]] if len(listed) > 1 else []
    tallest = max(counts, default=0) or 1
    heights = [HEIGHT * count / tallest for count in counts]
    bars = [{"top": f"{HEIGHT - height:.2f}", "height": f"{height:.2f}"} for height in heights]
    told = f"Distribution of {column['name']}: {values}"
    return {
        "name": column["name"],
        "kind": column["kind"],
        "missing": column["missing"],
        "values": values,
        "bars": bars,
        "told": told,
    }


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)[:40]
