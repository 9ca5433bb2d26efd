"""What a script tells its run: metrics and files, into the run's folder or over HTTP."""

import os
from typing import Any, Dict, List, Optional

from mlportal_sdk.recorder import Recorder
from mlportal_sdk.uploads import Uploads, copy

from azureml._partial import Partial


class RunRecords(Partial):
    """The logging half of `azureml.core.Run`.

    Values that are neither numbers nor strings raise TypeError; names that are empty, and bad upload names, ValueError.
    """

    def __init__(self, recorder: Recorder, uploads: Uploads) -> None:
        self._recorder = recorder
        self._uploads = uploads

    def log(self, name: str, value: Any, description: str = "", step: Optional[int] = None) -> None:
        """A number (of a step) or a string. The same name again makes a list of it."""
        self._recorder.log(name, value, step, description)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        """A list of numbers or strings. The same name again extends it."""
        self._recorder.log_list(name, value, description)

    def log_row(self, name: str, description: Optional[str] = None, **kwargs: Any) -> None:
        """A row of a table: `run.log_row("curve", x=1, y=2)`."""
        self._recorder.log_row(name, kwargs, description or "")

    def log_table(self, name: str, value: Dict[str, Any], description: str = "") -> None:
        """A dict of columns of equal length."""
        self._recorder.log_table(name, value, description)

    def log_image(self, name: str, path: Optional[str] = None, plot: Any = None, description: str = "") -> None:
        """An image file, or a matplotlib figure (or pyplot itself) as PNG. ValueError unless it is one of the two."""
        if (path is None) == (plot is None):
            raise ValueError("log_image needs either path or plot")
        if path is None:
            artifact = self._uploads.add_new(name, ".png", lambda file: plot.savefig(file, format="png"))
        else:
            suffix = os.path.splitext(path)[1].lower()
            artifact = self._uploads.add_new(name, suffix, lambda file: copy(path, file))
        self._recorder.record("image", name, description, path=artifact)

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        """A dict, or its JSON, with schema_type, schema_version and data as the Azure ML SDK describes them."""
        self._recorder.log_object("confusion_matrix", name, value, description)

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        """A dict, or its JSON, as for `log_confusion_matrix`."""
        self._recorder.log_object("accuracy_table", name, value, description)

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        """A dict, or its JSON, as for `log_confusion_matrix`."""
        self._recorder.log_object("predictions", name, value, description)

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        """A dict, or its JSON, as for `log_confusion_matrix`."""
        self._recorder.log_object("residuals", name, value, description)

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: Optional[str] = None) -> None:
        """Keeps a file, or what a stream holds, under a relative name, replacing what was there."""
        self._recorder.record("file", self._uploads.add(name, path_or_stream))

    def upload_files(
        self,
        names: List[str],
        paths: List[str],
        return_artifacts: bool = False,
        timeout_seconds: Optional[int] = None,
        datastore_name: Optional[str] = None,
    ) -> None:
        """Several files; ValueError unless there are as many names as paths."""
        if len(names) != len(paths):
            raise ValueError("{} names for {} paths".format(len(names), len(paths)))
        for name, path in zip(names, paths):  # noqa: B905 - strict is of Python 3.10
            self.upload_file(name, path)

    def upload_folder(self, name: str, path: str, datastore_name: Optional[str] = None) -> None:
        """Every regular file below a folder, as `name/relative path`."""
        for artifact, file_path in list(self._uploads.folder(name, path)):
            self.upload_file(artifact, file_path)
