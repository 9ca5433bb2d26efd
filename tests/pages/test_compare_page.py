"""The page that compares runs: whose runs are on it, what differs and what is best, and that nothing out of a run becomes HTML."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiments import services
from experiments.models import EnvironmentVersion, Experiment, Parameter, Run, Tag
from experiments.services import comparing
from experiments.services.comparing.chosen import NEWEST
from experiments.services.compute import ensure_local_target
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from tests.conftest import TINY

MakeRun = Callable[..., Run]
HOSTILE = "<script>alert(1)</script>"
NAN, INF = float("nan"), float("inf")


def number(value: float) -> dict[str, Any]:
    """As a line of metrics.jsonl has it."""
    return {"v": value} if math.isfinite(value) else {"x": str(value)}


@pytest.fixture
def make_run(workspace: Workspace, owner: User) -> MakeRun:
    """A row as a run leaves it, with points of its metrics."""

    def make(
        experiment: str = "iris",
        *,
        metrics: dict[str, Sequence[float]] | None = None,
        params: dict[str, str] | None = None,
        tags: dict[str, str | None] | None = None,
        **fields: Any,
    ) -> Run:
        place = fields.pop("workspace", workspace)
        found, _ = Experiment.objects.get_or_create(workspace=place, name=experiment)
        found.last_number += 1
        found.save(update_fields=["last_number"])
        asked = {"status": "Completed", "created_by": owner, "ended_at": timezone.now(), "script": "train.py", **fields}
        run = Run.objects.create(workspace=place, experiment=found, number=found.last_number, **asked)
        records = [
            {"t": float(step), "k": "scalar", "n": name, "s": step} | number(value)
            for name, values in (metrics or {}).items()
            for step, value in enumerate(values)
        ]
        if records:
            services.log_metrics(run, records, by=owner)
        Parameter.objects.bulk_create(
            Parameter(run=run, name=name, value=value) for name, value in (params or {}).items()
        )
        Tag.objects.bulk_create(Tag(run=run, name=name, value=value) for name, value in (tags or {}).items())
        run.refresh_from_db()
        return run

    return make


def compare(client: Client, person: User, *runs: Run | str, part: str = "", **query: Any) -> HttpResponse:
    client.force_login(person)
    uids = ",".join(run if isinstance(run, str) else run.uid for run in runs)
    return client.get(f"/w/lab/compare/{part}", {"runs": uids, **query})  # type: ignore[return-value]


def html_of(response: HttpResponse) -> str:
    assert response.status_code == 200
    return response.content.decode()


def compared(html: str) -> list[str]:
    """The uids of the list of runs, in its order."""
    return re.findall(r'<tr data-run="(\w+)"', html)


def row_of(html: str, name: str) -> str:
    """The table's row that begins with this name (runs are columns)."""
    rows: list[str] = re.findall(r"<tr class=\"is-.*?</tr>", html, re.S)
    return next(row for row in rows if f'title="{name}"' in row)


def test_a_stranger_finds_nothing_and_a_passer_by_is_asked_to_sign_in(
    client: Client, make_run: MakeRun, stranger: User
) -> None:
    run = make_run()
    for part in ("", "live/", "found/", f"difference/?before={run.uid}&after={run.uid}", "file/"):
        client.logout()
        assert client.get(f"/w/lab/compare/{part}").status_code == 302, part
        client.force_login(stranger)
        assert client.get(f"/w/lab/compare/{part}").status_code == 404, part


def test_a_reader_compares_in_the_order_of_the_address(client: Client, make_run: MakeRun, reader: User) -> None:
    one, other = make_run(), make_run()
    html = html_of(compare(client, reader, other, one, other))
    assert compared(html) == [other.uid, one.uid]
    assert "Compare 2 runs" in html
    assert "not there" not in html


def test_what_is_not_there_is_counted_and_not_shown(
    client: Client, make_run: MakeRun, owner: User, stranger: User
) -> None:
    shown, deleted = make_run(), make_run(name="in the trash", deleted_at=timezone.now())
    elsewhere = make_run("secret", workspace=create_workspace("other", by=owner), name="of elsewhere")
    foreign = make_run("secret", workspace=create_workspace("foreign", by=stranger), name="of a stranger")
    html = html_of(compare(client, owner, shown, deleted, elsewhere, foreign, "0" * 32, "<b>", "", "x" * 5000))
    assert compared(html) == [shown.uid]
    assert "6 runs are not there" in html
    assert not [name for name in ("in the trash", "of elsewhere", "of a stranger") if name in html]


