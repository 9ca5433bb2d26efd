"""`sample_input_dataset` and `sample_output_dataset` become the training sample of a model version."""

import csv
import io
import os
import tempfile
from typing import Any, List, Optional, Tuple

from azureml._said import say


def send_sample(model: Any, inputs: Any, outputs: Any) -> None:
    """The rows of `inputs`, with the first column of `outputs` as what is predicted. The model is registered by now: a sample
    that cannot be sent is said, and no error."""
    from mlportal_sdk.errors import PortalError

    try:
        content, target = _table(inputs, outputs)
    except ValueError as error:
        say("sample datasets: not kept; {}".format(error))
        return
    source = str(getattr(inputs, "name", None) or "sample_input_dataset")
    try:
        model._scope.raw(
            "PUT",
            model._path + "sample/",
            {"target": target, "source": source},
            body=content,
            headers={"Content-Type": "application/octet-stream"},
            whole=True,
        )
    except PortalError as error:
        say("sample datasets: not kept; {}".format(error))


def _table(inputs: Any, outputs: Any) -> Tuple[bytes, str]:
    """(the file to send, the name of its predicted column)."""
    if inputs is None:
        raise ValueError("there is a sample_output_dataset alone, and no sample_input_dataset")
    content = _content(inputs)
    if outputs is None:
        return content, ""
    if content.startswith(b"PAR1"):
        say("sample_output_dataset: not kept beside a Parquet file")
        return content, ""
    rows, answers = _rows(content), _rows(_content(outputs))
    if len(rows) != len(answers) or not answers[0]:
        raise ValueError("it has {} rows, the sample_output_dataset {}".format(len(rows) - 1, len(answers) - 1))
    target = answers[0][0]
    while target in rows[0]:
        target += "_output"
    answers[0][0] = target
    text = io.StringIO(newline="")
    csv.writer(text).writerows(row + answer[:1] for row, answer in zip(rows, answers))  # noqa: B905 - Python 3.6
    return text.getvalue().encode("utf-8"), target


def _content(dataset: Any) -> bytes:
    """A table as CSV; of files the only one, which is CSV or Parquet."""
    if hasattr(dataset, "to_pandas_dataframe") and getattr(dataset, "_kind", "") != "file":
        return dataset.to_pandas_dataframe().to_csv(index=False).encode("utf-8")  # type: ignore[no-any-return]
    if not hasattr(dataset, "download"):
        raise ValueError("it is neither a TabularDataset nor a FileDataset")
    with tempfile.TemporaryDirectory() as folder:
        paths = dataset.download(folder)
        tables = [path for path in paths if os.path.splitext(path)[1].lower() in (".csv", ".parquet")]
        if len(tables) != 1:
            raise ValueError(
                "a FileDataset has one file of CSV or Parquet to be a sample, this one {}".format(len(tables))
            )
        with open(tables[0], "rb") as file:
            return file.read()


def _rows(content: bytes, encoding: str = "utf-8-sig") -> List[List[str]]:
    try:
        rows: Optional[List[List[str]]] = [
            row for row in csv.reader(io.StringIO(content.decode(encoding), newline="")) if row
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError("it is no CSV: {}".format(error)) from None
    if not rows:
        raise ValueError("it is empty")
    return rows
