"""`azureml.data.dataset_consumption_config`: a dataset as an input of a run."""

import re
from typing import Any, Dict, Optional

from azureml._partial import Partial
from azureml._said import say
from azureml.exceptions import UserErrorException

__all__ = ["DatasetConsumptionConfig"]

_MODES = ("direct", "mount", "download")


class DatasetConsumptionConfig(Partial):
    """How a run asks for a dataset: by its name, as files in a folder (mount, download) or as the dataset itself (direct)."""

    _instead = {"as_hdfs": "use as_mount or as_download"}

    def __init__(self, name: str, dataset: Any, mode: str = "direct", path_on_compute: Optional[str] = None) -> None:
        if not re.match(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z", str(name)):
            raise UserErrorException(
                "{!r} cannot name an input: at most 100 letters, digits or underscores, the first no digit".format(name)
            )
        if not hasattr(dataset, "_uid_in"):
            raise UserErrorException(
                "an input is a dataset, such as of Dataset.File.from_files or Dataset.get_by_name, not {!r}".format(
                    dataset
                )
            )
        if mode not in _MODES:
            raise UserErrorException("mode is one of {}, not {!r}".format(", ".join(_MODES), mode))
        if mode != "direct" and dataset._kind != "file":
            raise UserErrorException(
                "a tabular dataset is read by the script (direct); for files in a folder make it by Dataset.File.from_files"
            )
        if path_on_compute:
            say("path_on_compute={!r}: not used; the run is told the folder".format(path_on_compute))
        self.name = name
        self.dataset = dataset
        self.mode = mode
        self.path_on_compute = path_on_compute

    def as_mount(self, path_on_compute: Optional[str] = None) -> "DatasetConsumptionConfig":
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)

    def as_download(self, path_on_compute: Optional[str] = None) -> "DatasetConsumptionConfig":
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    def _as_run_input(self, workspace: Any, name: Optional[str]) -> Dict[str, Any]:
        return {"name": name or self.name, "dataset": self.dataset._uid_in(workspace), "mode": self.mode}

    def __repr__(self) -> str:
        return "DatasetConsumptionConfig({!r}, {!r}, mode={!r})".format(self.name, self.dataset, self.mode)
