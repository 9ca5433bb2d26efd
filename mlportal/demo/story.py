"""The steps of the article, in its order: upload, submit, watch, register, deploy, predict."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from mlportal.demo import files
from mlportal.demo.client import Client, Refused, score
from mlportal.demo.process import DidNotStart, OwnPortal
from mlportal.demo.terminal import Stream, Terminal

ACCURACY = 0.9736842105263158  # 37 of the 38 flowers of the test set; the same on every scikit-learn since 0.19
FLOWER = [5.1, 3.5, 1.4, 0.2]
CLASSES = ("setosa", "versicolor", "virginica")
SECONDS = 300
STDOUT = "user_logs/std_log.txt"


class WentWrong(Exception):
    """A step did not give what it should; the text says what it gave."""


def tell(stream: Stream, *, keep: bool = False) -> bool:
    """Whether the article came true, down to the right class of the flower."""
    terminal = Terminal(stream)
    began = time.monotonic()
    try:
        terminal.step("A portal of its own")
        with OwnPortal(keep=keep) as portal:
            terminal.say(
                f"It is at {portal.url}, ready after {time.monotonic() - began:.1f} s, and keeps everything in {portal.home}."
            )
            client = Client(portal.url, portal.token())
            terminal.say(
                "`manage.py token admin` made an API token; all that follows is the JSON API, as any program can use it."
            )
            _article(terminal, client)
            if keep:
                terminal.step("To look at it again")
                terminal.say(f"MLPORTAL_HOME={portal.home} MLPORTAL_BIND={portal.bind} make run")
                terminal.say(f"Log in as admin with the password {portal.password}")
    except DidNotStart as error:
        terminal.bad("The portal did not start. The end of its log:")
        terminal.quote(str(error))
        return False
    except (WentWrong, Refused) as error:
        terminal.bad(str(error))
        return False
    terminal.step(
        f"Done, {time.monotonic() - began:.0f} s after the first line; "
        + ("kept." if keep else "nothing is left behind.")
    )
    return True


def _article(terminal: Terminal, client: Client) -> None:
    run = _watch(terminal, client, _submit(terminal, client))
    _show(terminal, client, run)
    version = _register(terminal, client, run)
    deployment = _deploy(terminal, client, version)
    _predict(terminal, client, deployment)


def _submit(terminal: Terminal, client: Client) -> str:
    terminal.step("The article's two files")
    prepared = files.prepare(client)
    for remark in prepared.remarks:
        terminal.bad(remark)
    terminal.say(f"{files.ENVIRONMENT}:")
    terminal.quote(prepared.definition)
    for note in prepared.notes:
        terminal.say(f"note: {note}")
    if prepared.as_of:
        terminal.say(
            f"It pins nothing but Python, so the packages are taken as they were on {prepared.as_of}: the script"
        )
        terminal.say("calls np.float, which a numpy of today has not. The script is not changed.")
    snapshot = client.upload({files.SCRIPT: prepared.script.encode(), files.ENVIRONMENT: prepared.definition.encode()})
    listed = ", ".join(f"{file['name']} ({file['size']} bytes)" for file in snapshot["files"])
    terminal.say(f"Uploaded as snapshot {snapshot['digest'][:12]}: {listed}.")
    as_of = prepared.as_of and prepared.as_of.isoformat()
    environment = {"name": "sklearn-training-env", "definition": prepared.definition, "as_of": as_of}
    version = client.post("environments/", environment)

    terminal.step(f"Submit: python {files.SCRIPT} --kernel linear --penalty 1.0")
    run = client.post(
        "runs/",
        {
            "experiment": "train-on-amlcompute",
            "snapshot": snapshot["uid"],
            "environment": {"name": version["name"], "version": version["version"]},
            "script": files.SCRIPT,
            "arguments": ["--kernel", "linear", "--penalty", "1.0"],
        },
    )
    terminal.say(f"Run {run['number']} of the experiment {run['experiment']}: {client.url}{run['page']}")
    uid: str = run["id"]
    return uid


def _watch(terminal: Terminal, client: Client, uid: str) -> Any:
    """Follow the run's own event stream to its end; the run."""
    terminal.step("The run, as it happens")
    shown, run = "", None
    for event, data in client.events(f"runs/{uid}/stream/?log={STDOUT}"):
        if event == "run":
            run = data
            if run["status_label"] != shown:
                shown = run["status_label"]
                terminal.say(f"{shown}")
        elif event in ("build", "log"):
            terminal.quote(data["text"])
    run = client.get(f"runs/{uid}/")
    if run["status"] != "Completed":
        failure = run["failure"] or {}
        raise WentWrong(f"The run ended {run['status']}: {failure.get('type') or ''} {failure.get('message') or ''}")
    return run


