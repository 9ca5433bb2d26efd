"""`azureml.core.Dataset`: the datasets of a workspace, and what makes them."""

import os
from typing import Any, Dict, Optional, Union

from azureml._partial import Partial
from azureml.data._files import NO_DATA_IN_A_RUN, Given, Saved, data_of
from azureml.data.abstract_dataset import AbstractDataset
from azureml.data.dataset_factory import FileDatasetFactory, TabularDatasetFactory
from azureml.exceptions import UserErrorException

__all__ = ["Dataset"]

_TABULAR = "use Dataset.Tabular.from_delimited_files"


class Dataset(Partial):
    """Versions under a name, that never change. Made by `Dataset.File` and `Dataset.Tabular`."""

    File = FileDatasetFactory
    Tabular = TabularDatasetFactory
    _instead = {
        "auto_read_files": _TABULAR,
        "from_binary_files": "use Dataset.File.from_files",
        "from_delimited_files": _TABULAR,
        "from_excel_files": "use Dataset.File.from_files, and pandas.read_excel in the script",
        "from_json_files": "use Dataset.File.from_files, and pandas.read_json in the script",
        "from_pandas_dataframe": "use Dataset.Tabular.register_pandas_dataframe",
        "from_parquet_files": "use Dataset.Tabular.from_parquet_files",
        "list": "use Dataset.get_all(workspace)",
    }

    class Scenario:
        """What a model used a dataset for."""

        OPEN = "open"
        TRAINING = "training"
        VALIDATION = "validation"
        INFERENCING = "inferencing"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise UserErrorException("a dataset is made by Dataset.File.from_files or Dataset.Tabular.from_delimited_files")

    @staticmethod
    def get_by_name(workspace: Any, name: str, version: Union[int, str] = "latest") -> Any:
        """A version of a name. In a run what it was given as an input. UserErrorException for one that is not there."""
        from mlportal_sdk.client import join
        from mlportal_sdk.errors import NotFound

        if workspace._is_of_this_run:
            return _given(workspace, lambda one: one["name"] == name and version in ("latest", None, one["version"]))
        latest = version in ("latest", None)
        try:
            if latest:
                found = data_of(workspace).get(join("datasets", name))["latest"]
            else:
                found = data_of(workspace).get(join("datasets", name, "versions", int(version)))
        except (NotFound, ValueError):
            raise UserErrorException(
                "there is no dataset {!r}{} in the workspace {}".format(
                    name, "" if latest else " of version {}".format(version), workspace.name
                )
            ) from None
        return AbstractDataset._of(Saved(workspace, found))

    @staticmethod
    def get_by_id(workspace: Any, id: str, **kwargs: Any) -> Any:
        """Any version, those without a name too. In a run what it was given as an input, with no network."""
        from mlportal_sdk.client import join
        from mlportal_sdk.errors import NotFound

        if workspace._is_of_this_run:
            return _given(workspace, lambda one: one["uid"] == id)
        try:
            found = data_of(workspace).get(join("datasets", "by-uid", id))
        except NotFound:
            raise UserErrorException(
                "there is no dataset {!r} in the workspace {}".format(id, workspace.name)
            ) from None
        return AbstractDataset._of(Saved(workspace, found))

    @staticmethod
    def get_all(workspace: Any) -> Dict[str, Any]:
        """The latest version of each name; their files are asked for when they are used."""
        rows = data_of(workspace).pages("datasets/")
        return {row["name"]: AbstractDataset._of(Saved(workspace, row["latest"])) for row in rows}

    @staticmethod
    def _of_input(workspace: Any, name: str, data: Dict[str, Any]) -> Any:
        """An input of the run that executes this script, as inputs.json describes it."""
        return AbstractDataset._of(Given(workspace, data))


def _given(workspace: Any, fits: Any) -> Optional[Any]:
    from azureml._own_run import _inputs

    for name, one in _inputs(os.environ["MLPORTAL_RUN_DIR"]).items():
        if fits(one):
            return Dataset._of_input(workspace, name, one)
    raise UserErrorException(NO_DATA_IN_A_RUN)
