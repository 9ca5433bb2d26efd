"""`mlportal trash`: deleting is asked about, and what is in the trash comes back."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from tests.command_line.conftest import Run
from tests.portal import Client
from tests.terminal import TerminalCommand


def started(client: Client, experiment: str, **more: str) -> str:
    uid: str = client.post("runs/start/", {"experiment": experiment, **more})["id"]
    client.post(f"runs/{uid}/finish/", {"status": "Completed"})
    return uid


def in_trash(client: Client) -> set[str]:
    return {run["id"] for run in client.get("trash/")["results"]}


def is_gone(client: Client, uid: str) -> bool:
    answer: httpx.Response = client.http.get(f"{client.base}/runs/{uid}/")
    return answer.status_code == 404


def test_there_and_back(mlportal: Run, client: Client) -> None:
    parent = started(client, "thrown")
    started(client, "thrown", parent=parent)
    done = mlportal("trash", "put", "thrown/1")
    assert (done.status, done.out) == (0, f"In the trash: 2 runs. mlportal trash restore {parent}\n"), done.err
    assert parent in in_trash(client)
    [line] = [line for line in mlportal("trash", "list").out.splitlines() if "thrown" in line]
    assert line.startswith("thrown/1 + 1 child  admin  ")
    [told] = [one for one in mlportal("trash", "list", "--json").json if one.get("experiment") == "thrown"]
    assert (told["id"], told["children"]) == (parent, 1)

    wrong = mlportal("trash", "restore", "thron/1")
    assert wrong.status == 4 and "Did you mean thrown/1?" in wrong.err
    assert mlportal("trash", "restore").status == 2
    assert mlportal("trash", "restore", parent[:8]).out == "Back: 2 runs.\n"
    assert parent not in in_trash(client)
    kept = mlportal("trash", "delete", parent, "--yes")
    assert kept.status == 6 and "None of it is in the trash." in kept.err
    assert not is_gone(client, parent)


def test_nothing_goes_for_good_unless_somebody_says_so(
    mlportal: Run, terminal: Callable[..., TerminalCommand], client: Client
) -> None:
    one, other = started(client, "doomed"), started(client, "doomed")
    mlportal("trash", "put", one, other)
    unasked = mlportal("trash", "delete", "doomed/1")
    assert unasked.status == 2 and "--yes" in unasked.err
    dry = mlportal("trash", "delete", one, "--dry-run", "--json")
    assert (dry.status, dry.json[0]["runs"]) == (0, 1)
    with terminal("trash", "delete", one) as command:
        command.expect("Delete for good? [y/N]")
        assert "For good: 1 run, " in command.text
        command.write("\n")
        assert command.end() == 130
        assert "Nothing is deleted." in command.text
    assert {one, other} <= in_trash(client)
    with terminal("trash", "delete", one) as command:
        command.expect("[y/N]")
        command.write("y\n")
        assert command.end() == 0
        assert "Deleted for good: 1 run; " in command.text
    assert is_gone(client, one) and other in in_trash(client)

    done = mlportal("trash", "delete", "doomed/2", "--yes", "--json")
    assert (done.status, done.json[0]["runs"]) == (0, 1), done.err
    assert is_gone(client, other)


def test_experiments_and_all_there_is(mlportal: Run, client: Client) -> None:
    uid = started(client, "whole")
    mlflow = "/api/2.0/mlflow/experiments/"
    found = client.http.get(f"{mlflow}get-by-name", params={"experiment_name": "whole"}).json()["experiment"]
    for words, said in (
        (("restore", "--experiment", "whole"), "Back: 1 run.\n"),
        (("delete", "--experiment", "whole", "--yes"), "Deleted for good: 1 run; "),
    ):
        client.http.post(f"{mlflow}delete", json={"experiment_id": found["experiment_id"]}).raise_for_status()
        assert "--experiment whole + 1 run  admin" in mlportal("trash", "list").out
        done = mlportal("trash", *words)
        assert done.status == 0 and done.out.startswith(said), done.err
    assert is_gone(client, uid)

    left = started(client, "rest")
    mlportal("trash", "put", left)
    assert mlportal("trash", "delete", "--all", left, "--yes").status == 2 and left in in_trash(client)
    assert mlportal("trash", "delete", "--all", "--yes").status == 0
    assert not in_trash(client) and is_gone(client, left)
    empty = mlportal("trash", "delete", "--all", "--yes")
    assert (empty.status, empty.err) == (0, "The trash is empty.\n")
    assert mlportal("trash", "list").err == "The trash is empty.\n"
