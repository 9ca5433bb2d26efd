"""`azureml.core.run`: runs of the portal, the one that executes this script, and the offline run outside of it."""

import os
from types import TracebackType
from typing import Any, Dict, Iterator, List, Optional, Type, Union

from azureml._offline import OfflineRun
from azureml._partial import Partial
from azureml._records import RunRecords
from azureml._said import say
from azureml.exceptions import RunEnvironmentException, UserErrorException

__all__ = ["Run", "RunStatus", "get_run"]

FLUSH_SECONDS = 300


class RunStatus(Partial):
    """Azure's names."""

    QUEUED = "Queued"
    NOT_STARTED = "NotStarted"
    PREPARING = "Preparing"
    PROVISIONING = "Provisioning"
    STARTING = "Starting"
    RUNNING = "Running"
    CANCEL_REQUESTED = "CancelRequested"
    CANCELED = "Canceled"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    UNAPPROVED = "Unapproved"
    NOTRESPONDING = "NotResponding"
    PAUSING = "Pausing"
    PAUSED = "Paused"


FINAL = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)


class Run(RunRecords):
    """A run of the portal, asked over HTTP.

    The run that executes this script is a subclass of its own (`azureml._own_run.OwnRun`), which writes files and waits
    for no network.
    """

    _instead = {
        "get_secret": "read the secret from os.environ: run_config.environment_variables brings it there",
        "get_secrets": "read the secrets from os.environ: run_config.environment_variables brings them there",
        "list_by_compute": "use Experiment.get_runs",
        "add_type_provider": "all runs of the portal are of one type",
        "model_id": "see run.properties, and the model's own page",
        "get_output": "AutoML is not supported: see download_file",
        "get_best_run_by_primary_metric": "compare what get_children() and get_metrics() give",
        "get_steps": "pipelines are not supported",
        "find_step_run": "pipelines are not supported",
    }

    def __new__(cls, experiment: Any = None, run_id: str = "", *args: Any, **kwargs: Any) -> "Run":
        if cls is Run and run_id and _inside_portal() and run_id == os.environ["AZUREML_RUN_ID"]:
            from azureml._own_run import OwnRun

            cls = OwnRun
        return super().__new__(cls)

    def __init__(
        self, experiment: Any, run_id: str, outputs: Any = None, _data: Optional[Dict[str, Any]] = None, **kwargs: Any
    ) -> None:
        from azureml._remote import HttpRecorder, HttpUploads

        scope = experiment.workspace._scope
        super().__init__(HttpRecorder(scope, run_id), HttpUploads(scope, run_id))
        self._experiment = experiment
        self._id = run_id
        self._data: Dict[str, Any] = _data or self._fetch()
        self._outputs: Optional[str] = outputs

    # -- which run -------------------------------------------------------------------------------------------------

    @classmethod
    def get_context(
        cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any
    ) -> "Union[Run, OfflineRun]":
        """The run that executes this script; outside of the portal an offline run, or RunEnvironmentException."""
        if _inside_portal():
            from azureml.core.experiment import Experiment

            return Run(Experiment._of_this_run(), os.environ["AZUREML_RUN_ID"])
        if allow_offline:
            return OfflineRun()
        raise RunEnvironmentException("this script is not executed by a run of the portal: submit it there")

    @classmethod
    def get_submitted_run(cls, **kwargs: Any) -> "Union[Run, OfflineRun]":
        """The former name of `get_context`."""
        return cls.get_context(**kwargs)

    @staticmethod
    def get(workspace: Any, run_id: str) -> "Run":
        """A run of the workspace, by its id."""
        from mlportal_sdk.errors import NotFound

        from azureml.core.experiment import Experiment

        try:
            data = workspace._scope.get("runs/{}/".format(run_id))
        except NotFound:
            raise UserErrorException("there is no run {} in the workspace {}".format(run_id, workspace.name)) from None
        return Run(Experiment(workspace, data["experiment"]), run_id, _data=data)

    @staticmethod
    def list(
        experiment: Any,
        type: Optional[str] = None,
        tags: Any = None,
        properties: Any = None,
        status: Optional[str] = None,
        include_children: bool = False,
        _rehydrate_runs: bool = True,
    ) -> "Iterator[Run]":
        """An experiment's runs, newest first."""
        asked = {"experiment": experiment.name, "status": status}
        for run in _listed(experiment.workspace, asked, tags, properties):
            if include_children or not run._data.get("parent"):
                yield run

    def _fetch(self) -> Dict[str, Any]:
        from mlportal_sdk.errors import NotFound

        try:
            self._data = self._scope.get(self._path)
        except NotFound:
            raise UserErrorException(
                "there is no run {} in the workspace {}".format(self._id, self._experiment.workspace.name)
            ) from None
        return self._data

    @property
    def _scope(self) -> Any:
        return self._experiment.workspace._scope

    @property
    def _path(self) -> str:
        return "runs/{}/".format(self._id)

    @property
    def _is_client_side(self) -> bool:
        """Whether a process of somebody's executes it, and the portal only records it."""
        return bool(self._data.get("client_side"))

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self._id

    @property
    def number(self) -> Optional[int]:
        """Within its experiment."""
        return self._data.get("number")

    @property
    def display_name(self) -> str:
        """The name that it was given, else its id."""
        return self._data.get("display_name") or self._id

    @display_name.setter
    def display_name(self, value: str) -> None:
        self._data = self._scope.patch(self._path, {"name": value})

    @property
    def name(self) -> str:
        """The same as `display_name`."""
        return self.display_name

    @property
    def description(self) -> str:
        return self._data.get("description") or ""

    @description.setter
    def description(self, value: str) -> None:
        self._data = self._scope.patch(self._path, {"description": value})

    @property
    def type(self) -> Optional[str]:
        return None if self._is_client_side else "azureml.scriptrun"

    @property
    def experiment(self) -> Any:
        return self._experiment

    @property
    def parent(self) -> "Optional[Run]":
        uid = self._data.get("parent")
        return Run.get(self._experiment.workspace, uid) if uid else None

    @property
    def status(self) -> str:
        return self.get_status()

    def get_status(self) -> str:
        """As it is now."""
        return _status(self._fetch())

    def get_details(self) -> Dict[str, Any]:
        """runId, target, status, startTimeUtc, endTimeUtc, properties, runDefinition, logFiles, error and so on."""
        from azureml._details import details

        return details(self, self._fetch())

    def get_details_with_logs(self) -> Dict[str, Any]:
        """The same, where logFiles maps each name to the log's content."""
        found = self.get_details()
        found["logFiles"] = {name: self._log(name) for name in found["logFiles"]}
        return found

    def get_portal_url(self) -> str:
        return str(self._scope.url) + str(self._data.get("page") or self._fetch()["page"])

    def get_environment(self) -> Any:
        """The Environment that it ran in."""
        from azureml.core.environment import Environment

        used = self._data.get("environment")
        if not used:
            raise UserErrorException("run {} has no environment: the portal did not execute it".format(self._id))
        return Environment.get(self._experiment.workspace, used["name"], used["version"])

    @property
    def input_datasets(self) -> Dict[str, Any]:
        """The datasets that it was given, by name."""
        from azureml.core.dataset import Dataset

        workspace = self._experiment.workspace
        return {
            one["name"]: Dataset.get_by_id(workspace, one["dataset"]["uid"]) for one in self._data.get("inputs", ())
        }

    @property
    def output_datasets(self) -> Dict[str, Any]:
        return {}

    # -- what it has logged ----------------------------------------------------------------------------------------

    def get_metrics(
        self,
        name: Optional[str] = None,
        recursive: bool = False,
        run_type: Optional[str] = None,
        populate: bool = False,
    ) -> Dict[str, Any]:
        """Values, lists, or tables as dicts of columns. With `recursive`, {run id: metrics} of it and all below it."""
        self.flush()
        if recursive:
            runs = [self] + list(self.get_children(recursive=True))
            return {run.id: run.get_metrics(name) for run in runs}
        found = {key: _number(value) for key, value in self._scope.get(self._path + "metrics/azure/").items()}
        return found if name is None else {key: value for key, value in found.items() if key == name}

    def tag(self, key: str, value: Any = None) -> None:
        """Sets a tag; without a value it is None."""
        self.set_tags({key: value})

    def set_tags(self, tags: Dict[str, Any]) -> None:
        """Sets several tags; those that are not named stay."""
        wish = {str(key): None if value is None else str(value) for key, value in tags.items()}
        self._data = self._scope.patch(self._path + "tags/", {"set": wish})

    def remove_tags(self, tags: "List[str]") -> "List[str]":
        """Removes tags by name; returns those that were there."""
        present = self.get_tags()
        removed = [key for key in ([tags] if isinstance(tags, str) else tags) if key in present]
        if removed:
            self._data = self._scope.patch(self._path + "tags/", {"remove": removed})
        return removed

    def get_tags(self) -> Dict[str, Optional[str]]:
        return dict(self._fetch()["tags"])

    @property
    def tags(self) -> Dict[str, Optional[str]]:
        return self.get_tags()

    def add_properties(self, properties: Dict[str, Any]) -> None:
        """Properties are written once: UserErrorException, and none is added, where one of them is there already."""
        from mlportal_sdk.errors import Conflict

        wish = {str(key): str(value) for key, value in properties.items()}
        try:
            self._scope.post(self._path + "properties/", {"properties": wish})
        except Conflict as error:
            raise UserErrorException(error.message) from None

    def get_properties(self) -> Dict[str, str]:
        return properties_of(self._fetch())

    @property
    def properties(self) -> Dict[str, str]:
        return self.get_properties()

    def flush(self, timeout_seconds: int = FLUSH_SECONDS) -> None:
        """Returns when all that was logged is stored."""
        self._recorder.flush(timeout_seconds)  # type: ignore[attr-defined]

    # -- its files -------------------------------------------------------------------------------------------------

    def get_file_names(self) -> "List[str]":
        """The files that it left and its logs, sorted."""
        names = {row["path"] for row in self._scope.pages(self._path + "artifacts/")}
        return sorted(names | {row["name"] for row in self._scope.get(self._path + "logs/")})

    def download_file(
        self, name: str, output_file_path: Optional[str] = None, _validate_checksum: bool = False
    ) -> None:
        """To the path, into the folder, or under its last name into the working directory."""
        from azureml._downloading import download_file

        download_file(self, name, output_file_path)

    def download_files(
        self,
        prefix: Optional[str] = None,
        output_directory: Optional[str] = None,
        output_paths: "Optional[List[str]]" = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: Optional[int] = None,
    ) -> None:
        """Those below the prefix, with their folders; without `append_prefix` the prefix's own folders are left out."""
        from azureml._downloading import download_files

        download_files(self, prefix, output_directory, output_paths, append_prefix)

    def get_all_logs(self, destination: Optional[str] = None) -> "List[str]":
        """Every log into a folder (a new one named by the run); returns the paths."""
        from azureml._downloading import download_logs

        return download_logs(self, destination)

    def get_snapshot_id(self) -> Optional[str]:
        found = self._data.get("snapshot") or self.get_properties().get("ContentSnapshotId")
        return None if found is None else str(found)

    def take_snapshot(self, file_or_folder_path: str) -> str:
        """Keeps a folder in the portal, and names it as the run's code where the run has none; returns its id."""
        from azureml._submitting import snapshot

        uid = str(snapshot(self._scope, file_or_folder_path)["uid"])
        if self.get_snapshot_id() is None:
            self.add_properties({"ContentSnapshotId": uid})
        return uid

    def restore_snapshot(self, snapshot_id: Optional[str] = None, path: Optional[str] = None) -> str:
        """The code that it ran as a zip in the folder; returns the zip's path."""
        uid = snapshot_id or self.get_snapshot_id()
        if not uid:
            raise UserErrorException("run {} has no snapshot".format(self._id))
        target = os.path.join(path or ".", "{}.zip".format(uid))
        return str(self._scope.download("snapshots/{}/archive/".format(uid), target))

    def _log(self, name: str) -> str:
        answer = self._scope.raw(
            "GET", self._path + "logs/content/", query={"name": name, "download": True}, whole=True
        )
        return answer.content.decode("utf-8", "replace")  # type: ignore[no-any-return]

    def register_model(
        self,
        model_name: str,
        model_path: Optional[str] = None,
        tags: Optional[Dict[str, str]] = None,
        properties: Optional[Dict[str, str]] = None,
        model_framework: Optional[str] = None,
        model_framework_version: Optional[str] = None,
        description: Optional[str] = None,
        datasets: Any = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
        **kwargs: Any,
    ) -> Any:
        """A file or folder of the run as the next version of a Model. Without a path it is named as the model."""
        from azureml._registering import register_from_run

        wish = {
            "tags": tags,
            "properties": properties,
            "framework": model_framework,
            "framework_version": model_framework_version,
            "description": description,
            "datasets": datasets,
            "samples": (sample_input_dataset, sample_output_dataset),
            "resources": resource_configuration,
        }
        return register_from_run(self, model_name, model_path or model_name, wish)

    # -- children --------------------------------------------------------------------------------------------------

    def child_run(self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Any = None) -> "Run":
        """A run below this one, executed by this process: log to it, and complete it."""
        return self._start_child({"name": name or ""})

    def create_children(
        self, count: Optional[int] = None, tag_key: Optional[str] = None, tag_values: "Optional[List[Any]]" = None
    ) -> "List[Run]":
        """Several at once: `count` of them, or one for each of `tag_values`, which it has as the tag `tag_key`."""
        if (tag_key is None) != (tag_values is None) or (count is None and tag_values is None):
            raise UserErrorException("create_children needs count, or tag_key and tag_values")
        if tag_values is None:
            return [self._start_child({}) for _ in range(int(count or 0))]
        if count is not None and count != len(tag_values):
            raise UserErrorException("{} children for {} tag values".format(count, len(tag_values)))
        return [self._start_child({"tags": {str(tag_key): str(value)}}) for value in tag_values]

    def _start_child(self, body: Dict[str, Any]) -> "Run":
        made = self._scope.post("runs/start/", {"parent": self._id, "experiment": None, **body})
        return Run(self._experiment, made["id"], _data=made)

    def submit_child(self, config: Any, tags: Optional[Dict[str, str]] = None, **kwargs: Any) -> "Run":
        """A run below this one that the portal executes."""
        from azureml._submitting import submit

        child: Run = submit(self._experiment, config, tags, kwargs.get("display_name"), parent=self._id)
        return child

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: Optional[str] = None,
        status: Optional[str] = None,
        _rehydrate_runs: bool = True,
    ) -> "Iterator[Run]":
        """The runs below it, newest first."""
        workspace = self._experiment.workspace
        if not recursive:
            yield from _listed(workspace, {"parent": self._id, "status": status}, tags, properties)
            return
        matching = {run.id for run in self.get_children(tags=tags, properties=properties, status=status)}
        for child in _listed(workspace, {"parent": self._id}, None, None):
            if child.id in matching:
                yield child
            yield from child.get_children(True, tags, properties, type, status)

    # -- its end ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A run is started when it is made."""

    def complete(self, _set_status: bool = True) -> None:
        """Ends a run that this process executes, when all that was logged is stored, and what is in its outputs folder."""
        self.flush()
        if not self._is_client_side:
            if self.get_status() not in FINAL:
                say("complete: the portal executes run {}; it completes when its script ends".format(self._id))
        elif _set_status:
            self._send_outputs()
            self._finish("Completed")

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        """Ends it as failed; of a run that the portal executes the script is ended, too."""
        self.flush()
        if not (_set_status if self._is_client_side else self.get_status() not in FINAL):
            return
        if self._is_client_side:
            self._send_outputs()
        message = "" if error_details is None else str(error_details)
        self._finish("Failed", message=message, code="" if error_code is None else str(error_code))

    def cancel(self) -> None:
        """Asks for its end."""
        if self._is_client_side:
            self.flush()
            self._finish("Canceled")
        else:
            self._data = self._scope.post(self._path + "cancel/")

    def _finish(self, status: str, **fields: str) -> None:
        from mlportal_sdk.errors import Conflict

        try:
            self._data = self._scope.post(self._path + "finish/", {"status": status, **fields})
        except Conflict as error:
            raise UserErrorException(error.message) from None

    def _send_outputs(self) -> None:
        """Azure keeps what is in ./outputs when an interactive run ends."""
        folder, self._outputs = self._outputs, None
        if folder is None or not os.path.isdir(folder):
            return
        name = os.path.basename(folder)
        for artifact, path in list(self._uploads.folder(name, folder)):
            try:
                self._uploads.add(artifact, path)
            except UserErrorException as error:
                say("{}: {}".format(artifact, error))  # uploaded by hand before, with other content

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> Dict[str, Any]:
        """Returns get_details() when the run is final and its files are stored; with `show_output` prints its log.

        Raises ActivityFailedException for a failed run unless told not to.
        """
        from azureml._waiting import wait

        return wait(self, show_output, raise_on_error)

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
        return "Run(Experiment: {},\nId: {},\nType: {},\nStatus: {})".format(
            self._experiment.name, self._id, self.type, self.get_status()
        )

    def _repr_html_(self) -> str:
        from azureml._html import table

        return table(
            {
                "Experiment": self._experiment.name,
                "Id": self._id,
                "Type": str(self.type),
                "Status": self.get_status(),
                "Details Page": self.get_portal_url(),
            }
        )