def _show(terminal: Terminal, client: Client, run: Any) -> None:
    terminal.step("Its four phases")
    for phase in run["phases"]:
        start, end = (datetime.fromisoformat(phase[moment]) for moment in ("start", "end"))
        terminal.say(f"{phase['name']:<16} {(end - start).total_seconds():7.2f} s   {phase['reason']}")
    terminal.step("What it logged, and what it left")
    metrics = client.get(f"runs/{run['id']}/metrics/azure/")
    for name, value in metrics.items():
        terminal.say(f"{name:<16} {value}")
    for artifact in client.get(f"runs/{run['id']}/artifacts/")["results"]:
        terminal.say(f"{artifact['path']}, {artifact['size']} bytes")
    if metrics.get("Accuracy") != ACCURACY:
        raise WentWrong(f"The article's accuracy is {ACCURACY}, not {metrics.get('Accuracy')}.")


def _register(terminal: Terminal, client: Client, run: Any) -> Any:
    terminal.step("Register the model")
    wish = {"run": run["id"], "name": "sklearn-iris", "path": "outputs/model.joblib", "tags": {"area": "iris"}}
    made = client.post("models/", wish)
    path = f"models/{made['name']}/versions/{made['version']}/"
    version = _until(lambda: client.get(path), lambda version: version["inspection"], "look into the model file")
    terminal.say(f"{version['id']}, {version['framework']} {version['framework_version']}, {version['size']} bytes")
    inspection = version["inspection"]
    terminal.say(f"Read without loading it: {len(inspection['imports'])} names imported, {inspection['verdict']}.")
    return version


def _deploy(terminal: Terminal, client: Client, version: Any) -> Any:
    terminal.step("Deploy it")
    made = client.post("deployments/", {"model": version["name"], "version": version["version"]})
    terminal.say(f"The service {made['name']} starts, in the environment that the model was trained in.")
    path = f"deployments/{made['name']}/"

    def steady(deployment: Any) -> bool:
        if deployment["status"] == "Failed":
            log = client.get(f"{path}log/")
            terminal.quote(log["text"])
            raise WentWrong(f"The service failed: {log['failure']}")
        return bool(deployment["status"] == "Healthy")

    deployment = _until(lambda: client.get(path), steady, "become healthy")
    signature = deployment["signature"] or {}
    terminal.say(
        f"Healthy: {signature.get('class') or 'the model'} answers at {client.url}{deployment['scoring_path']}"
    )
    return deployment


def _predict(terminal: Terminal, client: Client, deployment: Any) -> None:
    terminal.step("Ask it for a flower")
    key = client.get(f"deployments/{deployment['name']}/keys/")["primary"]
    url, body = client.url + deployment["scoring_path"], {"data": [FLOWER]}
    terminal.quote(
        f"curl {url} \\\n  -H 'Authorization: Bearer {key[:8]}…' -H 'Content-Type: application/json' \\\n  -d '{json.dumps(body)}'"
    )
    began = time.perf_counter()
    answer = score(url, key, body)
    terminal.say(f"{json.dumps(answer)} after {(time.perf_counter() - began) * 1000:.1f} ms")
    if answer != [0]:
        raise WentWrong(f"A flower of these measures is class 0, {CLASSES[0]}; the service says {answer}.")
    terminal.good(f"Class 0: a petal of 1.4 by 0.2 cm belongs to {CLASSES[0]}. That is right.")


def _until(look: Callable[[], Any], good: Callable[[Any], Any], what: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while not good(found := look()):
        if time.monotonic() > deadline:
            raise WentWrong(f"It did not {what} within {SECONDS} s.")
        time.sleep(0.2)
    return found
