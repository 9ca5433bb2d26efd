"""What file datasets and tabular datasets have in common."""

import uuid
from typing import Any, Dict, List, Optional, Tuple, Union

from azureml._partial import Partial
from azureml.data._files import Given, Saved, data_of
from azureml.exceptions import UserErrorException

__all__ = ["AbstractDataset"]

_AGAIN = "register the dataset again, under another name or with create_new_version=True"


class AbstractDataset(Partial):
    """Files, and how they are read. One that was not registered becomes a dataset of the portal when a run is given it."""

    _kind = ""
    _instead = {
        "add_tags": _AGAIN,
        "remove_tags": _AGAIN,
        "update": _AGAIN,
        "archive": "use unregister_all_versions",
        "as_cache": "the files are copied into each run's folder: as_mount",
        "as_hdfs": "use as_mount or as_download",
        "partition_by": "read the files in the script, and group there",
    }

    def __init__(self, content: Any, definition: Optional[Dict[str, Any]] = None) -> None:
        self._content = content
        self._changed_definition = definition  # None: as the content has it

    @staticmethod
    def _of(content: Any) -> "AbstractDataset":
        """Of a version of the portal, or of a run's input."""
        if content.data["kind"] == "tabular":
            from azureml.data.tabular_dataset import TabularDataset

            return TabularDataset(content)
        from azureml.data.file_dataset import FileDataset

        return FileDataset(content)

    @property
    def _definition(self) -> Dict[str, Any]:
        return self._content.definition if self._changed_definition is None else dict(self._changed_definition)

    @property
    def _data(self) -> Dict[str, Any]:
        """As the portal has it; empty for one that it does not have."""
        if self._changed_definition is None and isinstance(self._content, (Saved, Given)):
            return self._content.data
        return {}

    def _files(self) -> List[Any]:
        return self._content.files()  # type: ignore[no-any-return]

    @property
    def id(self) -> Optional[str]:
        return self._data.get("uid")

    @property
    def name(self) -> Optional[str]:
        return self._data.get("name") or None

    @property
    def version(self) -> Optional[int]:
        return self._data.get("version")

    @property
    def description(self) -> str:
        return self._data.get("description") or ""

    @property
    def tags(self) -> Dict[str, str]:
        return dict(self._data.get("tags") or {})

    @property
    def partition_keys(self) -> List[str]:
        return []

    def register(
        self,
        workspace: Any,
        name: str,
        description: Optional[str] = None,
        tags: Optional[Dict[str, str]] = None,
        create_new_version: bool = False,
    ) -> Any:
        """Under a name; the registered dataset. The same content again is the version that is there.

        UserErrorException where the name has other content and create_new_version is not set.
        """
        from mlportal_sdk.errors import Conflict

        if not str(name).strip():
            raise UserErrorException("a dataset is registered under a name")
        try:
            return self._save(workspace, str(name), description or "", tags, create_new_version)
        except Conflict as error:
            if error.code != "exists":
                raise
            raise UserErrorException(
                'There is already a dataset registered under name "{}". Specify `create_new_version=True` to register '
                "the dataset as a new version.".format(name)
            ) from None

    def unregister_all_versions(self) -> None:
        """Deletes the name with all its versions. Conflict while a run that has not ended uses one."""
        from mlportal_sdk.client import join

        if not self.name:
            raise UserErrorException("the dataset is not registered")
        data_of(self._content.workspace).delete(join("datasets", self.name))
        self._content.data = {**self._content.data, "name": "", "version": None}

    def as_named_input(self, name: str) -> Any:
        """For the arguments of a ScriptRunConfig: a DatasetConsumptionConfig."""
        from azureml.data.dataset_consumption_config import DatasetConsumptionConfig

        return DatasetConsumptionConfig(name, self)

    def _as_run_input(self, workspace: Any, name: Optional[str]) -> Dict[str, Any]:
        """Without a name of its own, as an argument, it is told as its id."""
        uid = self._uid_in(workspace)
        return {"name": name or "input_{}".format(uid[-8:]), "dataset": uid, "mode": "direct"}

    def _uid_in(self, workspace: Any) -> str:
        """Its id; the portal is given it, without a name, where it does not have it."""
        if self._data and self._content.is_of(workspace):
            return str(self._data["uid"])
        return str(self._save(workspace)._data["uid"])

    def _save(
        self,
        workspace: Any,
        name: str = "",
        description: str = "",
        tags: Optional[Dict[str, str]] = None,
        create_new_version: bool = False,
    ) -> Any:
        from mlportal_sdk.blobs import entries_of
        from mlportal_sdk.errors import BadInput

        from azureml._registering import texts

        scope = data_of(workspace)
        sources = [file.source() for file in self._files()]
        body = {
            "name": name,
            "kind": self._kind,
            "description": description,
            "tags": texts(tags),
            "definition": self._definition,
            "entries": entries_of(sources),
            "create_new_version": create_new_version,
        }
        try:
            return self._of(Saved(workspace, scope.name_files("datasets/", body, sources)))
        except BadInput as error:
            raise UserErrorException(error.message) from error

    def __repr__(self) -> str:
        shown = ["{}={!r}".format(key, self._data[key]) for key in ("name", "version") if self._data.get(key)]
        return "{}({})".format(type(self).__name__, ", ".join(shown) or self._data.get("uid") or "not registered")


def split(count: int, percentage: float, seed: int) -> List[bool]:
    """Which of so many are in the first part. The same on every Python."""
    from random import Random

    numbers = Random(seed)
    return [numbers.random() < percentage for _ in range(count)]


def parts_of(percentage: float, seed: Optional[int]) -> Tuple[float, int]:
    """Both parts are to be cut at the same rows, so a seed is thrown where none is given."""
    if not 0 < percentage < 1:
        raise UserErrorException("percentage is between 0 and 1, not {!r}".format(percentage))
    return float(percentage), uuid.uuid4().int % 2**31 if seed is None else int(seed)


def count_of(count: Union[int, Any]) -> int:
    if int(count) != count or count < 0:
        raise UserErrorException("count is a whole number from 0 on, not {!r}".format(count))
    return int(count)
