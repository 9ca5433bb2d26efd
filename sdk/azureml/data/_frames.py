"""Files become a pandas frame, by a dataset's definition:

{"format": "delimited" | "parquet", "separator", "header", "encoding", "infer": bool, "types": {column: {"type", "formats"}},
 "empty_as_string": bool, "include_path": bool, "steps": [{"step": …}], "timestamp", "partition_timestamp"}
"""

import csv
import re
from typing import Any, Dict, List, Tuple

from azureml.data.abstract_dataset import split
from azureml.data.dataset_type_definitions import PromoteHeadersBehavior
from azureml.exceptions import UserErrorException

PATH = "Path"  # Azure's name of the column that include_path adds
_CODECS = {"utf8": "utf-8", "utf8bom": "utf-8-sig", "iso88591": "iso-8859-1", "windows1252": "cp1252"}
_ISO = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?\Z"
_WORDS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def frame_of(files: List[Tuple[str, str]], definition: Dict[str, Any], strict: bool) -> Any:
    """`files`: (path in the dataset, path on this machine)."""
    pandas = import_pandas()
    kind = definition.get("format") or (
        "parquet" if all(path.endswith(".parquet") for path, _ in files) else "delimited"
    )
    if kind == "delimited":
        frames = _delimited(pandas, [location for _, location in files], definition)
    elif kind == "parquet":
        frames = [_parquet(pandas, location) for _, location in files]
    else:
        raise UserErrorException(
            "this client cannot read a dataset of the format {!r}: install the portal's own version of it".format(kind)
        )
    if definition.get("include_path"):
        for (path, _), frame in zip(files, frames):  # noqa: B905
            frame.insert(0, PATH, "/" + path)
    frame = pandas.concat(frames, ignore_index=True, sort=False) if len(frames) > 1 else frames[0]
    if kind == "delimited":
        _infer(pandas, frame, definition)
    for column, wish in (definition.get("types") or {}).items():
        _require(frame, [column])
        frame[column] = _converted(pandas, frame[column], column, wish, strict)
    for step in definition.get("steps") or ():
        frame = _STEPS[step["step"]](pandas, frame, step).reset_index(drop=True)
    return frame


def import_pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise UserErrorException(
            "a table needs pandas, and this Python lacks it ({}): pip install pandas, or for a run add pandas to its "
            "environment".format(error)
        ) from error
    return pandas


def write_parquet(frame: Any, path: str) -> None:
    try:
        frame.to_parquet(path)
    except ImportError as error:
        raise _no_pyarrow() from error


def _no_pyarrow() -> UserErrorException:
    return UserErrorException(
        "parquet files need pyarrow, and this Python lacks it: pip install pyarrow, or for a run add pyarrow to its "
        "environment"
    )


def _parquet(pandas: Any, location: str) -> Any:
    try:
        return pandas.read_parquet(location)
    except ImportError as error:
        raise _no_pyarrow() from error
    except Exception as error:  # pyarrow's own, which are not to be imported
        raise UserErrorException("{} cannot be read as parquet: {}".format(location, error)) from error


def _delimited(pandas: Any, locations: List[str], definition: Dict[str, Any]) -> List[Any]:
    header = definition.get("header", PromoteHeadersBehavior.ALL_FILES_HAVE_SAME_HEADERS)
    frames: List[Any] = []
    for location in locations:
        only_first = header == PromoteHeadersBehavior.ONLY_FIRST_FILE_HAS_HEADERS
        has_header = header != PromoteHeadersBehavior.NO_HEADERS and not (only_first and frames)
        known = list(frames[0].columns) if only_first and frames else []
        frame = _read_csv(pandas, location, definition, has_header, known)
        if not has_header:
            names = known or ["Column{}".format(at + 1) for at in range(frame.shape[1])]
            if len(names) != frame.shape[1]:
                raise UserErrorException(
                    "{} has {} columns, the first file {}".format(location, frame.shape[1], len(names))
                )
            frame.columns = names
        frames.append(frame)
    return frames


