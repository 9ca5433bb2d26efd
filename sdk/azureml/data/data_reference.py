"""`azureml.data.data_reference`: a place in the data store that a run is given the files of."""

import re
from typing import Any, Dict, Optional

from azureml._partial import Partial
from azureml._said import say
from azureml.exceptions import NotSupportedError, UserErrorException

__all__ = ["DataReference"]

_NO_UPLOAD = "is not supported here: write to ./outputs, which the portal keeps with the run"


class DataReference(Partial):
    """The argument of a run that it stands for becomes the folder with the files, as they are at the submission."""

    _instead = {"as_upload": "write to ./outputs, which the portal keeps with the run"}

    def __init__(
        self,
        datastore: Any,
        data_reference_name: Optional[str] = None,
        path_on_datastore: Optional[str] = None,
        mode: str = "mount",
        path_on_compute: Optional[str] = None,
        overwrite: bool = False,
    ) -> None:
        self.datastore = datastore
        self.path_on_datastore = path_on_datastore or ""
        self.data_reference_name = data_reference_name or _name_of(datastore.name, self.path_on_datastore)
        if mode == "upload":
            raise NotSupportedError("mode='upload' {}".format(_NO_UPLOAD))
        if mode not in ("mount", "download"):
            raise UserErrorException("mode is mount or download, not {!r}".format(mode))
        if path_on_compute:
            say("path_on_compute={!r}: not used; the run is told the folder".format(path_on_compute))
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    def path(self, path: Optional[str] = None, data_reference_name: Optional[str] = None) -> "DataReference":
        """A place below this one."""
        below = "/".join(part.strip("/") for part in (self.path_on_datastore, path or "") if part)
        return DataReference(self.datastore, data_reference_name, below, self.mode)

    def as_mount(self) -> "DataReference":
        return DataReference(self.datastore, self.data_reference_name, self.path_on_datastore, "mount")

    def as_download(self, path_on_compute: Optional[str] = None, overwrite: bool = False) -> "DataReference":
        return DataReference(
            self.datastore, self.data_reference_name, self.path_on_datastore, "download", path_on_compute, overwrite
        )

    def to_config(self) -> "DataReference":
        """What `run_config.data_references` takes."""
        return self

    def _as_run_input(self, workspace: Any, name: Optional[str]) -> Dict[str, Any]:
        from azureml.data.dataset_factory import FileDatasetFactory

        dataset = FileDatasetFactory.from_files(self)
        return {"name": name or self.data_reference_name, "dataset": dataset._uid_in(workspace), "mode": self.mode}

    def __str__(self) -> str:
        return "$AZUREML_DATAREFERENCE_{}".format(self.data_reference_name)

    def __repr__(self) -> str:
        return "DataReference({!r}, {!r}, mode={!r})".format(self.datastore.name, self.path_on_datastore, self.mode)


def _name_of(datastore: str, path: str) -> str:
    """The same for the same place, so that a run that is told it twice gets it once."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", "{}_{}".format(datastore, path) if path else datastore).strip("_")[:100]