def test_no_more_runs_than_the_setting_allows(client: Client, make_run: MakeRun, owner: User, settings: Any) -> None:
    settings.COMPARE_RUNS = 2
    runs = [make_run() for _ in range(5)]
    html = html_of(compare(client, owner, *runs))
    assert compared(html) == [run.uid for run in runs[:2]]
    assert "3 more runs were asked for" in html and "MLPORTAL_COMPARE_RUNS" in html


def test_without_runs_it_says_how_to_get_some(client: Client, workspace: Workspace, owner: User) -> None:
    html = html_of(compare(client, owner))
    assert "No runs to compare yet" in html and 'id="q"' in html and 'role="tablist"' not in html


def test_differing_rows_are_marked_and_the_best_value_is_told(client: Client, make_run: MakeRun, owner: User) -> None:
    one = make_run(metrics={"loss": [0.5, 0.2], "accuracy": [0.7]}, params={"lr": "0.1", "seed": "1"})
    other = make_run(metrics={"loss": [0.9, 0.3], "accuracy": [0.9]}, params={"lr": "0.2", "seed": "1"})
    html = html_of(compare(client, owner, one, other, stat="last"))
    assert row_of(html, "lr").startswith('<tr class="is-different">') and "differs" in row_of(html, "lr")
    assert row_of(html, "seed").startswith('<tr class="is-same">') and "differs" not in row_of(html, "seed")
    marked = {name: re.findall(r"best: </span>([\d.]+)", row_of(html, name)) for name in ("loss", "accuracy")}
    assert marked == {"loss": ["0.2"], "accuracy": ["0.9"]}
    turned = html_of(compare(client, owner, one, other, stat="last", higher="loss"))
    assert re.findall(r"best: </span>([\d.]+)", row_of(turned, "loss")) == ["0.3"]


def test_only_what_differs_is_in_the_address(client: Client, make_run: MakeRun, owner: User) -> None:
    runs = [make_run(params={"lr": "1"}), make_run(params={"lr": "1"})]
    assert "is-only-different" not in html_of(compare(client, owner, *runs))
    html = html_of(compare(client, owner, *runs, only="1"))
    assert "is-only-different" in html and "Nothing differs here" in html


def test_a_value_that_only_some_have_differs_from_none(client: Client, make_run: MakeRun, owner: User) -> None:
    runs = [make_run(tags={"stage": None}), make_run()]
    row = row_of(html_of(compare(client, owner, *runs)), "stage")
    assert row.startswith('<tr class="is-different">')
    assert re.findall(r"<td>(.*?)</td>", row) == ["", "—"]


def test_what_is_not_finite_is_shown_and_is_not_the_best(client: Client, make_run: MakeRun, owner: User) -> None:
    runs = [make_run(metrics={"f1": [value]}) for value in (NAN, INF, 0.5, NAN)]
    row = row_of(html_of(compare(client, owner, *runs, stat="last")), "f1")
    assert re.findall(r">(NaN|∞|0\.5)</td>", row) == ["NaN", "∞", "0.5", "NaN"]
    assert re.findall(r"best: </span>(.*?)</td>", row) == ["0.5"]
    same = row_of(html_of(compare(client, owner, runs[0], runs[3], stat="last")), "f1")
    assert same.startswith('<tr class="is-same">')


@pytest.mark.parametrize("layout", ["columns", "rows"])
def test_names_and_values_are_shown_as_text(client: Client, make_run: MakeRun, owner: User, layout: str) -> None:
    odd = {HOSTILE: HOSTILE, '"><img src=x onerror=alert(1)>': "'"}
    runs = [make_run(name=HOSTILE, metrics={HOSTILE: [1, 2]}, params=odd, tags={**odd}) for _ in range(2)]
    for part in ("", "live/"):
        html = html_of(compare(client, owner, *runs, part=part, layout=layout))
        assert [at for at in (HOSTILE, "<img src=x") if at in html] == []
        assert html.count("&lt;script&gt;alert(1)") > 8
    found = html_of(compare(client, owner, part="found/", q="script"))
    assert "&lt;script&gt;" in found and HOSTILE not in found