def _read_csv(pandas: Any, location: str, definition: Dict[str, Any], has_header: bool, known: List[str]) -> Any:
    """`known`: the names of the columns, where another file has told them."""
    separator = definition.get("separator") or ","
    encoding = definition.get("encoding") or "utf8"
    types = definition.get("types") or {}
    options: Dict[str, Any] = {
        "sep": separator if len(separator) == 1 else re.escape(separator),
        "engine": "c" if len(separator) == 1 else "python",
        "header": 0 if has_header else None,
        "encoding": _CODECS.get(encoding, encoding),
    }
    if separator in ("\n", "\r\n"):  # one column of lines, as they are
        options.update(sep="\x1f", engine="c", quoting=csv.QUOTE_NONE)
    if not definition.get("infer", True):
        options["dtype"] = str
    else:  # as it stands in the file: what was read as a number has lost its zeros
        as_text = [column for column, wish in types.items() if wish["type"] != "float"]
        options["dtype"] = {column if has_header else _position(column, known): str for column in as_text}
    if definition.get("empty_as_string"):
        options.update(keep_default_na=False, na_values=[""])
    try:
        return pandas.read_csv(location, **options)
    except pandas.errors.EmptyDataError:
        return pandas.DataFrame()
    except (ValueError, LookupError) as error:
        raise UserErrorException("{} cannot be read as a table: {}".format(location, error)) from error


def _position(column: str, known: List[str]) -> int:
    """Of a column in a file without names; -1 where it has none such, which is told later."""
    numbered = re.match(r"Column([1-9]\d*)\Z", column)
    if known or not numbered:
        return known.index(column) if column in known else -1
    return int(numbered.group(1)) - 1


def _infer(pandas: Any, frame: Any, definition: Dict[str, Any]) -> None:
    """Times that are written as ISO 8601 become times; numbers and booleans are pandas' to find."""
    for column in frame.columns:
        values = frame[column]
        if not _is_text(pandas, values) or column == PATH:
            continue
        if definition.get("empty_as_string"):
            frame[column] = values = values.fillna("")
        if not definition.get("infer", True) or column in (definition.get("types") or {}):
            continue
        words = values.dropna().astype(str)
        if len(words) and words.str.match(_ISO).all():
            times = pandas.to_datetime(values, errors="coerce")
            if times.isna().sum() == values.isna().sum():
                frame[column] = times


def _is_text(pandas: Any, values: Any) -> bool:
    return bool(pandas.api.types.is_object_dtype(values) or pandas.api.types.is_string_dtype(values))


def _converted(pandas: Any, values: Any, column: str, wish: Dict[str, Any], strict: bool) -> Any:
    kind = wish["type"]
    there = values.notna()
    if kind == "string":
        return values.where(~there, values.astype(str))
    if kind in ("float", "long"):
        found = pandas.to_numeric(values, errors="coerce")
        whole = kind == "long" and not found.isna().any() and (found % 1 == 0).all()
        result = found.astype("int64" if whole else "float64")
    elif kind == "bool":
        result = values.map(lambda value: _WORDS.get(str(value).strip().lower()), na_action="ignore")
        if result.notna().all():
            result = result.astype(bool)
    else:
        result = _times(pandas, values, wish.get("formats"))
    if strict and (result.isna() & there).any():
        example = values[result.isna() & there].iloc[0]
        raise UserErrorException("{!r} in the column {} is no {}".format(example, column, kind))
    return result


def _times(pandas: Any, values: Any, formats: Any) -> Any:
    result = pandas.to_datetime(values, errors="coerce", format=formats[0] if formats else None)
    for other in (formats or ())[1:]:
        result = result.fillna(pandas.to_datetime(values, errors="coerce", format=other))
    return result


def _within(pandas: Any, frame: Any, step: Dict[str, Any]) -> Any:
    _require(frame, [step["column"]])
    times = pandas.to_datetime(frame[step["column"]])
    zone = getattr(times.dt, "tz", None)
    chosen = times.notna()
    for side, strictly, else_ in (("after", "gt", "ge"), ("before", "lt", "le")):
        if step.get(side):
            bound = pandas.Timestamp(step[side])
            if zone is None and bound.tzinfo is not None:
                bound = bound.tz_convert("UTC").tz_localize(None)
            elif zone is not None and bound.tzinfo is None:
                bound = bound.tz_localize("UTC")
            chosen &= getattr(times, else_ if step["boundary"] else strictly)(bound)
    return frame[chosen]


def _columns(frame: Any, step: Dict[str, Any]) -> List[str]:
    _require(frame, step["columns"])
    return list(step["columns"])


def _require(frame: Any, columns: List[str]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise UserErrorException(
            "the dataset has no column {!r}; there are {}".format(missing[0], ", ".join(map(str, frame.columns)))
        )


_STEPS: Dict[str, Any] = {
    "take": lambda pandas, frame, step: frame.iloc[: step["count"]],
    "skip": lambda pandas, frame, step: frame.iloc[step["count"] :],
    "keep": lambda pandas, frame, step: frame[_columns(frame, step)],
    "drop": lambda pandas, frame, step: frame.drop(columns=_columns(frame, step)),
    "split": lambda pandas, frame, step: frame[
        [chosen == step["first"] for chosen in split(len(frame), step["percentage"], step["seed"])]
    ],
    "time": _within,
}
