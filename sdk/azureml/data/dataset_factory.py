"""`azureml.data.dataset_factory`: `Dataset.File` and `Dataset.Tabular`."""

import os
import tempfile
import uuid
from typing import Any, Dict, List, Optional, Union

from azureml._partial import Partial
from azureml.data._paths import Paths
from azureml.data.dataset_type_definitions import FileEncoding, PromoteHeadersBehavior
from azureml.data.file_dataset import FileDataset
from azureml.data.tabular_dataset import TabularDataset
from azureml.exceptions import NotSupportedError, UserErrorException

__all__ = ["DataType", "FileDatasetFactory", "TabularDatasetFactory"]

_FROM_SQL = "query the database with pandas, and Dataset.Tabular.register_pandas_dataframe what it gives"


class DataType(Partial):
    """A type that a column is given by `set_column_types`."""

    _instead = {"to_stream": "use to_string"}

    def __init__(self, kind: str, formats: Optional[List[str]] = None) -> None:
        self._kind = {"type": kind, "formats": formats} if formats else {"type": kind}

    @staticmethod
    def to_string() -> "DataType":
        return DataType("string")

    @staticmethod
    def to_long() -> "DataType":
        return DataType("long")

    @staticmethod
    def to_float(decimal_mark: str = ".") -> "DataType":
        if decimal_mark != ".":
            raise NotSupportedError("decimal_mark is not supported here: replace it in to_pandas_dataframe()")
        return DataType("float")

    @staticmethod
    def to_bool() -> "DataType":
        return DataType("bool")

    @staticmethod
    def to_datetime(formats: Union[str, List[str], None] = None) -> "DataType":
        """Formats as strftime writes them; the first that fits a value counts."""
        return DataType("datetime", [formats] if isinstance(formats, str) else formats)


class FileDatasetFactory(Partial):
    _shown_as = "Dataset.File"

    @staticmethod
    def from_files(
        path: Any, validate: bool = True, partition_format: Optional[str] = None, is_file: bool = False
    ) -> FileDataset:
        """Of a file, folder or pattern of this machine, of (datastore, pattern), a DataPath, or an address of the web.

        Also of a list of these. UserErrorException where there is no such file.
        """
        _no_partitions(partition_format)
        return FileDataset(_looked_up(path, validate))

    @staticmethod
    def upload_directory(
        src_dir: str,
        target: Any,
        pattern: Optional[str] = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> FileDataset:
        """Brings a folder into the data store; the dataset of what is there under `target` then."""
        store, path = _target(target)
        names = None
        if pattern:
            from azureml.data._paths import matching

            names = matching(os.path.normpath(pattern).replace(os.sep, "/"))
        store._upload_folder(src_dir, path, overwrite, show_progress, names)
        return FileDatasetFactory.from_files((store, path))


class TabularDatasetFactory(Partial):
    _shown_as = "Dataset.Tabular"
    _instead = {
        "from_json_lines_files": "use Dataset.File, and pandas.read_json(path, lines=True) in the script",
        "from_sql_query": _FROM_SQL,
        "register_dask_dataframe": "use register_pandas_dataframe",
        "register_spark_dataframe": "use register_pandas_dataframe",
    }

    @staticmethod
    def from_delimited_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        infer_column_types: bool = True,
        set_column_types: Optional[Dict[str, DataType]] = None,
        separator: str = ",",
        header: Any = True,
        partition_format: Optional[str] = None,
        support_multi_line: bool = False,
        empty_as_string: bool = False,
        encoding: str = "utf8",
    ) -> TabularDataset:
        """A table in files; paths as those of `Dataset.File.from_files`. It is read by pandas.read_csv."""
        _no_partitions(partition_format)
        if not isinstance(separator, str) or not separator:
            raise UserErrorException("separator is a text, not {!r}".format(separator))
        if encoding not in {value for name, value in vars(FileEncoding).items() if name.isupper()}:
            raise UserErrorException("encoding {!r} is none of azureml.data.FileEncoding".format(encoding))
        definition = {
            "format": "delimited",
            "separator": separator,
            "header": _header(header),
            "encoding": encoding,
            "infer": bool(infer_column_types),
            "types": _types(set_column_types),
            "empty_as_string": bool(empty_as_string),
            "include_path": bool(include_path),
        }
        return TabularDataset(_looked_up(path, validate), definition)

    @staticmethod
    def from_parquet_files(
        path: Any,
        validate: bool = True,
        include_path: bool = False,
        set_column_types: Optional[Dict[str, DataType]] = None,
        partition_format: Optional[str] = None,
    ) -> TabularDataset:
        """A table in parquet files; pyarrow reads it."""
        _no_partitions(partition_format)
        definition = {"format": "parquet", "types": _types(set_column_types), "include_path": bool(include_path)}
        return TabularDataset(_looked_up(path, validate), definition)

    @staticmethod
    def register_pandas_dataframe(
        dataframe: Any,
        target: Any,
        name: str,
        description: Optional[str] = None,
        tags: Optional[Dict[str, str]] = None,
        show_progress: bool = True,
        row_group_size: Optional[int] = None,
        make_target_path_unique: bool = True,
    ) -> TabularDataset:
        """Writes a frame into the data store, as parquet where there is pyarrow, else as CSV, and registers it.

        Its index is left out. The name gets a new version where it has other content.
        """
        store, path = _target(target)
        below = "/".join(part for part in (path, str(uuid.uuid4()) if make_target_path_unique else "") if part)
        with tempfile.TemporaryDirectory(prefix="mlportal-data-") as folder:
            file_name, definition = _write(dataframe, folder)
            store._upload([(file_name, os.path.join(folder, file_name))], below, True, show_progress)
        stored = "/".join(part for part in (below, file_name) if part)
        dataset = TabularDataset(Paths((store, stored)), definition)
        found: TabularDataset = dataset.register(store.workspace, name, description, tags, create_new_version=True)
        return found