def test_many_runs_are_rows_unless_the_address_says_otherwise(client: Client, make_run: MakeRun, owner: User) -> None:
    runs = [make_run(params={"lr": str(number)}) for number in range(9)]
    assert '<tr class="is-different">' not in html_of(compare(client, owner, *runs))
    assert '<tr class="is-different">' in html_of(compare(client, owner, *runs, layout="columns"))
    assert '<tr class="is-different">' in html_of(compare(client, owner, *runs[:8]))


def test_names_are_filtered_and_those_left_out_are_counted(
    client: Client, make_run: MakeRun, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.views.compare.CELLS", 4)
    run = make_run(params={f"p{number}": "1" for number in range(10)})
    html = html_of(compare(client, owner, run, make_run(params={"p7": "2"})))
    assert "8 more parameters are not shown" in html
    assert row_of(html, "p7")  # most runs have it, so it comes first
    html = html_of(compare(client, owner, run, find="P9"))
    assert row_of(html, "p9") and 'title="p1"' not in html and "are not shown" not in html


@pytest.mark.parametrize(
    "query",
    [
        {"stat": "<b>", "layout": "<b>", "only": "<b>", "find": "%_\\"},
        {"lower": ["a"] * 500, "higher": "\udcff".encode("utf-8", "replace").decode()},
        {"dim": "x", "metric": "x" * 9000, "before": "x", "axis": "{"},
        {"experiment": "", "parent": ""},
    ],
)
def test_odd_addresses_are_no_fault_of_ours(
    client: Client, make_run: MakeRun, owner: User, query: dict[str, Any]
) -> None:
    assert compared(html_of(compare(client, owner, make_run(), **query)))


def test_queries_do_not_grow_with_runs(client: Client, make_run: MakeRun, owner: User) -> None:
    values: dict[str, Any] = {"metrics": {"loss": [2, 1]}, "params": {"lr": "1"}, "tags": {"a": "b"}}
    counts = []
    compare(client, owner)  # the first visit writes the session
    for more in (2, 10):
        for _ in range(more):
            make_run(**values)
        runs = list(Run.objects.all())
        for part in ("", "live/"):
            with CaptureQueriesContext(connection) as captured:
                assert len(compared(html_of(compare(client, owner, *runs, part=part)))) == len(runs)
            counts.append(len(captured))
    assert counts[:2] == counts[2:]


def test_the_live_update_returns_the_very_parts_that_the_page_includes_until_all_are_final(
    client: Client, make_run: MakeRun, owner: User
) -> None:
    run = make_run(status=RunStatus.RUNNING, ended_at=None)
    page, live = html_of(compare(client, owner, run)), html_of(compare(client, owner, run, part="live/"))
    assert set(re.findall(r'data-part="(\w+)"', page)) == set(re.findall(r'data-part="(\w+)"', live)) != set()
    assert "data-live" in live and "<html" not in live
    state = re.search(r'data-state="(\w+)"', live)
    assert state
    assert compare(client, owner, run, part="live/", known=state[1]).status_code == 204
    services.log_metrics(run, [{"t": 1.0, "k": "scalar", "n": "loss", "v": 3.5}], by=owner)
    assert "3.5" in html_of(compare(client, owner, run, part="live/", known=state[1]))
    Run.objects.filter(pk=run.pk).update(status=RunStatus.COMPLETED)
    assert "data-live" not in html_of(compare(client, owner, run, part="live/"))


def test_runs_to_add_are_found_by_words_and_number(client: Client, make_run: MakeRun, owner: User) -> None:
    there, trial = make_run("iris"), make_run("sweep", name="trial seven")
    make_run("secret", workspace=create_workspace("other", by=owner), name="trial elsewhere")
    make_run("sweep", name="trial in the trash", deleted_at=timezone.now())
    found = html_of(compare(client, owner, there, part="found/", q="SWEEP trial"))
    assert re.findall(r'href="\?runs=([\w,]+)"', found) == [f"{there.uid},{trial.uid}"]
    assert re.findall(r'href="\?runs=(\w+)"', html_of(compare(client, owner, part="found/", q="iris #1"))) == [
        there.uid
    ]
    assert "No other run" in html_of(compare(client, owner, part="found/", q="9" * 30))


def test_a_run_is_taken_out_without_scripts_too(client: Client, make_run: MakeRun, owner: User) -> None:
    runs = [make_run() for _ in range(3)]
    html = html_of(compare(client, owner, *runs))
    assert re.findall(r'name="without" value="(\w+)"', html) == [run.uid for run in runs]
    response = compare(client, owner, *runs, without=runs[1].uid)
    assert response["Location"] == f"/w/lab/compare/?runs={runs[0].uid},{runs[2].uid}"


def test_an_experiment_leads_to_its_newest_runs_and_a_parent_to_its_children(
    client: Client, make_run: MakeRun, owner: User, settings: Any
) -> None:
    runs = [make_run() for _ in range(NEWEST + 2)]
    children = [make_run(parent=runs[0]) for _ in range(3)]
    make_run(parent=runs[0], deleted_at=timezone.now())
    client.force_login(owner)
    newest = client.get("/w/lab/compare/", {"experiment": "iris"})
    assert newest["Location"] == f"/w/lab/compare/?runs={','.join(run.uid for run in runs[:1:-1])}"
    settings.COMPARE_RUNS = 2
    family = client.get("/w/lab/compare/", {"parent": runs[0].uid, "with": children[0].uid})
    assert family["Location"] == f"/w/lab/compare/?runs={children[0].uid},{children[2].uid}"
    for nothing in ({"experiment": "no"}, {"parent": "no"}):
        assert client.get("/w/lab/compare/", nothing).status_code == 404
    Experiment.objects.create(workspace=runs[0].workspace, name="empty")
    assert "No runs to compare yet" in html_of(client.get("/w/lab/compare/", {"experiment": "empty"}))  # type: ignore[arg-type]


def test_a_run_leads_to_its_siblings_or_to_a_comparison_that_begins_with_it(
    client: Client, make_run: MakeRun, owner: User
) -> None:
    parent = make_run()
    child = make_run(parent=parent)
    make_run(parent=parent)
    client.force_login(owner)
    html = client.get(parent.get_absolute_url()).content.decode()
    assert f'href="/w/lab/compare/?runs={parent.uid}"' in html
    assert f'href="/w/lab/compare/?parent={parent.uid}">Compare' in html
    html = client.get(child.get_absolute_url()).content.decode()
    assert f'href="/w/lab/compare/?parent={parent.uid}&amp;with={child.uid}"' in html


def submitted(workspace: Workspace, owner: User, files: dict[str, bytes], *arguments: str, lock: str = "") -> Run:
    version = services.add_version(workspace, "tiny", TINY, by=owner)
    if lock:
        version = EnvironmentVersion.objects.create(
            environment=version.environment,
            version=version.version + 100 + EnvironmentVersion.objects.count(),
            definition=TINY,
            digest=lock,
            lock={"text": lock, "python_version": "3.11.1", "platform": "linux-x86_64", "index_options": [],
                  "allow_source_builds": False},
        )  # fmt: skip
    snapshot = services.take_files(workspace, [(name, io.BytesIO(data)) for name, data in files.items()], by=owner)
    return services.submit_run(
        workspace,
        experiment="iris",
        snapshot=snapshot.snapshot,
        environment_version=version,
        script="train.py",
        arguments=list(arguments),
        by=owner,
    )


@pytest.fixture
def two(workspace: Workspace, owner: User) -> tuple[Run, Run]:
    ensure_local_target()
    old = {"train.py": b"a = 1\nb = '<b>'\n", "same.py": b"x", "gone.txt": b"bye\n", "blob.bin": b"\0\1"}
    new = {"train.py": b"a = 2\nb = '<b>'\n", "same.py": b"x", "<i>new</i>.txt": b"hi\n", "blob.bin": b"\0\2"}
    before = submitted(workspace, owner, old, "--lr", "0.1", lock="joblib==1.3\nnumpy==1.26\n")
    after = submitted(workspace, owner, new, "--lr", HOSTILE, lock="joblib==1.4\nscipy==1.11\n")
    return before, after


def difference(client: Client, person: User, before: Run, after: Run) -> str:
    client.force_login(person)
    query = {"before": before.uid, "after": after.uid}
    return html_of(client.get("/w/lab/compare/difference/", query))  # type: ignore[arg-type]


def test_the_difference_of_two_runs_tells_arguments_packages_and_files(
    client: Client, two: tuple[Run, Run], reader: User
) -> None:
    html = difference(client, reader, *two)
    assert "<del>0.1</del>" in html and "<ins>&lt;script&gt;alert(1)&lt;/script&gt;</ins>" in html
    packages = re.findall(r'<th scope="row"[^>]*>(\w+)</th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td>', html)
    told = [(name, re.sub("<.*?>", "", old), re.sub("<.*?>", "", new)) for name, old, new in packages]
    assert told == [
        ("joblib", "1.3", "1.4"),
        ("numpy", "1.26", "not there"),
        ("scipy", "not there", "1.11"),
    ]
    files = re.findall(r'file-(\w+)">\w+</span> <span class="font-monospace text-break">(.*?)</span>', html)
    assert files == [
        ("added", "&lt;i&gt;new&lt;/i&gt;.txt"),
        ("changed", "blob.bin"),
        ("removed", "gone.txt"),
        ("changed", "train.py"),
    ]
    assert "4 differ, 1 the same" in html and HOSTILE not in html


def file_of(client: Client, before: Run, after: Run, path: str) -> HttpResponse:
    return client.get("/w/lab/compare/file/", {"before": before.uid, "after": after.uid, "path": path})  # type: ignore[return-value]


def test_a_file_is_told_line_by_line_as_text(client: Client, two: tuple[Run, Run], reader: User, settings: Any) -> None:
    client.force_login(reader)
    html = html_of(file_of(client, *two, "train.py"))
    assert (
        "<del>-a = 1</del>" in html
        and "<ins>+a = 2</ins>" in html
        and "<span> b = &#x27;&lt;b&gt;&#x27;</span>" in html
    )
    assert "<ins>+hi</ins>" in html_of(file_of(client, *two, "<i>new</i>.txt"))
    assert "not a text" in html_of(file_of(client, *two, "blob.bin"))
    for nothing in ("same.py", "never/there", ""):
        assert file_of(client, *two, nothing).status_code == 404
    settings.DIFF_BYTES = 10
    assert "MLPORTAL_DIFF_BYTES" in html_of(file_of(client, *two, "train.py"))


def test_runs_without_code_or_environment_say_so(
    client: Client, two: tuple[Run, Run], make_run: MakeRun, owner: User
) -> None:
    bare, same = make_run(), difference(client, owner, two[0], two[0])
    html = difference(client, owner, two[0], bare)
    assert "no snapshot of its code" in html and "has no environment" in html
    assert "Neither was started by the portal" in difference(client, owner, bare, make_run())
    assert "This is one run" in same


def test_no_file_of_a_run_elsewhere_is_read(client: Client, two: tuple[Run, Run], owner: User, stranger: User) -> None:
    create_workspace("other", by=stranger)
    client.force_login(stranger)
    for part in ("difference/", "file/"):
        for workspace in ("lab", "other"):
            query = {"before": two[0].uid, "after": two[1].uid, "path": "train.py"}
            assert client.get(f"/w/{workspace}/compare/{part}", query).status_code == 404
    Run.objects.filter(pk=two[1].pk).update(deleted_at=timezone.now())
    client.force_login(owner)
    assert file_of(client, *two, "train.py").status_code == 404


def test_whoever_asks_gets_only_what_they_may_see(make_run: MakeRun, reader: User, stranger: User) -> None:
    """Whatever the page or the API has let in before."""
    parent = make_run()
    child = make_run(parent=parent)
    for person, seen in ((reader, [child]), (stranger, [])):
        assert comparing.compared_runs(child.workspace, [child.uid], by=person).runs == seen
        assert comparing.family_of(parent, by=person) == [run.uid for run in seen]
        assert bool(comparing.newest_of(parent.experiment, by=person)) is bool(seen)
        assert comparing.find_runs(child.workspace, "", besides=[parent.uid], most=9, by=person) == seen
