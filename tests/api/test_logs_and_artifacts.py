from collections.abc import Callable

import pytest
from django.core.files.storage import default_storage

from experiments import services
from experiments.models import Artifact, Run
from experiments.services import logs
from mlportal.access.models import User
from tests.api.conftest import Callers, error_of

pytestmark = [
    pytest.mark.django_db,
    # Django's test client is synchronous; the server is not.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators:Warning"),
]
SANDBOX = "sandbox; default-src 'none'"
Store = Callable[[str, bytes], Artifact]


def test_a_log_is_read_part_by_part(callers: Callers, running: Run) -> None:
    path = f"runs/{running.uid}/logs/content/"
    first = callers["reader"].get(path, {"limit": 3})
    assert first.content == b"gr\xc3"
    assert (first["X-Offset"], first["X-Next-Offset"], first["X-Complete"]) == ("0", "3", "false")
    assert first["Content-Type"] == "text/plain; charset=utf-8"
    assert first["X-Content-Type-Options"] == "nosniff"
    assert first["Content-Security-Policy"] == SANDBOX
    rest = callers["reader"].get(path, {"name": logs.STDOUT, "offset": 3})
    assert (first.content + rest.content).decode() == "größer\n"


def test_a_log_is_downloaded_whole(callers: Callers, running: Run) -> None:
    logs.append_log(running, logs.STDOUT, 9, b"x" * 3_000_000)
    answer = callers["reader"].get(f"runs/{running.uid}/logs/content/", {"download": "1"})
    assert answer["Content-Disposition"] == 'attachment; filename="std_log.txt"'
    assert b"".join(answer) == "größer\n".encode() + b"x" * 3_000_000


def test_a_final_log_says_that_it_is_complete(callers: Callers, run: Run, store: Store) -> None:
    store(logs.STDOUT, b"all of it\n")
    answer = callers["reader"].get(f"runs/{run.uid}/logs/content/")
    assert (answer.content, answer["X-Complete"]) == (b"all of it\n", "true")


def test_the_scripts_output_is_listed_first(callers: Callers, run: Run, store: Store) -> None:
    store("logs/a.log", b"a")
    store(logs.STDOUT, b"out")
    names = [row["name"] for row in callers["reader"].get(f"runs/{run.uid}/logs/").json()]
    assert names == [logs.STDOUT, "logs/a.log"]


def test_bytes_that_the_storage_has_lost_are_told(callers: Callers, run: Run, store: Store) -> None:
    for path, address in ((logs.STDOUT, "logs/content/?name="), ("outputs/a.bin", "artifacts/content/?path=")):
        default_storage.delete(store(path, path.encode()).blob.key)
        answer = callers["reader"].get(f"runs/{run.uid}/{address}{path}")
        assert (answer.status_code, error_of(answer)["code"]) == (503, "bytes_lost")


def test_a_folder_is_deleted_and_not_one_of_nearly_the_same_name(run: Run, store: Store, owner: User) -> None:
    for path in ("model/a", "Model/a", "model2/a", "model"):
        store(f"outputs/{path}", path.encode())
    assert services.delete_artifacts(run, "outputs/model", by=owner) == 2
    assert sorted(run.artifacts.values_list("path", flat=True)) == ["outputs/Model/a", "outputs/model2/a"]


@pytest.mark.parametrize(
    "query", [{"offset": "-1"}, {"offset": "x"}, {"limit": "0"}, {"offset": "9" * 30}, {"nam": "x"}]
)
def test_nonsense_about_a_log_is_refused(callers: Callers, running: Run, query: dict[str, str]) -> None:
    answer = callers["owner"].get(f"runs/{running.uid}/logs/content/", query)
    assert answer.status_code == 400
    error_of(answer)


def test_no_such_log(callers: Callers, running: Run) -> None:
    assert callers["owner"].get(f"runs/{running.uid}/logs/content/", {"name": "outputs/model"}).status_code == 404


@pytest.mark.parametrize(("role", "status"), [("reader", 200), ("stranger", 404), ("nobody", 401)])
def test_who_may_read_files(callers: Callers, run: Run, store: Store, role: str, status: int) -> None:
    store("outputs/model.joblib", b"\x80\x04")
    store(logs.STDOUT, b"hello")
    for path in ("logs/", "logs/content/", "artifacts/", "artifacts/content/?path=outputs/model.joblib"):
        assert callers[role].get(f"runs/{run.uid}/{path}").status_code == status, path


