"""The run of a script that is started outside of the portal: it prints what it is asked to log."""

from types import TracebackType
from typing import Any, Dict, List, Optional, Type

from azureml._partial import Partial


class OfflineRun(Partial):
    """Prints what it is given. What only a portal can answer is an AttributeError, as in the Azure ML SDK."""

    _instead = dict.fromkeys(
        "get_metrics get_details get_status get_tags get_properties get_file_names download_file register_model "
        "experiment parent input_datasets create_children wait_for_completion start number status name display_name "
        "get_environment get_secret tags properties".split(),
        "this is an offline run; submit the script to the portal",
    )

    def __init__(self, run_id: Optional[str] = None) -> None:
        import uuid  # slow to import, and of no use inside of the portal

        self._run_id = run_id or "OfflineRun_{}".format(uuid.uuid4())

    @property
    def id(self) -> str:
        """OfflineRun_ and a UUID: another one for each `Run.get_context()`."""
        return self._run_id

    def log(self, name: str, value: Any, description: str = "", step: Optional[int] = None) -> None:
        _print_metric("scalar", name, value)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        _print_metric("list", name, value)

    def log_row(self, name: str, description: Optional[str] = None, **kwargs: Any) -> None:
        _print_metric("row", name, kwargs)

    def log_table(self, name: str, value: Dict[str, Any], description: str = "") -> None:
        _print_metric("table", name, value)

    def log_image(self, name: str, path: Optional[str] = None, plot: Any = None, description: str = "") -> None:
        _print_metric("image", name, path if path is not None else plot)

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        _print_metric("confusion_matrix", name, value)

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        _print_metric("accuracy_table", name, value)

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        _print_metric("predictions", name, value)

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        _print_metric("residual", name, value)

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: Optional[str] = None) -> None:
        print("Attempted to track file {} at {}".format(name, path_or_stream))

    def upload_files(
        self,
        names: List[str],
        paths: List[str],
        return_artifacts: bool = False,
        timeout_seconds: Optional[int] = None,
        datastore_name: Optional[str] = None,
    ) -> None:
        print("Attempted to track files {} at {} with timeout {}s".format(names, paths, timeout_seconds))

    def upload_folder(self, name: str, path: str, datastore_name: Optional[str] = None) -> None:
        print("Attempted to track folder {} at {}".format(name, path))

    def tag(self, key: str, value: Any = None) -> None:
        print("Attempted to add tag {} with value {}".format(key, value))

    def set_tags(self, tags: Dict[str, Any]) -> None:
        print("Attempted to set tags {}".format(tags))

    def remove_tags(self, tags: List[str]) -> None:
        print("Attempted to remove tags {}".format(tags))

    def add_properties(self, properties: Dict[str, Any]) -> None:
        print("Attempted to add properties {}".format(properties))

    def flush(self, timeout_seconds: int = 300) -> None:
        print("Attempted to flush run with id {}".format(self._run_id))

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        print("Run failed with error code {}:\n{}".format(error_code, error_details))

    def complete(self, _set_status: bool = True) -> None:
        """Silent."""

    def cancel(self) -> None:
        """Silent."""

    def child_run(self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Any = None) -> "OfflineRun":
        return OfflineRun(run_id)

    def __enter__(self) -> "OfflineRun":
        print("[START] Run {} context".format(self._run_id))
        return self

    def __exit__(
        self,
        exit_type: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        print("[STOP] Run {} context".format(self._run_id))


def _print_metric(kind: str, name: str, value: Any) -> None:
    print("Attempted to log {} metric {}:\n{}".format(kind, name, value))
