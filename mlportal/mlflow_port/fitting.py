"""What of others' values fits into the portal's rows; what does not is told to the report, never cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from experiments.services import DATASET_LIMITS, DescribedDataset
from mlportal.mlflow_port.items import DatasetItem
from mlportal.mlflow_port.report import Report
from mlportal.texts import storable

MAX_KEY: Final = 250
MAX_VALUE: Final = 1_000_000  # characters; MLflow's own limits are far below
MAX_NAME: Final = 250


class Fitting:
    def __init__(self, report: Report) -> None:
        self._report = report

    def text(self, value: str, most: int, where: str) -> str:
        """The text, or "" for one that does not fit."""
        if len(value) > most:
            self._report.problem(where, f"it has {len(value)} characters, and at most {most} fit: {value[:60]!r}…")
            return ""
        if storable(value) != value:
            self._report.problem(where, f"it holds a character that no text may have: {value[:60]!r}")
            return ""
        return value

    def pairs(self, values: Mapping[str, str], where: str, most: int = MAX_VALUE) -> dict[str, str]:
        found = {}
        for key, value in values.items():
            if not key or len(key) > MAX_KEY or storable(key) != key:
                self._report.problem(f"{where} {key[:100]!r}", f"a name has 1 to {MAX_KEY} characters")
            elif self.text(value, most, f"{where} {key!r}") == value:
                found[key] = value
        return found

    def dataset(self, item: DatasetItem, where: str) -> DescribedDataset | None:
        fields = {field: item.fields.get(field, "") for field in DATASET_LIMITS}
        fitting = {
            field: self.text(fields[field], most, f"{where}, {field} of its data")
            for field, most in DATASET_LIMITS.items()
        }
        if not fitting["name"] or not fitting["digest"]:
            self._report.problem(where, f"data without a name or a digest: {fields['name']!r:.100}")
            return None
        return DescribedDataset(**fitting, tags=self.pairs(item.tags, f"{where}, tag of its data"))