def get_run(experiment: Any, run_id: str, rehydrate: bool = True, clean_up: bool = True) -> Run:
    """The run of that id."""
    return Run(experiment, run_id)


def _listed(workspace: Any, asked: Dict[str, Any], tags: Any, properties: Any) -> Iterator[Run]:
    from azureml.core.experiment import Experiment, _pairs

    for parameter, wanted in (("tag", tags), ("property", properties)):
        found = [key if value is None else "{}={}".format(key, value) for key, value in _pairs(wanted).items()]
        if found:
            asked[parameter] = found
    for row in workspace._scope.pages("runs/", **asked):
        yield Run(Experiment(workspace, row["experiment"]), row["id"], _data=row)


def _status(data: Dict[str, Any]) -> str:
    status = str(data["status"])
    return RunStatus.CANCEL_REQUESTED if data.get("cancel_requested_at") and status not in FINAL else status


def properties_of(data: Dict[str, Any]) -> Dict[str, str]:
    """Those that were added, and Azure's name for the snapshot."""
    snapshot = {"ContentSnapshotId": data["snapshot"]} if data.get("snapshot") else {}
    return {**snapshot, **data["properties"]}


def _number(value: Any) -> Any:
    """JSON has no NaN: the API gives the names of numbers that are not finite."""
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if isinstance(value, list):
        return [_number(item) for item in value]
    if isinstance(value, dict):
        return {key: _number(item) for key, item in value.items()}
    return value


def _inside_portal() -> bool:
    return bool(os.environ.get("AZUREML_RUN_ID") and os.environ.get("MLPORTAL_RUN_DIR"))


# scripts tell the two apart by these names of the Azure ML SDK
_OfflineRun = OfflineRun
_SubmittedRun = Run
