"""`azureml.data.file_dataset`: files, as they are."""

import os
import shutil
import tempfile
import weakref
from typing import Any, Dict, List, Optional, Tuple

from azureml.data._files import place
from azureml.data.abstract_dataset import AbstractDataset, count_of, parts_of, split
from azureml.exceptions import UserErrorException

__all__ = ["FileDataset"]

_NO_FRAME = "read the files in the script, such as with pandas.read_csv; Dataset.Tabular makes tables"


class _Some:
    """Some of the files of another content, chosen anew whenever they are asked for."""

    definition: Dict[str, Any] = {}

    def __init__(self, whole: Any, choose: Any) -> None:
        self._whole, self._choose = whole, choose

    def files(self) -> List[Any]:
        found = self._choose(self._whole.files())
        if not found:
            raise UserErrorException("no file of the dataset is left")
        return found  # type: ignore[no-any-return]


class FileDataset(AbstractDataset):
    _kind = "file"
    _instead = {
        **AbstractDataset._instead,
        "to_pandas_dataframe": _NO_FRAME,
        "filter": "name the files by a pattern: Dataset.File.from_files((datastore, 'folder/**/*.csv'))",
        "file_metadata": "use to_path, and os.stat of what download gives",
        "hydrate": "use download",
    }

    def to_path(self) -> List[str]:
        """The path of each file in the dataset, with a slash before it."""
        return ["/" + file.path for file in self._files()]

    def download(
        self, target_path: Optional[str] = None, overwrite: bool = False, ignore_not_found: bool = False
    ) -> List[str]:
        """The paths on this machine; without a target in a new folder. UserErrorException for a file that is there."""
        folder = target_path or tempfile.mkdtemp(prefix="mlportal-data-")
        files = [(file, place(os.path.abspath(folder), file.path)) for file in self._files()]
        there = [target for _, target in files if os.path.exists(target)]
        if there and not overwrite:
            raise UserErrorException("{} is there already: overwrite=True replaces it".format(there[0]))
        return [file.bring(target) for file, target in files]

    def mount(self, mount_point: Optional[str] = None, **kwargs: Any) -> "MountContext":
        """A folder with the files from `start()` to `stop()`, or within a with-block: a copy of them."""
        return MountContext(self, mount_point)

    def as_mount(self, path_on_compute: Optional[str] = None) -> Any:
        """For the arguments of a ScriptRunConfig, which become the folder with the files."""
        return self._named().as_mount(path_on_compute)

    def as_download(self, path_on_compute: Optional[str] = None) -> Any:
        return self._named().as_download(path_on_compute)

    def _named(self) -> Any:
        return self.as_named_input("input_{}".format(os.urandom(4).hex()))

    def take(self, count: int) -> "FileDataset":
        """The first files, by path."""
        count = count_of(count)
        return FileDataset(_Some(self._content, lambda files: files[:count]))

    def skip(self, count: int) -> "FileDataset":
        count = count_of(count)
        return FileDataset(_Some(self._content, lambda files: files[count:]))

    def random_split(self, percentage: float, seed: Optional[int] = None) -> "Tuple[FileDataset, FileDataset]":
        """About so many of the files, and the others."""
        share, seed = parts_of(percentage, seed)

        def part(first: bool) -> FileDataset:
            def choose(files: List[Any]) -> List[Any]:
                chosen = split(len(files), share, seed)
                return [file for at, file in enumerate(files) if chosen[at] == first]

            return FileDataset(_Some(self._content, choose))

        return part(True), part(False)


class MountContext:
    def __init__(self, dataset: FileDataset, mount_point: Optional[str]) -> None:
        self._dataset = dataset
        self._remove: Any = None
        if mount_point:
            self.mount_point = os.path.abspath(mount_point)
        else:
            self.mount_point = tempfile.mkdtemp(prefix="mlportal-data-")
            self._remove = weakref.finalize(self, shutil.rmtree, self.mount_point, True)

    def start(self) -> None:
        self._dataset.download(self.mount_point, overwrite=True)

    def stop(self) -> None:
        """Removes the copy; one in a folder that the caller named stays."""
        if self._remove is not None:
            shutil.rmtree(self.mount_point, True)

    def __enter__(self) -> "MountContext":
        self.start()
        return self

    def __exit__(self, *args: Any) -> None:
        self.stop()
