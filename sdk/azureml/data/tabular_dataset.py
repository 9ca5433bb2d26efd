"""`azureml.data.tabular_dataset`: files that are read as a table, and what is done to its rows and columns."""

import os
import tempfile
from typing import Any, Dict, List, Optional, Tuple, Union

from azureml.data.abstract_dataset import AbstractDataset, count_of, parts_of
from azureml.exceptions import NotSupportedError, UserErrorException

__all__ = ["TabularDataset"]

_BY_SCRIPT = "give it to the run by as_named_input(name), and read run.input_datasets[name].to_pandas_dataframe()"


class TabularDataset(AbstractDataset):
    """The steps are noted, and gone through each time that it is read."""

    _kind = "tabular"
    _instead = {
        **AbstractDataset._instead,
        "as_mount": _BY_SCRIPT,
        "as_download": _BY_SCRIPT,
        "download": "use to_pandas_dataframe, or Dataset.File for the files as they are",
        "filter": "choose the rows of to_pandas_dataframe()",
        "append": "use pandas.concat, or make the dataset of all the files",
        "get_profile": "use to_pandas_dataframe().describe()",
        "submit_profile_run": "use to_pandas_dataframe().describe()",
        "to_dask_dataframe": "use to_pandas_dataframe",
        "to_spark_dataframe": "use to_pandas_dataframe",
    }

    def to_pandas_dataframe(self, on_error: str = "null", out_of_range_datetime: str = "null") -> Any:
        """The table. `on_error="fail"`: a value that is not of its column's set type is an error, and else missing."""
        from azureml.data._frames import frame_of

        for value in (on_error, out_of_range_datetime):
            if value not in ("null", "fail"):
                raise UserErrorException("on_error is null or fail, not {!r}".format(value))
        with tempfile.TemporaryDirectory(prefix="mlportal-data-") as folder:
            files = [(file.path, file.here(folder)) for file in self._files()]
            return frame_of(files, self._definition, "fail" in (on_error, out_of_range_datetime))

    def take(self, count: int) -> "TabularDataset":
        return self._and({"step": "take", "count": count_of(count)})

    def skip(self, count: int) -> "TabularDataset":
        return self._and({"step": "skip", "count": count_of(count)})

    def keep_columns(self, columns: Union[str, List[str]], validate: bool = False) -> "TabularDataset":
        return self._and({"step": "keep", "columns": _names(columns)})

    def drop_columns(self, columns: Union[str, List[str]]) -> "TabularDataset":
        return self._and({"step": "drop", "columns": _names(columns)})

    def random_split(self, percentage: float, seed: Optional[int] = None) -> "Tuple[TabularDataset, TabularDataset]":
        """About so many of the rows, and the others."""
        share, seed = parts_of(percentage, seed)
        step = {"step": "split", "percentage": share, "seed": seed}
        return self._and({**step, "first": True}), self._and({**step, "first": False})

    def with_timestamp_columns(
        self,
        timestamp: Optional[str] = None,
        partition_timestamp: Optional[str] = None,
        validate: bool = False,
        **kwargs: Any,
    ) -> "TabularDataset":
        """The column that `time_before` and its like go by."""
        timestamp = timestamp or kwargs.get("fine_grain_timestamp")
        partition_timestamp = partition_timestamp or kwargs.get("coarse_grain_timestamp")
        definition = {**self._definition, "timestamp": timestamp, "partition_timestamp": partition_timestamp}
        return TabularDataset(self._content, definition)

    @property
    def timestamp_columns(self) -> Tuple[Optional[str], Optional[str]]:
        definition = self._definition
        return definition.get("timestamp"), definition.get("partition_timestamp")

    def time_before(self, end_time: Any, include_boundary: bool = True, validate: bool = True) -> "TabularDataset":
        return self._within(None, end_time, include_boundary)

    def time_after(self, start_time: Any, include_boundary: bool = True, validate: bool = True) -> "TabularDataset":
        return self._within(start_time, None, include_boundary)

    def time_between(
        self, start_time: Any, end_time: Any, include_boundary: bool = True, validate: bool = True
    ) -> "TabularDataset":
        return self._within(start_time, end_time, include_boundary)

    def time_recent(self, time_delta: Any, include_boundary: bool = True, validate: bool = True) -> "TabularDataset":
        """The rows since so long before now."""
        from datetime import datetime

        return self._within(datetime.utcnow() - time_delta, None, include_boundary)

    def to_csv_files(self, separator: str = ",") -> Any:
        """A FileDataset with the table as one CSV file."""
        return self._written("part-00000.csv", lambda frame, path: frame.to_csv(path, sep=separator, index=False))

    def to_parquet_files(self) -> Any:
        """A FileDataset with the table as one parquet file; pyarrow writes it."""
        from azureml.data._frames import write_parquet

        return self._written("part-00000.parquet", write_parquet)

    def _written(self, name: str, write: Any) -> Any:
        from azureml.data._paths import Paths
        from azureml.data.file_dataset import FileDataset

        folder = tempfile.TemporaryDirectory(prefix="mlportal-data-")
        write(self.to_pandas_dataframe(), os.path.join(folder.name, name))
        return FileDataset(Paths(os.path.join(folder.name, name), kept=folder))

    def _within(self, start: Any, end: Any, boundary: bool) -> "TabularDataset":
        column = self.timestamp_columns[0] or self.timestamp_columns[1]
        if not column:
            raise UserErrorException("name the column of the time first: with_timestamp_columns('column')")
        times = {"after": _iso(start), "before": _iso(end)}
        return self._and({"step": "time", "column": column, "boundary": bool(boundary), **times})

    def _and(self, step: Dict[str, Any]) -> "TabularDataset":
        definition = self._definition
        return TabularDataset(self._content, {**definition, "steps": [*definition.get("steps", ()), step]})

    def __getitem__(self, key: Any) -> Any:
        raise NotSupportedError(
            "TabularDataset[{!r}] is not supported here: choose rows and columns of to_pandas_dataframe()".format(key)
        )


def _names(columns: Union[str, List[str]]) -> List[str]:
    return [columns] if isinstance(columns, str) else [str(column) for column in columns]


def _iso(time: Any) -> Optional[str]:
    if time is None or isinstance(time, str):
        return time
    return str(time.isoformat())
