"""A table of runs as a page: of an experiment, or of all that the workspace has. The address says all of what is shown."""

from .page import page_of_runs
from .runs_table import RunsTable

__all__ = ["RunsTable", "page_of_runs"]
