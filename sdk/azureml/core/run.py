"""`azureml.core.run`: the run that executes the script, or the offline run outside of the portal."""

import os
from types import TracebackType
from typing import Any, List, Optional, Type, Union

from mlportal_sdk.recorder import recorder
from mlportal_sdk.uploads import Uploads, file_names

from azureml._offline import OfflineRun
from azureml._records import RunRecords
from azureml.core.experiment import Experiment
from azureml.exceptions import NotSupportedError, RunEnvironmentException

__all__ = ["Run"]


class Run(RunRecords):
    """The run that executes this script. What it is told goes to files of the run; nothing here waits for a network."""

    _instead = {
        "cancel": "call fail(), or leave the script with sys.exit",
        "child_run": "runs have no children here: log to this run, or submit one run for each part",
        "create_children": "runs have no children here: log to this run, or submit one run for each part",
        "download_file": "read the file from the script's own folder",
        "get": "the portal's JSON API gives other runs (/api/docs/)",
        "get_children": "runs have no children here",
        "get_details": "the run's page and the portal's JSON API give the details (/api/docs/)",
        "get_environment": "the run's page shows its environment",
        "get_secret": "read the secret from the script's environment",
        "input_datasets": "put the data into the submitted folder, or download it in the script",
        "list": "the portal's JSON API lists runs (/api/docs/)",
        "register_model": "register the model from the run's page or the portal's JSON API (/api/docs/)",
        "start": "the run is running",
        "submit_child": "runs have no children here: submit one run for each part",
        "wait_for_completion": "the run is the script itself: it completes when the script ends",
    }

    def __init__(self, experiment: Experiment, run_id: str, outputs: Any = None, **kwargs: Any) -> None:
        if not _inside_portal() or run_id != os.environ["AZUREML_RUN_ID"]:
            raise NotSupportedError("only the run that executes the script is known here: use Run.get_context()")
        directory = os.environ["MLPORTAL_RUN_DIR"]
        super().__init__(recorder(directory), Uploads(os.path.join(directory, "uploads")))
        self._work = os.path.join(directory, "work")
        self._id = run_id
        self._experiment = experiment

    @classmethod
    def get_context(
        cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any
    ) -> "Union[Run, OfflineRun]":
        """The run that executes this script; outside of the portal an offline run, or RunEnvironmentException."""
        if _inside_portal():
            return cls(Experiment._of_this_run(), os.environ["AZUREML_RUN_ID"])
        if allow_offline:
            return OfflineRun()
        raise RunEnvironmentException("this script is not executed by a run of the portal: submit it there")

    @classmethod
    def get_submitted_run(cls, **kwargs: Any) -> "Union[Run, OfflineRun]":
        """The former name of `get_context`."""
        return cls.get_context(**kwargs)

    @property
    def id(self) -> str:
        return self._id

    @property
    def number(self) -> Optional[int]:
        """The run's number within its experiment; None where the portal did not tell it."""
        number = os.environ.get("MLPORTAL_RUN_NUMBER", "")
        return int(number) if number.isdigit() else None

    @property
    def display_name(self) -> str:
        """The name that the run was given at submission, else its id."""
        return os.environ.get("MLPORTAL_RUN_NAME") or self._id

    @property
    def name(self) -> str:
        """The same as `display_name`."""
        return self.display_name

    @property
    def type(self) -> str:
        return "azureml.scriptrun"

    @property
    def experiment(self) -> Experiment:
        return self._experiment

    @property
    def parent(self) -> "Optional[Run]":
        """None: runs have no children here."""
        return None

    @property
    def status(self) -> str:
        return self.get_status()

    def get_status(self) -> str:
        """Running: whoever asks is the script itself."""
        return "Running"

    def get_file_names(self) -> List[str]:
        """The files that were uploaded and those in `outputs/`, sorted."""
        outputs = ["outputs/" + name for name in file_names(os.path.join(self._work, "outputs"))]
        return sorted(set(self._uploads.names() + outputs))

    def complete(self, _set_status: bool = True) -> None:
        """Notes that the script is done with the run. The run becomes final when the script ends."""
        self._recorder.record("complete")

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        """Notes that the run is to end as failed, whatever the script's exit code is."""
        self._recorder.record(
            "fail",
            message=None if error_details is None else str(error_details),
            code=None if error_code is None else str(error_code),
        )

    def flush(self, timeout_seconds: int = 300) -> None:
        """Does nothing: what was logged is written already."""

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self,
        exit_type: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if value is None or (isinstance(value, SystemExit) and not value.code):
            self.complete()
        else:
            self.fail("{}: {}".format(type(value).__name__, value))

    def __repr__(self) -> str:
        return "Run(Experiment: {}, Id: {}, Type: {}, Status: {})".format(
            self._experiment.name, self._id, self.type, self.get_status()
        )


def _inside_portal() -> bool:
    return bool(os.environ.get("AZUREML_RUN_ID") and os.environ.get("MLPORTAL_RUN_DIR"))


# scripts tell the two apart by these names of the Azure ML SDK
_OfflineRun = OfflineRun
_SubmittedRun = Run