def _write(dataframe: Any, folder: str) -> Any:
    """The file's name, and the definition by which it is read again."""
    if not hasattr(dataframe, "to_parquet"):
        raise UserErrorException("register_pandas_dataframe takes a pandas frame, not {!r}".format(type(dataframe)))
    try:
        dataframe.to_parquet(os.path.join(folder, "data.parquet"), index=False)
        return "data.parquet", {"format": "parquet"}
    except ImportError:
        dataframe.to_csv(os.path.join(folder, "data.csv"), index=False)
    types = {}
    for column in dataframe.columns:
        if dataframe[column].dtype.kind in "OUT":
            types[str(column)] = {"type": "string"}
        elif dataframe[column].dtype.kind == "M":
            types[str(column)] = {"type": "datetime"}
    return "data.csv", {"format": "delimited", "types": types}


def _looked_up(path: Any, validate: bool) -> Paths:
    paths = Paths(path)
    if validate in (True, None):
        paths.check()
    return paths


def _target(target: Any) -> Any:
    """The datastore and the path of a Datastore, a DataPath, or (datastore, 'path')."""
    if hasattr(target, "path_on_datastore"):
        target = (target.datastore, target.path_on_datastore)
    store, path = target if isinstance(target, tuple) and len(target) == 2 else (target, "")
    if not hasattr(store, "_files_below"):
        raise UserErrorException("target is a datastore or (datastore, 'path'), not {!r}".format(target))
    return store, str(path or "").strip("/")


def _header(header: Any) -> int:
    if header is True:
        return PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS
    if header is False:
        return PromoteHeadersBehavior.NO_HEADERS
    if header in (0, 1, 2, 3):
        return int(header)
    raise UserErrorException("header is True, False or one of PromoteHeadersBehavior, not {!r}".format(header))


def _types(types: Optional[Dict[str, DataType]]) -> Dict[str, Any]:
    for column, wish in (types or {}).items():
        if not isinstance(wish, DataType):
            raise UserErrorException("the type of {!r} is one of azureml.data.DataType, not {!r}".format(column, wish))
    return {str(column): wish._kind for column, wish in (types or {}).items()}


def _no_partitions(partition_format: Optional[str]) -> None:
    if partition_format:
        raise NotSupportedError(
            "partition_format is not supported here: include_path=True gives the column Path, whose parts pandas can "
            "extract"
        )
