"""`azureml.core.Experiment`: what the run is part of, by name."""

import os
from typing import Any, Optional

from azureml._partial import Partial
from azureml.core.workspace import Workspace


class Experiment(Partial):
    """The experiment of a run. It is described by its names; nothing is fetched."""

    _instead = {
        "submit": "submit runs on the portal's pages or through its JSON API (/api/docs/)",
        "start_logging": "submit the script and use Run.get_context() in it",
        "get_runs": "the portal's JSON API lists runs (/api/docs/)",
    }

    def __init__(self, workspace: Workspace, name: str, **kwargs: Any) -> None:
        self.workspace = workspace
        self.name = name

    @classmethod
    def _of_this_run(cls) -> "Experiment":
        return cls(Workspace._of_this_run(), os.environ.get("AZUREML_EXPERIMENT_NAME", ""))

    @property
    def id(self) -> Optional[str]:
        """None for an experiment other than the one of this run."""
        own = self.name == os.environ.get("AZUREML_EXPERIMENT_NAME")
        return os.environ.get("MLFLOW_EXPERIMENT_ID") if own else None

    def __repr__(self) -> str:
        return "Experiment(name={!r}, workspace={!r})".format(self.name, self.workspace.name)
