"""What stands over a table of runs: its views, and the groups, columns and files that it can be had in."""

from __future__ import annotations

from functools import cached_property

from django.urls import reverse

from experiments.models import Experiment, SavedView
from experiments.search import ATTRIBUTES, COLUMN_ATTRIBUTES, GROUPED, PARAMETERS, Field, label_of_value

from .cells import label_of
from .choices import Choice, choices_of
from .runs_table import RunsTable

EXPORTS = (("csv", "CSV"), ("parquet", "Parquet"))
MOST_EXPERIMENTS = 500
MOST_VIEWS = 200


class Tools:
    def __init__(self, table: RunsTable) -> None:
        self._table = table
        self._asked = table.asked

    @property
    def group_label(self) -> str:
        return label_of(self._asked.group) if self._asked.group else ""

    @property
    def only_label(self) -> str:
        by, value = self._asked.wanted.group or (None, None)
        return label_of_value(by, value) if by and value is not None else "none"

    @property
    def all_groups(self) -> str:
        return self._table.address(only=None)

    @property
    def group_choices(self) -> list[tuple[str, str, bool]]:
        """(address, label, whether it is chosen) of all by which runs can be put together."""
        attributes = [name for name in GROUPED if name != "experiment" or not self._table.experiment]
        fields = [Field("attribute", name) for name in attributes]
        fields += [field for field in self._table.names.fields if field.kind != "metric"]
        if self._asked.group and self._asked.group not in fields:
            fields.append(self._asked.group)
        labels = {**COLUMN_ATTRIBUTES, "status": "Status"}
        return [
            (str(field), labels[field.key] if field.kind == "attribute" else str(field), field == self._asked.group)
            for field in fields
        ]

    @property
    def column_choices(self) -> list[tuple[str, list[Choice]]]:
        return choices_of(self._table.names, self._table.columns)

    @property
    def plain_columns(self) -> str:
        return self._table.address(c=None, differ=None)

    @cached_property
    def names(self) -> list[str]:
        """Of all that a search may ask for."""
        return [*map(str, self._table.names.fields), *ATTRIBUTES]

    @property
    def experiment_names(self) -> list[str]:
        """Where runs can be moved to."""
        request = self._table.request
        here = Experiment.objects.visible_to(request.user, request.workspace)
        return list(here.filter(archived_at=None).order_by("name").values_list("name", flat=True)[:MOST_EXPERIMENTS])

    @cached_property
    def views(self) -> list[SavedView]:
        """Those of this experiment, or of all runs."""
        request = self._table.request
        here = SavedView.objects.visible_to(request.user, request.workspace)
        return list(here.filter(experiment=self._table.experiment).select_related("workspace")[:MOST_VIEWS])

    @cached_property
    def view(self) -> SavedView | None:
        """The one that is shown, changed or not."""
        uid = self._table.query.get("view", "")
        return next((view for view in self.views if view.uid == uid), None) if uid else None

    @property
    def is_changed(self) -> bool:
        """Whether it is another table than the view that it was."""
        now = {name: [text for text in self._table.query.getlist(name) if text] for name in PARAMETERS}
        return self.view is not None and {name: texts for name, texts in now.items() if texts} != self.view.query

    @property
    def exports(self) -> list[tuple[str, str]]:
        """What the table can be had as, and where."""
        experiment = self._table.experiment
        place = [self._table.request.workspace.name, *([experiment.name] if experiment else [])]
        page = "experiment-export" if experiment else "runs-export"
        return [(label, reverse(page, args=[*place, kind]) + self._table.address()) for kind, label in EXPORTS]
