"""`azureml.widgets`: a run as it goes on, in a notebook."""

import sys
from typing import Any, Dict

from azureml.exceptions import UserErrorException

__all__ = ["RunDetails"]


class RunDetails:
    """`RunDetails(run).show()`: status, phases, log and charts, renewed until the run is final."""

    def __init__(self, run_instance: Any) -> None:
        if not hasattr(run_instance, "get_portal_url"):
            raise UserErrorException("RunDetails needs a run of the portal, not {!r}".format(run_instance))
        self._run = run_instance

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Returns at once. Outside of Jupyter it prints the address of the run's page."""
        if not _in_jupyter():
            print("Run {}: {}".format(self._run.id, self._run.get_portal_url()))
            return
        from azureml.widgets._live import show

        show(self._run)

    def get_widget_data(self, widget_settings: Any = None) -> Dict[str, Any]:
        """What it shows: status, run_properties, run_metrics."""
        return {
            "status": self._run.get_status(),
            "run_properties": self._run.get_details(),
            "run_metrics": self._run.get_metrics(),
            "workbench_run_details_uri": self._run.get_portal_url(),
        }


def _in_jupyter() -> bool:
    """Whether this process is a notebook's kernel: IPython in a terminal shows no HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None
