"""The trash and the rules as people see them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from experiments import services
from experiments.models import RetentionRule, Run
from experiments.services import purging
from mlportal.access.models import User, Workspace
from models_registry.services import register_model
from tests.trash.conftest import MakeRun, trashed

pytestmark = pytest.mark.django_db
Ask = Callable[..., HttpResponse]


@pytest.fixture
def get(client: Client) -> Ask:
    def get(person: User, path: str, **headers: str) -> HttpResponse:
        client.force_login(person)
        return client.get(f"/w/lab/{path}", headers=headers)  # type: ignore[return-value]

    return get


@pytest.fixture
def post(client: Client) -> Ask:
    def post(person: User, path: str, **form: object) -> HttpResponse:
        client.force_login(person)
        return client.post(f"/w/lab/{path}", form, follow=True)  # type: ignore[return-value]

    return post


def text(answer: HttpResponse) -> str:
    return answer.content.decode()


def test_a_run_goes_to_the_trash_and_the_message_takes_it_back(
    get: Ask, post: Ask, make_run: MakeRun, contributor: User
) -> None:
    run = make_run(name="<b>grid</b>")
    assert 'id="to-trash"' in text(get(contributor, f"runs/{run.uid}/"))
    html = text(post(contributor, f"runs/{run.uid}/trash/"))
    assert "&lt;b&gt;grid&lt;/b&gt; is in the trash." in html and "<b>grid" not in html
    (undo,) = re.findall(r'<form method="post" action="/w/lab/(runs/\w+/restore/)">', html)
    assert "No runs" in html  # the experiment's page lists it no more
    html = text(get(contributor, f"runs/{run.uid}/"))
    assert "by carl" in html and 'id="to-trash"' not in html and 'id="move-to-trash"' not in html
    html = text(post(contributor, undo))
    assert "is back" in html and 'id="to-trash"' in html and 'id="in-trash"' not in html
    assert not Run.objects.trashed().exists()


def test_the_message_takes_many_runs_back_and_no_others(
    get: Ask, post: Ask, make_run: MakeRun, contributor: User, owner: User, reader: User, stranger: User
) -> None:
    before, *chosen = [make_run() for _ in range(3)]
    child = make_run(parent=chosen[0])
    post(contributor, f"runs/{before.uid}/trash/")
    html = text(post(contributor, "runs/bulk/", action="trash", run=[run.uid for run in chosen], back="/w/lab/runs/"))
    assert "2 runs are put in the trash." in html
    (undo,) = re.findall(r'<form method="post" action="/w/lab/(trash/undo/\d+/)">', html)
    trashed = set(Run.objects.trashed().values_list("pk", flat=True))
    assert trashed == {before.pk, child.pk, *(run.pk for run in chosen)}
    assert post(stranger, undo).status_code == 404
    assert post(reader, undo).status_code == 403
    assert "Nothing of that is in the trash" in text(post(owner, undo))  # it was not the owner who did it
    assert set(Run.objects.trashed().values_list("pk", flat=True)) == trashed
    assert "3 runs are back." in text(post(contributor, undo))
    assert list(Run.objects.trashed()) == [before]
    assert "Nothing of that is in the trash" in text(post(contributor, undo))
    assert post(contributor, f"trash/undo/{9**30}/").status_code == 404


def test_a_run_that_goes_on_is_not_offered_to_the_trash(
    get: Ask, post: Ask, make_run: MakeRun, contributor: User
) -> None:
    from experiments.services.compute import ensure_local_target

    run = make_run(status="Running", ended_at=None, compute_target=ensure_local_target())
    assert 'id="to-trash"' not in text(get(contributor, f"runs/{run.uid}/"))
    assert "cancel it first" in text(post(contributor, f"runs/{run.uid}/trash/"))
    assert not Run.objects.trashed().exists()


def test_an_empty_trash_says_what_it_is_for(get: Ask, workspace: Workspace, reader: User, stranger: User) -> None:
    html = text(get(reader, "trash/"))
    assert "The trash is empty" in html and "Empty the trash" not in html
    assert get(reader, f"trash/rules/{10**30}/").status_code == 404
    for path in ("trash/", "trash/delete/?all=1", "trash/rules/", "trash/rules/new/"):
        assert get(stranger, path).status_code == 404
    assert 'href="/w/lab/trash/"' in text(get(reader, "experiments/"))


def test_who_is_shown_which_actions(get: Ask, make_run: MakeRun, owner: User, contributor: User, reader: User) -> None:
    trashed(make_run(files={"outputs/a": b"a" * 1234}), contributor)
    for person, writes, purges in ((reader, False, False), (contributor, True, False), (owner, True, True)):
        html = text(get(person, "trash/"))
        assert "1.2 kB" in html and "by carl" in html and "in 30 d" in html
        assert ('name="only"' in html) is writes
        assert ("Empty the trash" in html) is ("trash/delete/?only=" in html) is purges


def test_what_is_chosen_comes_back(post: Ask, get: Ask, make_run: MakeRun, contributor: User) -> None:
    runs = [trashed(make_run(), contributor) for _ in range(3)]
    place = make_run("wine").experiment
    services.trash_experiment(place, by=contributor)
    assert "wine" in text(get(contributor, "trash/"))
    assert "Choose some runs first" in text(post(contributor, "trash/restore/"))
    assert "is back" in text(post(contributor, "trash/restore/", run=[runs[0].uid], only=runs[1].uid))
    assert set(services.trashed_runs(place.workspace)) == {runs[0], runs[2]}
    post(contributor, "trash/restore/", run=[runs[0].uid, runs[2].uid], experiment="wine")
    assert not Run.objects.trashed().exists()
    post(contributor, "trash/restore/", run=["\0", "x"], experiment="\0")


def test_it_is_asked_before_anything_is_deleted_for_good(
    get: Ask,
    post: Ask,
    make_run: MakeRun,
    owner: User,
    contributor: User,
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    run = make_run(files={"outputs/model.joblib": b"m" * 10, "outputs/b": b"b" * 2000})
    version = register_model(run, name="iris", path="outputs/model.joblib", by=owner)
    trashed(run, owner)
    goes_on = trashed(make_run(name="left", status="Running", ended_at=None), owner)
    html = text(get(owner, "trash/delete/?all=1"))
    assert "<strong>1 run</strong>" in html and "<strong>2.0 kB</strong>" in html and "iris:1" in html
    assert "left has not ended; cancel it" in html
    html = text(get(owner, f"trash/delete/?only={goes_on.uid}"))
    assert "Nothing of this can be deleted" in html and "btn-danger" not in html.split("<main")[1].split("</main>")[0]
    assert get(contributor, "trash/delete/?all=1").status_code == 403
    assert post(contributor, "trash/purge/", all="1").status_code == 403
    assert Run.objects.trashed().count() == 2
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        html = text(post(owner, "trash/purge/", all="1"))
    assert "1 run is deleted for good" in html
    assert "not ended" in text(post(owner, "trash/purge/", all="1"))
    html = text(get(owner, "trash/"))
    assert "Deleted for good</h2>" in html and "2.0 kB" in html and "hx-get" not in html.split('id="purges"')[1][:200]
    html = text(get(owner, version.get_absolute_url().removeprefix("/w/lab/")))
    assert f"{run.display_name}, deleted for good" in html and run.uid in html
    assert get(owner, f"runs/{run.uid}/").status_code == 404


def test_the_page_follows_what_is_being_deleted(get: Ask, make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    run = trashed(make_run(files={"outputs/a": b"a" * 10}), owner)
    services.purge_runs(workspace, runs=[run], by=owner)
    html = text(get(owner, "trash/", **{"HX-Request": "true"}))
    assert "0 bytes of 10 bytes" in html and "every 2s" in html and "<html" not in html
    purging.resume()
    html = text(get(owner, "trash/", **{"HX-Request": "true"}))
    assert "10 bytes" in html and "every 2s" not in html


def test_more_runs_are_no_more_queries(get: Ask, make_run: MakeRun, owner: User) -> None:
    counts = []
    for n in range(3):
        for each in range(5):
            parent = make_run(files={"outputs/a": b"%d %d" % (n, each)})
            make_run(parent=parent)
            trashed(parent, owner)
        with CaptureQueriesContext(connection) as captured:
            assert get(owner, "trash/").status_code == 200
        counts.append(len(captured))
    assert counts[1] == counts[2]


def test_children_in_the_trash_are_not_listed_below_their_parent(get: Ask, make_run: MakeRun, owner: User) -> None:
    parent = make_run()
    kept, gone = make_run(parent=parent, name="kept-one"), make_run(parent=parent, name="gone-one")
    trashed(gone, owner)
    html = text(get(owner, f"runs/{parent.uid}/"))
    assert kept.uid in html and gone.uid not in html


def test_a_rule_is_looked_at_before_it_is_saved(
    get: Ask, post: Ask, make_run: MakeRun, owner: User, contributor: User
) -> None:
    for n in range(3):
        make_run(days=50, metrics={"acc": n}, files={"outputs/a": b"a" * (n + 1)})
    form = {"older_than_days": "10", "keep_best": "1", "metric": "acc", "direction": "max", "keep_tag": "keep"}
    html = text(post(owner, "trash/rules/new/", **form, look="1"))
    assert "It would move <strong>2 runs</strong> of 3 finished ones" in html and "<strong>3 bytes</strong>" in html
    assert not RetentionRule.objects.exists()
    html = text(post(owner, "trash/rules/new/", **form, save="1"))
    assert "It is off" in html and "but for the 1 with the highest acc" in html
    for metric, end in (("loss", "lowest"), ("acc", "highest")):
        html = text(post(owner, "trash/rules/new/", **form | {"direction": "", "metric": metric}, look="1"))
        assert f"but for the 1 with the {end} {metric}" in html
    rule = RetentionRule.objects.get()
    assert (rule.enabled, rule.created_by) == (False, owner)
    path = f"trash/rules/{rule.pk}/"
    assert "Apply now" in text(get(owner, path)) and "Apply now" not in text(get(contributor, path))
    for action in ("", "delete/", "apply/"):
        assert post(contributor, f"{path}{action}", **form, save="1").status_code == 403
    assert not Run.objects.trashed().exists()
    assert "2 runs moved to the trash" in text(post(owner, f"{path}apply/"))
    post(owner, path, **form | {"enabled": "on", "keep_best": ""}, save="1")
    rule.refresh_from_db()
    assert (rule.enabled, rule.keep_best) == (True, None)
    assert "stays in the trash" in text(post(owner, f"{path}delete/"))
    assert not RetentionRule.objects.exists() and Run.objects.trashed().count() == 2


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({}, "Say for how long"),
        ({"keep_best": "2"}, "Name the metric"),
        ({"older_than_days": "-1"}, "greater than or equal to 0"),
        ({"older_than_days": "1", "experiment": "none"}, "There is no experiment"),
        ({"older_than_days": "1", "metric": "a\0"}, "Null characters"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told(
    post: Ask, workspace: Workspace, owner: User, wish: dict[str, str], said: str
) -> None:
    for button in ("look", "save"):
        answer = post(owner, "trash/rules/new/", direction="max", **wish, **{button: "1"})
        assert answer.status_code == 400 and said in text(answer)
    assert not RetentionRule.objects.exists()