def test_artifacts_are_listed_by_path_in_pages(callers: Callers, run: Run, store: Store) -> None:
    for name in ("b", "c", "a", "d/e"):
        store(f"outputs/{name}", name.encode())
    page = callers["reader"].get(f"runs/{run.uid}/artifacts/", {"page_size": 2}).json()
    rest = callers["reader"].get(page["next"].removeprefix("http://testserver")).json()
    assert [row["path"] for row in page["results"] + rest["results"]] == [f"outputs/{name}" for name in "abc"] + [
        "outputs/d/e"
    ]
    assert page["results"][0]["size"] == 1


def test_what_came_out_of_a_run_is_a_download_that_runs_nowhere(callers: Callers, run: Run, store: Store) -> None:
    store("outputs/page.html", b"<script>alert(1)</script>")
    answer = callers["reader"].get(f"runs/{run.uid}/artifacts/content/", {"path": "outputs/page.html"})
    assert b"".join(answer) == b"<script>alert(1)</script>"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="page.html"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == SANDBOX


def test_pictures_are_shown_unless_downloaded(callers: Callers, run: Run, store: Store) -> None:
    store("outputs/plot.PNG", b"\x89PNG")
    shown = callers["reader"].get(f"runs/{run.uid}/artifacts/content/", {"path": "outputs/plot.PNG"})
    assert (shown["Content-Type"], shown["Content-Disposition"]) == ("image/png", 'inline; filename="plot.PNG"')
    assert shown["Content-Security-Policy"] == SANDBOX
    query = {"path": "outputs/plot.PNG", "download": "1"}
    assert (
        callers["reader"]
        .get(f"runs/{run.uid}/artifacts/content/", query)["Content-Disposition"]
        .startswith("attachment")
    )


def test_a_file_name_cannot_break_out_of_its_header(callers: Callers, run: Run, store: Store) -> None:
    store('outputs/ä"; x=.bin', b"1")
    answer = callers["reader"].get(f"runs/{run.uid}/artifacts/content/", {"path": 'outputs/ä"; x=.bin'})
    assert answer["Content-Disposition"] == "attachment; filename*=utf-8''%C3%A4%22%3B%20x%3D.bin"


@pytest.mark.parametrize(
    ("asked", "status", "body", "told"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=1-2,4-5", 200, b"0123456789", None),
    ],
)
def test_ranges(
    callers: Callers, run: Run, store: Store, asked: str, status: int, body: bytes, told: str | None
) -> None:
    store("outputs/digits", b"0123456789")
    answer = callers["reader"].get(f"runs/{run.uid}/artifacts/content/", {"path": "outputs/digits"}, Range=asked)
    assert answer.status_code == status
    assert answer.get("Content-Range") == told
    if status == 416:
        assert error_of(answer)["code"] == "no_such_range"
    else:
        assert b"".join(answer) == body


def test_bytes_that_the_caller_has_are_not_sent_again(callers: Callers, run: Run, store: Store) -> None:
    found = store("outputs/digits", b"0123456789")
    query = {"path": "outputs/digits"}
    same = callers["reader"].get(f"runs/{run.uid}/artifacts/content/", query, **{"If-None-Match": f'"{found.blob_id}"'})
    assert same.status_code == 304
    stale = {"Range": "bytes=2-4", "If-Range": '"another"'}
    whole = callers["reader"].get(f"runs/{run.uid}/artifacts/content/", query, **stale)
    assert (whole.status_code, b"".join(whole)) == (200, b"0123456789")


@pytest.mark.parametrize(
    ("path", "status"),
    [("../etc/passwd", 400), ("/etc/passwd", 400), ("outputs/missing", 404), ("a\0b", 400), ("", 400)],
)
def test_names_that_no_file_has(callers: Callers, run: Run, path: str, status: int) -> None:
    answer = callers["owner"].get(f"runs/{run.uid}/artifacts/content/", {"path": path})
    assert answer.status_code == status
    error_of(answer)
