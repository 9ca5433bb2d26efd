"""Datasets and the data store under Azure's names: from a laptop, from the web, as inputs of runs, and in the run."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uv

from tests.portal import Portal
from tests.sdk.conftest import Notebook, interpreter

HEAD = """
from azureml.core import Dataset, Datastore
from azureml.exceptions import NotSupportedError, UserErrorException
def refused(call, kind=UserErrorException):
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError("it was not refused")
"""
FILES = """
import tempfile
folder = tempfile.mkdtemp()
def write(name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(text)
    return path
"""
CSV = "day,name,size\n2020-01-01,a,1\n2020-01-02,b,2\n2020-01-03,c,\n"


class Web(BaseHTTPRequestHandler):
    asked: list[str] = []
    content = CSV.encode()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content) + (1000 if self.path.startswith("/torn") else 0)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def own_temporary_folder(offline_environment: dict[str, str], tmp_path: Path) -> None:
    """What `download()` leaves, to whom asked for it, goes with the test."""
    (tmp_path / "tmp").mkdir()
    offline_environment["TMPDIR"] = str(tmp_path / "tmp")


@pytest.fixture
def web() -> Iterator[str]:
    Web.asked, Web.content = [], CSV.encode()
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def pandas_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, str]]:
    """An interpreter and the folder of its pandas, by "old" (Python 3.6, no pyarrow) or "today"."""
    made: dict[str, tuple[str, str]] = {}

    def make(age: str) -> tuple[str, str]:
        if age not in made:
            python = interpreter("3.6") if age == "old" else sys.executable
            if python is None:
                pytest.skip("Python 3.6 is not installed")
            folder = str(tmp_path_factory.mktemp(age))
            packages = ["pandas"] if age == "old" else ["pandas", "pyarrow"]
            install = [uv.find_uv_bin(), "pip", "install", "-q", "--target", folder, "--python", python]
            subprocess.run([*install, *packages], check=True)
            made[age] = python, folder
        return made[age]

    return make


@pytest.fixture(params=["old", "today"])
def table(
    request: pytest.FixtureRequest,
    pandas_of: Callable[[str], tuple[str, str]],
    tmp_path: Path,
    offline_environment: dict[str, str],
) -> Callable[[str], Any]:
    """Runs code with pandas in a folder of its own, without any portal."""
    python, packages = pandas_of(request.param)
    environment = {**offline_environment, "PYTHONPATH": f"{offline_environment['PYTHONPATH']}:{packages}"}

    def execute(code: str) -> Any:
        program = f"import json, os\nresult = None\n{HEAD}{code}\nprint(json.dumps(result))"
        done = subprocess.run(
            [python, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return execute


# -- tables, without a portal --------------------------------------------------------------------------------------


def test_a_table_is_read_with_the_types_that_the_files_tell(table: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "days.csv").write_text(CSV)
    assert table("""
frame = Dataset.Tabular.from_delimited_files("days.csv").to_pandas_dataframe()
plain = Dataset.Tabular.from_delimited_files("days.csv", infer_column_types=False).to_pandas_dataframe()
result = [[frame[name].dtype.kind for name in ("day", "size")], str(frame["day"][2]), frame["size"].isna().tolist(),
          plain["size"][0], plain["day"][0]]
""") == [["M", "f"], "2020-01-03 00:00:00", [False, False, True], "1", "2020-01-01"]


def test_columns_get_the_types_that_are_set(table: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text("code,when,yes,count,rate\n007,01/02/2020,true,3,x\n008,2020.02.02,0,4,1.5\n")
    told = table("""
from azureml.data.dataset_factory import DataType
types = {"code": DataType.to_string(), "when": DataType.to_datetime(["%d/%m/%Y", "%Y.%m.%d"]), "yes": DataType.to_bool(),
         "count": DataType.to_long(), "rate": DataType.to_float()}
dataset = Dataset.Tabular.from_delimited_files("codes.csv", set_column_types=types)
frame = dataset.to_pandas_dataframe()
other = Dataset.Tabular.from_delimited_files("codes.csv", set_column_types={"nothing": DataType.to_long()})
result = [frame["code"].tolist(), [str(value.date()) for value in frame["when"]], frame["yes"].tolist(),
          frame["count"].tolist(), frame["rate"].isna().tolist(), frame["count"].dtype.kind,
          refused(lambda: dataset.to_pandas_dataframe(on_error="fail")), refused(other.to_pandas_dataframe)]
""")
    assert told[:6] == [["007", "008"], ["2020-02-01", "2020-02-02"], [True, False], [3, 4], [True, False], "i"]
    assert told[6] == "'x' in the column rate is no float"
    assert told[7] == "the dataset has no column 'nothing'; there are code, when, yes, count, rate"


def test_headers_separators_encodings_and_the_path(table: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    (tmp_path / "many/1.csv").write_bytes("a||b\ré||\n".replace("\r", "\n").encode("cp1252"))
    (tmp_path / "many/2.csv").write_bytes("è||NA\n".encode("cp1252"))
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(b"01,2\n3,4\n"))
    (tmp_path / "lines.txt").write_text('{"a": "x, y"}\n"z\n')
    (tmp_path / "zeros").mkdir()
    (tmp_path / "zeros/1").write_text("a,b\n1,02\n")
    (tmp_path / "zeros/2").write_text("3,04\n")
    assert table("""
from azureml.data.dataset_type_definitions import PromoteHeadersBehavior
read = Dataset.Tabular.from_delimited_files
first = read("many/*.csv", separator="||", encoding="windows1252", empty_as_string=True, include_path=True,
             header=PromoteHeadersBehavior.ONLY_FIRST_FILE_HAS_HEADERS).to_pandas_dataframe()
bare = read("packed.csv.gz", header=False).to_pandas_dataframe()
from azureml.data import DataType
typed = [read("packed.csv.gz", header=False, set_column_types={"Column1": DataType.to_string()}),
         read("zeros/*", header=1, set_column_types={"b": DataType.to_string()})]
result = [first.columns.tolist(), first.values.tolist(), bare.columns.tolist(), bare.values.tolist(),
          [one.to_pandas_dataframe().values.tolist() for one in typed],
          read("lines.txt", header=False, separator="\\n").to_pandas_dataframe().values.tolist()]
""") == [
        ["Path", "a", "b"],
        [["/1.csv", "é", ""], ["/2.csv", "è", "NA"]],
        ["Column1", "Column2"],
        [[1, 2], [3, 4]],
        [[["01", 2], ["3", 4]], [[1, "02"], [3, "04"]]],
        [['{"a": "x, y"}'], ['"z']],
    ]


def test_the_steps_of_a_table(table: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text(
        "n,twice,day\n" + "".join(f"{n},{2 * n},2020-01-{n + 1:02}\n" for n in range(30))
    )
    told = table("""
import datetime
numbers = Dataset.Tabular.from_delimited_files("numbers.csv")
def n(dataset):
    return dataset.to_pandas_dataframe()["n"].tolist()
first, second = numbers.random_split(percentage=0.3, seed=7)
again, _ = numbers.random_split(percentage=0.3, seed=7)
one, other = numbers.random_split(0.5)
timed = numbers.with_timestamp_columns(timestamp="day")
result = {
    "take": n(numbers.skip(2).take(3)),
    "columns": [numbers.keep_columns("n").to_pandas_dataframe().columns.tolist(),
                numbers.drop_columns(["n", "day"]).to_pandas_dataframe().columns.tolist()],
    "split": [n(first) == n(again), sorted(n(first) + n(second)) == list(range(30)), len(n(first)),
              sorted(n(one) + n(other)) == list(range(30))],
    "time": [n(timed.time_before(datetime.datetime(2020, 1, 2))), n(timed.time_after("2020-01-29", include_boundary=False)),
             n(timed.time_between(datetime.datetime(2020, 1, 4), datetime.datetime(2020, 1, 5))), timed.timestamp_columns,
             n(timed.time_after(datetime.datetime(2020, 1, 30, tzinfo=datetime.timezone.utc))),
             n(timed.time_recent(datetime.timedelta(days=1)))],
    "files": n(Dataset.Tabular.from_delimited_files(numbers.take(2).to_csv_files().download("out"))),
    "refused": [refused(numbers.keep_columns("x").to_pandas_dataframe), refused(lambda: numbers.random_split(2)),
                refused(lambda: numbers.time_before("2020-01-01")), refused(lambda: numbers.take(-1)),
                refused(lambda: numbers.filter(1), NotSupportedError), refused(lambda: numbers["n"] > 1, NotSupportedError),
                refused(numbers.as_named_input("x").as_mount)],
}
""")
    assert told["take"] == [2, 3, 4]
    assert told["columns"] == [["n"], ["twice"]]
    assert told["split"][:2] == [True, True]
    assert 3 <= told["split"][2] <= 16
    assert told["split"][3] is True
    assert told["time"] == [[0, 1], [29], [3, 4], ["day", None], [29], []]
    assert told["files"] == [0, 1]
    assert "there are n, twice, day" in told["refused"][0]
    assert "with_timestamp_columns" in told["refused"][2]
    assert "choose the rows of to_pandas_dataframe()" in told["refused"][4]
    assert "Dataset.File.from_files" in told["refused"][6]


def test_parquet_files_are_read_where_there_is_pyarrow(table: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "days.csv").write_text(CSV)
    told = table("""
days = Dataset.Tabular.from_delimited_files("days.csv")
try:
    import pyarrow
except ImportError:
    result = refused(days.to_parquet_files)
else:
    path = days.to_parquet_files().download("out")
    result = Dataset.Tabular.from_parquet_files(path).to_pandas_dataframe()["name"].tolist()
""")
    assert told == ["a", "b", "c"] or "pip install pyarrow" in told


def test_a_table_without_pandas_says_what_to_install(notebook_alone: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "days.csv").write_text(CSV)
    told = notebook_alone("result = refused(Dataset.Tabular.from_delimited_files('days.csv').to_pandas_dataframe)")
    assert "pip install pandas" in told


@pytest.fixture
def notebook_alone(tmp_path: Path, offline_environment: dict[str, str], python: str) -> Callable[[str], Any]:
    """Without a portal and without packages, on each interpreter."""

    def execute(code: str, **variables: str) -> Any:
        program = f"import json, os\nresult = None\n{HEAD}{code}\nprint(json.dumps(result))"
        done = subprocess.run(
            [python, "-S", "-c", program],
            cwd=tmp_path,
            env={**offline_environment, **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return execute


# -- files ---------------------------------------------------------------------------------------------------------


def test_local_files_keep_their_paths_below_what_was_named(
    notebook_alone: Callable[[str], Any], tmp_path: Path
) -> None:
    for name in ("in/a.txt", "in/deep/b.txt", "in/deep/c.csv", "other/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    told = notebook_alone("""
files = Dataset.File.from_files
whole = files("in")
with whole.mount() as mounted:
    seen = sorted(os.listdir(mounted.mount_point))
one, rest = whole.random_split(0.5, seed=3)
result = [whole.to_path(), files("in/deep/c.csv").to_path(), files("in/**/*.txt").to_path(),
          files(["in/a.txt", "other"]).to_path(), whole.take(1).to_path(), whole.skip(1).to_path(), seen,
          os.path.exists(mounted.mount_point), [os.path.relpath(path) for path in whole.download("down")],
          sorted(one.to_path() + rest.to_path()) == whole.to_path(),
          refused(lambda: whole.download("down")), len(whole.download("down", overwrite=True)),
          refused(lambda: files("nothing")), refused(lambda: files("in", partition_format="{x}"), NotSupportedError),
          refused(lambda: files("abfss://x@y/z")), refused(lambda: files([])), refused(lambda: files(3)),
          refused(lambda: whole.to_pandas_dataframe, NotSupportedError),
          refused(lambda: Dataset.Tabular.from_sql_query, NotSupportedError)]
""")
    assert told[:6] == [
        ["/a.txt", "/deep/b.txt", "/deep/c.csv"],
        ["/c.csv"],
        ["/a.txt", "/deep/b.txt"],
        ["/in/a.txt", "/other/a.txt"],
        ["/a.txt"],
        ["/deep/b.txt", "/deep/c.csv"],
    ]
    assert told[6:10] == [["a.txt", "deep"], False, ["down/a.txt", "down/deep/b.txt", "down/deep/c.csv"], True]
    assert "overwrite=True" in told[10]
    assert told[11] == 3
    assert "(datastore, 'path')" in told[12]
    assert "include_path" in told[13]
    assert "https://" in told[14]
    assert "at least one path" in told[15]
    assert (tmp_path / "down/deep/c.csv").read_text() == "in/deep/c.csv"


def test_a_web_file_is_fetched_once_and_only_when_it_is_needed(notebook_alone: Callable[[str], Any], web: str) -> None:
    told = notebook_alone(f"""
files = Dataset.File.from_files
dataset = files("{web}/data/days.csv?sig=secret")
result = [dataset.to_path(), files(["{web}/a/x.csv", "{web}/b/x.csv"]).to_path()]
first = dataset.download("here")
second = dataset.download("there")
result += [open(second[0]).read(), refused(lambda: files("{web}/missing.csv?sig=secret").download()),
           refused(lambda: files("{web}/torn.csv").download()), refused(lambda: files("{web}/moved.csv").download()),
           refused(lambda: files("http://127.0.0.1:9/x.csv").download())]
from azureml.data import _web
_web.MOST_BYTES = 10
result.append(refused(lambda: files("{web}/large.csv").download()))
""")
    assert told[:2] == [["/days.csv"], ["/127.0.0.1/a/x.csv", "/127.0.0.1/b/x.csv"]]
    assert told[2] == CSV
    assert told[3] == f"{web}/missing.csv answers 404 Not Found"
    assert f"broke off after {len(CSV)} of {len(CSV) + 1000} bytes" in told[4]
    assert told[5].startswith(f"{web}/moved.csv answers 302")
    assert "cannot be fetched" in told[6]
    assert "more than 10 bytes" in told[7]
    assert Web.asked.count("/data/days.csv?sig=secret") == 1


# -- with a portal -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_files_go_into_the_data_store_and_come_back(notebook: Notebook) -> None:
    for name in ("iris/train.csv", "iris/test.csv", "iris/deep/notes.txt", "iris/.hidden"):
        notebook.write(name, name)
    told = notebook(
        HEAD
        + """
store = ws.get_default_datastore()
reference = store.upload("iris", target_path="stored/iris", overwrite=False, show_progress=True)
store.upload_files(["iris/train.csv", "iris/deep/notes.txt"], target_path="stored/flat", show_progress=False)
store.upload_files(["iris/deep/notes.txt"], relative_root="iris", target_path="/stored/rooted/", show_progress=False)
open("iris/train.csv", "w").write("changed")
store.upload("iris", "stored/iris", show_progress=True)
files = Dataset.File.from_files
def text(dataset):
    return open(dataset.download()[0]).read()
kept = text(files((store, "stored/iris/train.csv")))
store.upload("iris", "stored/iris", overwrite=True, show_progress=False)
from azureml.data.datapath import DataPath
from azureml.data.azure_storage_datastore import AzureBlobDatastore
result = {
    "store": [store.name, store.datastore_type, Datastore(ws).name, Datastore.get(ws, "workspaceblobstore").name,
              isinstance(store, AzureBlobDatastore), list(ws.datastores)],
    "kept": kept, "changed": text(files(store.path("stored/iris/train.csv"))),
    "paths": [files((store, "stored/iris")).to_path(), files((store, "stored/**/notes.txt")).to_path(),
              files((store, "stored/iris/*.csv")).to_path(), files(DataPath(store, "stored/flat")).to_path(),
              files([(store, "stored/flat/train.csv"), (store, "stored/flat/notes.txt")]).to_path(),
              files(reference).to_path()],
    "count": [store.download("down", prefix="stored/flat"), store.download("down", prefix="stored/flat")],
    "directory": Dataset.File.upload_directory("iris", (store, "stored/dir"), pattern="*.csv", show_progress=False).to_path(),
    "refused": [refused(lambda: files((store, "stored/nothing"))), refused(lambda: Datastore.get(ws, "mine")),
                refused(lambda: Datastore.register_azure_blob_container, NotSupportedError),
                refused(lambda: store.account_key, NotSupportedError), refused(lambda: store.upload("nothing")),
                refused(lambda: store.upload_files(["iris/a"])), refused(lambda: files((store, "../x")))],
}
"""
    )
    assert told["store"] == [
        *["workspaceblobstore", "AzureBlob"],
        *["workspaceblobstore"] * 2,
        True,
        ["workspaceblobstore"],
    ]
    assert (told["kept"], told["changed"]) == ("iris/train.csv", "changed")
    whole = ["/.hidden", "/deep/notes.txt", "/test.csv", "/train.csv"]
    assert told["paths"] == [
        whole,
        ["/flat/notes.txt", "/iris/deep/notes.txt", "/rooted/deep/notes.txt"],
        ["/test.csv", "/train.csv"],
        ["/notes.txt", "/train.csv"],
        ["/notes.txt", "/train.csv"],
        whole,
    ]
    assert told["count"] == [2, 0]
    assert (notebook.folder / "down/stored/flat/notes.txt").read_text() == "iris/deep/notes.txt"
    assert told["directory"] == ["/test.csv", "/train.csv"]
    assert "no file 'stored/nothing'" in told["refused"][0]
    assert all("datastore.upload_files" in one for one in told["refused"][1:3])
    assert "Skipping upload for stored/iris/train.csv" in notebook.printed


@pytest.mark.slow
def test_a_dataset_is_registered_found_versioned_and_removed(notebook: Notebook) -> None:
    notebook.write("first.csv", CSV)
    notebook.write("second.csv", "a,b\n1,2\n")
    told = notebook(
        HEAD
        + """
files = Dataset.File.from_files
one = files("first.csv").register(ws, "flowers", description="of the garden", tags={"kind": "small", "n": 1})
same = files("first.csv").register(workspace=ws, name="flowers")
taken = refused(lambda: files("second.csv").register(ws, "flowers"))
two = files("second.csv").register(ws, "flowers", create_new_version=True)
table = Dataset.Tabular.from_delimited_files("first.csv").register(ws, "table")
found, older = Dataset.get_by_name(ws, "flowers"), Dataset.get_by_name(ws, name="flowers", version=1)
by_id = Dataset.get_by_id(ws, id=one.id)
whole = ws.datasets
result = {
    "one": [one.name, one.version, one.description, one.tags, one.to_path()], "same": same.id == one.id, "taken": taken,
    "versions": [two.version, found.version, older.version, by_id.version, found.to_path(), open(older.download()[0]).read()],
    "all": [type(whole["flowers"]).__name__, type(whole["table"]).__name__, whole["flowers"].to_path(),
            sorted(Dataset.get_all(ws)) == sorted(whole)],
    "unnamed": [files("first.csv").id, files("first.csv").name, files("first.csv").version, found.take(1).name],
    "input": [one.as_named_input("x")._as_run_input(ws, None), table._as_run_input(ws, "t")["dataset"] == table.id,
              found.skip(0)._as_run_input(ws, "y")["dataset"] == found.id],
    "missing": [refused(lambda: Dataset.get_by_name(ws, "nothing")), refused(lambda: Dataset.get_by_name(ws, "flowers", 9)),
                refused(lambda: Dataset.get_by_id(ws, "0" * 32)), refused(lambda: Dataset.get_by_name(ws, "flowers", "x")),
                refused(lambda: files("first.csv").register(ws, " ")), refused(lambda: one.as_named_input("1 x")),
                refused(lambda: type(one.as_named_input("x"))("x", "no dataset")),
                refused(files("first.csv").unregister_all_versions), refused(lambda: files("first.csv").register(ws, "a/b"))],
}
other = Workspace.create("data-elsewhere", exist_ok=True)
moved = found.register(other, "moved")
result["moved"] = [moved.to_path(), open(moved.download()[0]).read(), moved.id != found.id]
found.unregister_all_versions()
result["gone"] = [found.name, refused(lambda: Dataset.get_by_name(ws, "flowers")), "flowers" in ws.datasets]
table.unregister_all_versions()
"""
    )
    assert told["one"] == ["flowers", 1, "of the garden", {"kind": "small", "n": "1"}, ["/first.csv"]]
    assert told["same"] is True
    assert "create_new_version=True" in told["taken"]
    assert told["versions"] == [2, 2, 1, 1, ["/second.csv"], CSV]
    assert told["all"] == ["FileDataset", "TabularDataset", ["/second.csv"], True]
    assert told["unnamed"] == [None] * 4
    assert told["input"][0]["mode"] == "direct"
    assert told["input"][1:] == [True, False]
    assert "no dataset 'flowers' of version 9" in told["missing"][1]
    assert told["moved"] == [["/second.csv"], "a,b\n1,2\n", True]
    assert told["gone"][0] is None
    assert told["gone"][2] is False


@pytest.mark.slow
@pytest.mark.parametrize("age", ["old", "today"])
def test_a_frame_is_registered_and_read_again(
    notebook: Notebook, web: str, pandas_of: Callable[[str], tuple[str, str]], age: str
) -> None:
    python, packages = pandas_of(age)
    notebook.environment["PYTHONPATH"] += f":{packages}"
    told = notebook(
        HEAD
        + f"""
import pandas as pd
frame = pd.DataFrame({{"code": ["007", "008"], "day": pd.to_datetime(["2020-01-01", "2020-01-02"]), "n": [1, 2]}})
store = ws.get_default_datastore()
saved = Dataset.Tabular.register_pandas_dataframe(frame, (store, "frames"), "frame-{age}", show_progress=False)
back = Dataset.get_by_name(ws, "frame-{age}").to_pandas_dataframe()
pinned = Dataset.Tabular.from_delimited_files("{web}/days.csv").keep_columns(["name"]).register(ws, "pinned-{age}")
result = [saved.version, back["code"].tolist(), back["day"].dtype.kind, back["n"].tolist(),
          pinned.take(2).to_pandas_dataframe()["name"].tolist(),
          Dataset.get_by_name(ws, "pinned-{age}").to_pandas_dataframe().columns.tolist()]
Dataset.get_by_name(ws, "pinned-{age}").unregister_all_versions()
saved.unregister_all_versions()
""",
        python=python,
    )
    assert told == [1, ["007", "008"], "M", [1, 2], ["a", "b"], ["name"]]
    assert Web.asked == ["/days.csv"]  # the portal has the bytes, and nobody asks again


SCRIPT = """\
import json, os, sys
from azureml.core import Dataset, Run, Workspace
run = Run.get_context()
ws = run.experiment.workspace
inputs = run.input_datasets
def refusal(call):
    try:
        call()
    except Exception as error:
        return str(error)
by_id = Dataset.get_by_id(ws, id=sys.argv[2])
with inputs["direct"].mount() as mounted:
    seen = sorted(os.listdir(mounted.mount_point))
json.dump({
    "mounted": sorted(os.listdir(sys.argv[1])), "file": open(inputs["single"]).read(), "path": inputs["many"] == sys.argv[1],
    "direct": [inputs["direct"].name, inputs["direct"].version, inputs["direct"].to_path(), seen],
    "by_id": [by_id.name, by_id.to_path()], "by_name": Dataset.get_by_name(ws, "in-runs").to_path(),
    "store": sorted(os.listdir(sys.argv[3])), "variable": os.environ["AZUREML_DATAREFERENCE_many"] == sys.argv[1],
    "refused": [refusal(lambda: Dataset.get_by_name(ws, "other")), refusal(lambda: ws.datasets),
                refusal(lambda: ws.get_default_datastore().upload(".")),
                refusal(lambda: inputs["direct"].register(ws, "again"))],
    "python": list(sys.version_info[:2]),
}, open("outputs/told.json", "w"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.6", f"{sys.version_info.major}.{sys.version_info.minor}"])
def test_a_run_reads_what_it_was_given(notebook: Notebook, web: str, version: str) -> None:
    if interpreter(version) is None:
        pytest.skip(f"Python {version} is not installed")
    notebook.write("code/train.py", SCRIPT)
    notebook.write("many/a.txt", "a")
    notebook.write("many/b.txt", "b")
    notebook.write("env.yml", f"dependencies:\n  - python={version}\n")
    told = notebook(
        HEAD
        + f"""
env = Environment.from_conda_specification("data-{version.replace(".", "-")}", "env.yml")
store = ws.get_default_datastore()
many = Dataset.File.from_files("many")
named = many.register(ws, "in-runs")
reference = store.upload("many", "for-runs", overwrite=True, show_progress=False)
config = ScriptRunConfig("code", "train.py", environment=env, arguments=[
    many.as_named_input("many").as_mount(), named.as_named_input("direct"), reference.as_download()])
single = Dataset.File.from_files("{web}/days.csv").as_named_input("single").as_download()
config.run_config.data = {{"single": single}}
config.run_config.data_references = {{reference.data_reference_name: reference.as_download().to_config()}}
run = Experiment(ws, "given").submit(config)
details = run.wait_for_completion(show_output=True)
run.download_file("outputs/told.json", "told-here.json")
result = [json.load(open("told-here.json")), named.id, sorted(details["runDefinition"]["data"]),
          run.input_datasets["direct"].to_path(), str(reference)]
"""
    )
    inside, uid, data, outside, reference = told
    assert inside["python"] == [int(part) for part in version.split(".")]
    assert inside["mounted"] == ["a.txt", "b.txt"] == inside["store"]
    assert (inside["file"], inside["path"], inside["variable"]) == (CSV, True, True)
    assert inside["direct"] == ["in-runs", 1, ["/a.txt", "/b.txt"], ["a.txt", "b.txt"]]
    assert inside["by_id"] == ["in-runs", ["/a.txt", "/b.txt"]]
    assert inside["by_name"] == ["/a.txt", "/b.txt"] == outside
    assert all("as_named_input" in one for one in inside["refused"])
    assert data == ["direct", "many", "single", "workspaceblobstore_for_runs"]
    assert len(uid) == 32
    assert reference == "$AZUREML_DATAREFERENCE_workspaceblobstore_for_runs"
    assert Web.asked == ["/days.csv"] * len(Web.asked)


def test_inputs_are_read_without_a_network(script: Callable[[str], Any], run_directory: Path) -> None:
    (run_directory / "inputs/one").mkdir(parents=True)
    (run_directory / "inputs/one/days.csv").write_text(CSV)
    row = {"path": "days.csv", "size": len(CSV), "sha256": "0" * 64}
    one: dict[str, Any] = {
        "uid": "1" * 32,
        "name": "",
        "version": None,
        "kind": "tabular",
        "mode": "direct",
        "definition": {},
        "files": [row],
        "path": str(run_directory / "inputs/one/days.csv"),
    }
    (run_directory / "inputs.json").write_text(json.dumps({"one": one}))
    assert script("""
import socket
def refuse(*args):
    raise AssertionError("the network was asked")
socket.socket.connect = socket.create_connection = refuse
from azureml.core import Dataset
dataset = run.input_datasets["one"]
ws = run.experiment.workspace
again = Dataset.get_by_id(ws, dataset.id)
kept = dataset.keep_columns("name")
found = [one.location for one in dataset._files()]
result = [type(dataset).__name__, dataset.id, dataset.name, dataset.version, dataset.tags, again.id == dataset.id,
          open(found[0]).read(), kept._definition["steps"], dataset._as_run_input(ws, "x")["dataset"] == dataset.id]
""") == [
        *["TabularDataset", "1" * 32, None, None, {}, True, CSV],
        *[[{"step": "keep", "columns": ["name"]}], True],
    ]


@pytest.mark.slow
def test_a_reader_reads_datasets_and_registers_none(notebook: Notebook, portal: Portal) -> None:
    notebook.write("one.csv", CSV)
    notebook(HEAD + "Dataset.File.from_files('one.csv').register(ws, 'readable')")
    printed = portal.manage(
        "shell",
        "-c",
        "from mlportal.access.services import create_token\n"
        "from mlportal.access.models import User, Workspace, Membership\n"
        "from mlportal.access.roles import Role\n"
        "user, _ = User.objects.get_or_create(username='datareader')\n"
        "ws = Workspace.objects.get(name='default')\n"
        "Membership.objects.update_or_create(user=user, workspace=ws, defaults={'role': Role.READER})\n"
        "print(create_token(user, 'sdk')[1])\n",
    )
    token = printed.strip().splitlines()[-1]
    told = notebook(
        HEAD
        + """
from mlportal_sdk.errors import NotAllowed
found = Dataset.get_by_name(ws, "readable")
result = [open(found.download()[0]).read(), refused(lambda: Dataset.File.from_files("one.csv").register(ws, "x"), NotAllowed),
          refused(lambda: ws.get_default_datastore().upload("."), NotAllowed), refused(found.unregister_all_versions, NotAllowed)]
""",
        MLPORTAL_TOKEN=token,
    )
    assert told[0] == CSV
    assert all("contributor" in refusal.lower() for refusal in told[1:])
