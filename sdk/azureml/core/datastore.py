"""`azureml.core.Datastore`: the files that a workspace keeps, by path."""

import os
from typing import Any, Dict, List, Optional, Tuple

from azureml._partial import Partial
from azureml._said import say
from azureml.exceptions import UserErrorException

__all__ = ["Datastore"]

NAME = "workspaceblobstore"
_SAME = ("workspacefilestore", "workspaceworkingdirectory", "workspaceartifactstore")
_BATCH = 5000  # files named in one request
_OWN = "a workspace has one datastore, which the portal keeps: bring the files there with datastore.upload_files"
_NO_ACCOUNT = "the portal keeps the files itself"
_REGISTERING = (
    "azure_blob_container azure_data_lake azure_data_lake_gen2 azure_file_share azure_my_sql azure_postgre_sql "
    "azure_sql_database dbfs hdfs onprem_hdfs"
)


class Datastore(Partial):
    """The workspace's only one."""

    _instead = {
        **{"register_" + kind: _OWN for kind in _REGISTERING.split()},
        "account_key": _NO_ACCOUNT,
        "blob_service": _NO_ACCOUNT,
        "as_upload": "write to ./outputs in the script, which the portal keeps with the run",
        "unregister": "a workspace has one datastore, which stays",
    }

    datastore_type = "AzureBlob"
    account_name = "mlportal"  # notebooks print it
    is_default = True

    def __init__(self, workspace: Any, name: Optional[str] = None) -> None:
        if name in _SAME:
            say("datastore {!r}: a workspace has one, {}".format(name, NAME))
        elif name not in (None, NAME):
            raise UserErrorException("there is no datastore {!r}: {}".format(name, _OWN))
        self.workspace = workspace
        self.name = NAME
        self.container_name: str = workspace.name

    @staticmethod
    def get(workspace: Any, datastore_name: str) -> "Datastore":
        return Datastore(workspace, datastore_name)

    @staticmethod
    def get_default(workspace: Any) -> "Datastore":
        return Datastore(workspace)

    def set_as_default(self) -> None:
        """It is."""

    # -- places in it ----------------------------------------------------------------------------------------------

    def path(self, path: Optional[str] = None, data_reference_name: Optional[str] = None) -> Any:
        """A place, for `from_files`, or with as_mount() as an argument of a run."""
        from azureml.data.data_reference import DataReference

        return DataReference(self, data_reference_name, path)

    def as_mount(self) -> Any:
        return self.path().as_mount()

    def as_download(self, path_on_compute: Optional[str] = None) -> Any:
        return self.path().as_download(path_on_compute)

    # -- files -----------------------------------------------------------------------------------------------------

    def upload(
        self, src_dir: str, target_path: Optional[str] = None, overwrite: bool = False, show_progress: bool = True
    ) -> Any:
        """Every file of a folder; only bytes that the portal lacks are sent. What is there stays without `overwrite`."""
        self._upload_folder(src_dir, target_path or "", overwrite, show_progress, None)
        return self.path(target_path)

    def upload_files(
        self,
        files: List[str],
        relative_root: Optional[str] = None,
        target_path: Optional[str] = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> Any:
        """Files by their own names, or with `relative_root` by their paths below it."""
        pairs: Dict[str, str] = {}
        for file in [files] if isinstance(files, str) else files:
            if not os.path.isfile(file):
                raise UserErrorException("there is no file {}".format(os.path.abspath(file)))
            name = os.path.relpath(file, relative_root) if relative_root else os.path.basename(file)
            name = name.replace(os.sep, "/")
            if name.startswith("../"):
                raise UserErrorException("{} is not below the relative_root {}".format(file, relative_root))
            if pairs.setdefault(name, file) != file:
                raise UserErrorException(
                    "two of the files would be {!r} in the data store: give their relative_root".format(name)
                )
        self._upload(list(pairs.items()), target_path or "", overwrite, show_progress)
        return self.path(target_path)

    def download(
        self, target_path: str, prefix: Optional[str] = None, overwrite: bool = False, show_progress: bool = True
    ) -> int:
        """The files whose path begins so, below a folder of this machine; how many were fetched."""
        from azureml.data._files import PortalFile, place

        count = 0
        for row in self._files_below(prefix or ""):
            target = place(target_path, row["path"])
            if os.path.exists(target) and not overwrite:
                _tell(show_progress, "{} is there already, and is left as it is".format(target))
                continue
            _tell(show_progress, "Downloading {}".format(row["path"]))
            PortalFile(row["path"], row, self._scope, "data/files/content/").bring(target)
            count += 1
        _tell(show_progress, "Downloaded {} files".format(count))
        return count

    @property
    def _scope(self) -> Any:
        from azureml.data._files import data_of

        return data_of(self.workspace)

    def _files_below(self, prefix: str) -> List[Dict[str, Any]]:
        """Rows of the files whose path begins so."""
        return list(self._scope.pages("data/files/", prefix=prefix))

    def _upload_folder(self, folder: str, target: str, overwrite: bool, show_progress: bool, names: Any) -> None:
        """`names` is a pattern of those that are wanted, by their paths in the folder."""
        from azureml.data._paths import files_below

        if not os.path.isdir(folder):
            raise UserErrorException("there is no folder {}".format(os.path.abspath(folder)))
        found = [(os.path.relpath(path, folder).replace(os.sep, "/"), path) for path in files_below(folder)]
        found = [(name, path) for name, path in found if names is None or names.match(name)]
        if not found:
            raise UserErrorException("there is no such file in {}".format(os.path.abspath(folder)))
        self._upload(found, target, overwrite, show_progress)

    def _upload(self, files: List[Tuple[str, str]], target: str, overwrite: bool, show_progress: bool) -> None:
        """`files`: (name below the target, path on this machine)."""
        from mlportal_sdk.blobs import entries_of, of_file
        from mlportal_sdk.errors import BadInput

        scope, folder = self._scope, [part for part in target.replace("\\", "/").split("/") if part not in ("", ".")]
        _tell(show_progress, "Uploading an estimated of {} files".format(len(files)))
        count = 0
        for begin in range(0, len(files), _BATCH):
            sources = [of_file(path, "/".join(folder + [name])) for name, path in files[begin : begin + _BATCH]]
            body = {"entries": entries_of(sources), "overwrite": bool(overwrite)}
            try:
                added = scope.name_files("data/files/", body, sources)
            except BadInput as error:
                raise UserErrorException(error.message) from error
            count += len(added["files"])
            for path in added["skipped"]:
                _tell(show_progress, "Target already exists. Skipping upload for {}".format(path))
        _tell(show_progress, "Uploaded {} files".format(count))

    def __repr__(self) -> str:
        return "Datastore(name={!r}, workspace={!r})".format(self.name, self.workspace.name)


def _tell(show_progress: bool, text: str) -> None:
    if show_progress:
        print(text)
