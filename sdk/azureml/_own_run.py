"""The run that executes this script: file first. HTTP is used only where the script asks for an answer."""

import os
from typing import Any, Dict, List, Optional

from mlportal_sdk import history
from mlportal_sdk.recorder import recorder
from mlportal_sdk.uploads import Uploads, file_names

from azureml._records import RunRecords
from azureml.core.run import Run
from azureml.exceptions import NotSupportedError, UserErrorException


class OwnRun(Run):
    """What it is told goes to files of the run, which the worker ships; nothing here waits for a network."""

    _shown_as = "Run"  # the name that scripts know

    def __init__(self, experiment: Any, run_id: str, outputs: Any = None, **kwargs: Any) -> None:
        directory = os.environ["MLPORTAL_RUN_DIR"]
        RunRecords.__init__(self, recorder(directory), Uploads(os.path.join(directory, "uploads")))
        self._directory = directory
        self._work = os.path.join(directory, "work")
        self._id = run_id
        self._experiment = experiment

    @property
    def _data(self) -> Dict[str, Any]:
        """As the portal has it; asked for by what no file tells, such as `get_environment`."""
        found = self.__dict__.get("_answer")
        if found is None:
            found = self.__dict__["_answer"] = self._scope.get(self._path)
        return found  # type: ignore[no-any-return]

    @_data.setter
    def _data(self, value: Dict[str, Any]) -> None:
        self.__dict__["_answer"] = value

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
    def type(self) -> str:
        return "azureml.scriptrun"

    @property
    def parent(self) -> Optional[Run]:
        """Its id is known; a run's token opens neither the metrics nor the files of what is above it."""
        uid = os.environ.get("MLPORTAL_PARENT_RUN")
        return Run(self._experiment, uid, _data={"id": uid}) if uid else None

    def get_status(self) -> str:
        """Running: whoever asks is the script itself."""
        return "Running"

    @property
    def input_datasets(self) -> Dict[str, Any]:
        """By name: the path of what was mounted or downloaded, or the dataset itself where it is read directly."""
        inputs = _inputs(self._directory)
        found: Dict[str, Any] = {}
        for name, one in inputs.items():
            if one["mode"] == "direct":
                from azureml.core.dataset import Dataset

                found[name] = Dataset._of_input(self._experiment.workspace, name, one)
            else:
                found[name] = one["path"]
        return found

    def get_metrics(
        self,
        name: Optional[str] = None,
        recursive: bool = False,
        run_type: Optional[str] = None,
        populate: bool = False,
    ) -> Dict[str, Any]:
        """What this run has logged so far, of all its processes: values, lists, or tables as dicts of columns."""
        own = history.metrics(self._recorder.path, name)
        if not recursive:
            return own
        return {self._id: own, **{run.id: run.get_metrics(name) for run in self.get_children(recursive=True)}}

    def tag(self, key: str, value: Any = None) -> None:
        self._recorder.record("tag", key, v=None if value is None else str(value))

    def set_tags(self, tags: Dict[str, Any]) -> None:
        for key, value in tags.items():
            self.tag(key, value)

    def remove_tags(self, tags: List[str]) -> List[str]:
        present = self.get_tags()
        removed = [key for key in ([tags] if isinstance(tags, str) else tags) if key in present]
        for key in removed:
            self._recorder.record("untag", key)
        return removed

    def get_tags(self) -> Dict[str, Optional[str]]:
        """The tags that the script has set."""
        return history.tags(self._recorder.path)

    def add_properties(self, properties: Dict[str, Any]) -> None:
        """Properties are written once: UserErrorException, and none is added, where one of them is there already."""
        taken = sorted(set(map(str, properties)) & set(self.get_properties()))
        if taken:
            raise UserErrorException("properties cannot be changed once they are set: {}".format(", ".join(taken)))
        for key, value in properties.items():
            self._recorder.record("property", key, v=str(value))

    def get_properties(self) -> Dict[str, str]:
        """The properties that the script has added."""
        return history.properties(self._recorder.path)

    def get_file_names(self) -> List[str]:
        """The files that were uploaded and those in `outputs/`, sorted."""
        outputs = ["outputs/" + name for name in file_names(os.path.join(self._work, "outputs"))]
        return sorted(set(self._uploads.names() + outputs))

    def download_file(
        self, name: str, output_file_path: Optional[str] = None, _validate_checksum: bool = False
    ) -> None:
        """Copies what the script uploaded, or wrote to `outputs/`."""
        import shutil

        source = self._local(name)
        if source is None or not os.path.isfile(source):
            raise UserErrorException(
                "File with path {} was not found, available files include: {}".format(
                    name, ", ".join(self.get_file_names())
                )
            )
        target = output_file_path or os.path.basename(name)
        if os.path.isdir(target):
            target = os.path.join(target, os.path.basename(name))
        if os.path.abspath(target) != os.path.abspath(source):
            os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
            shutil.copyfile(source, target)

    def _local(self, name: str) -> Optional[str]:
        """What the script uploaded under a name, or wrote to its folder; None when there is neither."""
        parts = [part for part in str(name).replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            return None
        for folder in (self._uploads.directory, self._work):
            path = os.path.join(folder, *parts)
            if os.path.exists(path):
                return path
        return None

    def flush(self, timeout_seconds: int = 300) -> None:
        """Does nothing: what was logged is written already."""

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

    def cancel(self) -> None:
        raise NotSupportedError(
            "Run.cancel is not supported in the run itself: call fail(), or leave the script with sys.exit"
        )

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> Dict[str, Any]:
        raise NotSupportedError(
            "Run.wait_for_completion is not supported in the run itself: it completes when the script ends"
        )


def _inputs(directory: str) -> Dict[str, Any]:
    import json

    try:
        with open(os.path.join(directory, "inputs.json"), encoding="utf-8") as file:
            return json.load(file)  # type: ignore[no-any-return]
    except FileNotFoundError:
        return {}
