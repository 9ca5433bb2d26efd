"""The files of a dataset: on this machine, at the portal or on the web, each under its path in the dataset."""

import os
import shutil
import tempfile
from typing import Any, BinaryIO, Dict, List, Optional

from mlportal_sdk.uploads import artifact_name

from azureml.exceptions import UserErrorException

NO_DATA_IN_A_RUN = (
    "a run's token opens no data of the workspace: give the run the dataset as an input, with "
    "arguments=[dataset.as_named_input('name').as_mount()], and ask for it by run.input_datasets['name']"
)


def data_of(workspace: Any) -> Any:
    """The API of a workspace whose data the caller may open. UserErrorException in a run."""
    if workspace._is_of_this_run:
        raise UserErrorException(NO_DATA_IN_A_RUN)
    return workspace._scope


def place(folder: str, path: str) -> str:
    """Where a file of a dataset goes below a folder; never out of it, whatever the path says."""
    return os.path.join(folder, *artifact_name(path).split("/"))


class LocalFile:
    """`location` is on this machine."""

    def __init__(self, path: str, location: str) -> None:
        self.path = path
        self._location = location

    @property
    def location(self) -> str:
        return self._location

    def source(self) -> Any:
        """What the client uploads where the portal lacks it."""
        from mlportal_sdk.blobs import of_file

        return of_file(self.location, self.path)

    def bring(self, target: str) -> str:
        os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
        shutil.copyfile(self.location, target)
        return target

    def here(self, folder: str) -> str:
        """Its path on this machine; `folder` is for those that have to be fetched."""
        return self.location


class WebFile(LocalFile):
    """Fetched by this client when its bytes are first needed, and kept as long as the object."""

    def __init__(self, path: str, url: str) -> None:
        super().__init__(path, "")
        self.url = url
        self._folder: Optional[Any] = None

    @property
    def location(self) -> str:
        if self._folder is None:
            from azureml.data._web import fetch

            folder = tempfile.TemporaryDirectory(prefix="mlportal-web-")
            fetch(self.url, place(folder.name, self.path))
            self._folder = folder
        return place(self._folder.name, self.path)


class PortalFile:
    """Its digest is known, so its bytes travel only where they are read."""

    def __init__(self, path: str, row: Dict[str, Any], scope: Any, address: str) -> None:
        self.path = path
        self.stored_path, self.size, self.sha256 = row["path"], row["size"], row["sha256"]
        self._scope, self._address = scope, address
        self._folder: Optional[Any] = None

    def source(self) -> Any:
        from mlportal_sdk.blobs import Source

        return Source(self.path, self.sha256, self.size, self._open)

    def bring(self, target: str) -> str:
        self._scope.download(self._address, target, size=self.size, sha256=self.sha256, path=self.stored_path)
        return target

    def here(self, folder: str) -> str:
        return self.bring(place(folder, self.path))

    def _open(self) -> BinaryIO:
        """Asked for when another workspace is given the file."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mlportal-data-")
        return open(self.here(self._folder.name), "rb")


class Saved:
    """A version that the portal has; its files and definition are fetched when they are needed."""

    def __init__(self, workspace: Any, data: Dict[str, Any]) -> None:
        self.workspace, self.data = workspace, data

    @property
    def definition(self) -> Dict[str, Any]:
        return dict(self._whole()["definition"])

    def files(self) -> List[Any]:
        from mlportal_sdk.client import join

        address = join("datasets", "by-uid", self.data["uid"]) + "files/content/"
        scope = data_of(self.workspace)
        return [PortalFile(row["path"], row, scope, address) for row in self._whole()["files"]]

    def is_of(self, workspace: Any) -> bool:
        mine = self.workspace
        return bool(mine.name == workspace.name and mine._scope.url == workspace._scope.url)

    def _whole(self) -> Dict[str, Any]:
        if "files" not in self.data:
            from mlportal_sdk.client import join

            self.data = data_of(self.workspace).get(join("datasets", "by-uid", self.data["uid"]))
        return self.data


class Given:
    """What the run that executes this script was given, as its inputs.json says; nothing is asked of the portal."""

    def __init__(self, workspace: Any, data: Dict[str, Any]) -> None:
        self.workspace, self.data = workspace, data
        self.definition: Dict[str, Any] = dict(data["definition"])

    def files(self) -> List[Any]:
        rows, path = self.data["files"], self.data["path"]
        folder = path[: -len(rows[0]["path"])] if len(rows) == 1 else path  # of one file it is the file's path
        return [LocalFile(row["path"], place(folder, row["path"])) for row in rows]

    def is_of(self, workspace: Any) -> bool:
        return bool(workspace._is_of_this_run)
