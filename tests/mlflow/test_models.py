"""Logged models and the registry, spoken by hand: bad input is refused with MLflow's words, and nothing is written."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pytest

from tests.mlflow.conftest import Mlflow, good, refused
from tests.portal import Portal


@pytest.fixture
def model(api: Mlflow) -> str:
    """A logged model of a run of its own, with one file."""
    run = api.new_run()
    made = api.post("logged-models", experiment_id="0", name="svc", source_run_id=run)["model"]["info"]["model_id"]
    assert api.put(f"0/models/{made}/artifacts/MLmodel", b"flavors: {}\n").status_code == 200
    return str(made)


@pytest.fixture
def name(api: Mlflow) -> str:
    made = f"of {time.time_ns()}"
    api.post("registered-models/create", name=made)
    return made


def get_model(api: Mlflow, model: str) -> Any:
    return api.get(f"logged-models/{model}")["model"]


def patch(api: Mlflow, address: str, **body: Any) -> Any:
    return api.http.request("PATCH", api.url(address), json=body)


@pytest.mark.parametrize(
    "path",
    ["..", "a/../../x", "%2e%2e/x", "%252e%252e/x", "/etc/passwd", "file:///etc/passwd", "a;b", "a#b", "a\0b", "a\\b"],
)
def test_a_path_that_is_none_is_refused(api: Mlflow, model: str, name: str, path: str) -> None:
    source = f"models:/{model}"
    api.post("model-versions/create", name=name, source=source)
    uri = api.get("model-versions/get-download-uri", name=name, version="1")["artifact_uri"]
    registered = uri.removeprefix("mlflow-artifacts:/").removesuffix("/model")
    for folder in (f"0/models/{model}/artifacts", registered):
        for address in (f"{folder}/{path}", f"{folder}/{quote(path, safe='')}"):
            if "#" in address or "\0" in address:
                continue
            url = api.url(f"mlflow-artifacts/artifacts/{address}")
            assert api.http.get(url).status_code in (400, 404)
            assert api.http.put(url, content=b"x").status_code in (400, 403, 404)
            assert api.http.delete(url).status_code in (400, 403, 404)
    refused(api.send("model-versions/create", name=name, source=f"mlflow-artifacts:/0/models/{model}/artifacts/{path}"))
    assert len(api.get("model-versions/search", filter=f"name = '{name}'")["model_versions"]) == 1
    assert [file["path"] for file in api.get(f"logged-models/{model}/artifacts/directories")["files"]] == ["MLmodel"]


@pytest.mark.parametrize(
    "place",
    ["models/x/1/a", "models/1/99999999999/a", "models/0/0/a", "models/1", "models", "0/models/m-x/artifacts/a"],
)
def test_places_that_are_none(api: Mlflow, place: str) -> None:
    url = api.url(f"mlflow-artifacts/artifacts/{place}")
    for method in ("GET", "PUT", "DELETE"):
        assert api.http.request(method, url).status_code in (400, 404)


def test_a_registered_version_never_changes(api: Mlflow, model: str, name: str) -> None:
    api.post("model-versions/create", name=name, source=f"models:/{model}")
    uri = api.get("model-versions/get-download-uri", name=name, version="1")["artifact_uri"]
    file = uri.removeprefix("mlflow-artifacts:/") + "/MLmodel"
    refused(api.put(file, b"other"), "PERMISSION_DENIED", 403)
    refused(api.http.delete(api.url(f"mlflow-artifacts/artifacts/{file}")), "PERMISSION_DENIED", 403)
    api.put(f"0/models/{model}/artifacts/MLmodel", b"other")
    good(api.http.delete(api.url(f"logged-models/{model}")))
    assert api.http.get(api.url(f"mlflow-artifacts/artifacts/{file}")).content == b"flavors: {}\n"
    refused(api.ask(f"logged-models/{model}"), "RESOURCE_DOES_NOT_EXIST", 404)
    refused(api.put(f"0/models/{model}/artifacts/b", b"x"), "RESOURCE_DOES_NOT_EXIST", 404)


def test_a_parameter_of_a_model_is_written_once(api: Mlflow, model: str) -> None:
    def log(value: str) -> Any:
        return api.send(f"logged-models/{model}/params", params=[{"key": "depth", "value": value}])

    good(log("3"))
    good(log("3"))
    refused(log("4"))
    assert get_model(api, model)["data"]["params"] == [{"key": "depth", "value": "3"}]


@pytest.mark.parametrize("wrong", [{"name": "a/b"}, {"name": "a:b"}, {"name": "x" * 251}, {"name": 3},
                                   {"source_run_id": "0" * 32}, {"experiment_id": "999999"},
                                   {"source_run_id": "of another experiment"}, {"params": [{"key": ""}]},
                                   {"params": [{"key": "a", "value": "x" * 6001}]}, {"tags": "no"}])  # fmt: skip
def test_a_model_that_cannot_be(api: Mlflow, wrong: dict[str, Any]) -> None:
    experiment = api.experiment()
    if wrong.get("source_run_id", "").startswith("of"):
        wrong = {"source_run_id": api.new_run()}
    code = api.send("logged-models", **{"experiment_id": experiment, **wrong})
    assert code.status_code in (400, 404), code.text
    assert api.post("logged-models/search", experiment_ids=[experiment]) == {}


@pytest.mark.parametrize("wrong", [{"filter": "name ="}, {"datasets": [{"dataset_name": "a"}] * 1500},
                                   {"order_by": [{"field_name": "metrics.a"}] * 2500},
                                   {"filter": "name LIKE '" + "%a" * 30_000 + "'"},
                                   {"filter": "size > 3"}, {"filter": "metrics.a = 'b'"}, {"page_token": "x"},
                                   {"max_results": 0}, {"experiment_ids": []}, {"experiment_ids": ["999999"]},
                                   {"order_by": [{}]}, {"order_by": [{"field_name": "size"}]},
                                   {"order_by": [{"field_name": "metrics.a", "dataset_digest": "d"}]},
                                   {"datasets": [{}]}])  # fmt: skip
def test_a_search_that_cannot_be(api: Mlflow, wrong: dict[str, Any]) -> None:
    answer = api.send("logged-models/search", **{"experiment_ids": ["0"], **wrong})
    assert answer.status_code in (400, 404) and answer.json()["error_code"] != "INTERNAL_ERROR", answer.text


def test_a_metric_on_a_dataset(api: Mlflow) -> None:
    experiment = api.experiment()
    run = api.new_run(experiment)
    models = [
        api.post("logged-models", experiment_id=experiment, source_run_id=run, name=name)["model"]["info"]["model_id"]
        for name in ("a", "b")
    ]
    for model, values in zip(models, ((0.9, 0.1), (0.5, 0.6)), strict=True):
        for digest, value in zip(("d1", "d2"), values, strict=True):
            on = {"model_id": model, "dataset_name": "iris", "dataset_digest": digest}
            api.post("runs/log-batch", run_id=run, metrics=[{"key": "acc", "value": value, "timestamp": 1, **on}])
    api.post("runs/log-metric", run_id=run, key="acc", value="NaN", timestamp=0, step=-1, model_id=models[0])

    def found(text: str = "", **more: Any) -> list[str]:
        answer = api.post("logged-models/search", experiment_ids=[experiment], filter=text, **more)
        return [model["info"]["name"] for model in answer.get("models", [])]

    assert found("metrics.acc > 0.55", datasets=[{"dataset_name": "iris", "dataset_digest": "d2"}]) == ["b"]
    assert found("metrics.acc > 0.55", datasets=[{"dataset_name": "iris"}]) == ["b", "a"]
    assert found("metrics.acc > 0.55", datasets=[{"dataset_name": "other"}]) == []
    by = {"field_name": "metrics.acc", "dataset_name": "iris", "dataset_digest": "d2", "ascending": False}
    assert found(order_by=[by]) == ["b", "a"]
    assert found(order_by=[{**by, "dataset_digest": "d1"}]) == ["a", "b"]
    assert found("NOT name = 'a' OR params.none IS NOT NULL") == ["b"]
    told = get_model(api, models[0])["data"]["metrics"]
    assert {(m["value"], m.get("dataset_digest")) for m in told} == {(0.9, "d1"), (0.1, "d2"), ("NaN", None)}


def test_what_a_run_used_and_made(api: Mlflow, model: str) -> None:
    run = api.new_run()
    api.post("runs/outputs", run_id=run, models=[{"model_id": model, "step": "7"}])
    api.post("runs/outputs", run_id=run, models=[{"model_id": model, "step": 7}])
    api.post("runs/log-inputs", run_id=run, datasets=[], models=[{"model_id": model}])
    told = api.run(run)
    assert told["outputs"] == {"model_outputs": [{"model_id": model, "step": 7}]}
    assert told["inputs"] == {"model_inputs": [{"model_id": model}]}
    refused(
        api.send("runs/outputs", run_id=run, models=[{"model_id": "m-" + "0" * 32}]), "RESOURCE_DOES_NOT_EXIST", 404
    )
    refused(api.send("runs/outputs", run_id=run, models=[{}]))
    for step in ("²", "--5", "9" * 19, 1.5):
        refused(api.send("runs/outputs", run_id=run, models=[{"model_id": model, "step": step}]))
    refused(api.send("runs/outputs", run_id=run, models=[{"model_id": f"m-{n}"} for n in range(101)]))
    refused(api.send("runs/outputs", run_id=run, models=[{"model_id": "m\0"}]), "RESOURCE_DOES_NOT_EXIST", 404)


def test_another_workspace_sees_nothing(
    portal: Portal, tokens: dict[str, str], api: Mlflow, model: str, name: str
) -> None:
    api.post("model-versions/create", name=name, source=f"models:/{model}")
    uri = api.get("model-versions/get-download-uri", name=name, version="1")["artifact_uri"]
    elsewhere = Mlflow(portal.url, portal.token, "other")
    elsewhere_model = elsewhere.send("registered-models/create", name=name)
    assert elsewhere_model.status_code == 200  # the same name, in a workspace of its own
    refused(elsewhere.ask(f"logged-models/{model}"), "RESOURCE_DOES_NOT_EXIST", 404)
    for source in (f"models:/{model}", f"models:/{name}/1", uri, f"mlflow-artifacts:/0/models/{model}/artifacts"):
        refused(elsewhere.send("model-versions/create", name=name, source=source), "RESOURCE_DOES_NOT_EXIST", 404)
    file = uri.removeprefix("mlflow-artifacts:/") + "/MLmodel"
    refused(elsewhere.http.get(elsewhere.url(f"mlflow-artifacts/artifacts/{file}")), "RESOURCE_DOES_NOT_EXIST", 404)


@pytest.mark.parametrize("wrong", ["", "a/b", "a:b", "..", "x" * 256, "a\nb", "ü" * 200])
def test_a_name_that_no_model_has(api: Mlflow, name: str, wrong: str) -> None:
    refused(api.send("registered-models/create", name=wrong))
    refused(api.send("registered-models/rename", name=name, new_name=wrong))


@pytest.mark.parametrize("status", ["READY", "LOGGED_MODEL_DONE", 9, None])
def test_an_ending_that_is_none(api: Mlflow, model: str, status: Any) -> None:
    refused(patch(api, f"logged-models/{model}", status=status))
    assert get_model(api, model)["info"]["status"] == "LOGGED_MODEL_PENDING"
    good(patch(api, f"logged-models/{model}", status="LOGGED_MODEL_READY"))


@pytest.mark.parametrize("version", ["x", "-1", "1.5", "9" * 30, ""])
def test_a_version_that_is_no_number(api: Mlflow, name: str, version: str) -> None:
    refused(api.ask("model-versions/get", name=name, version=version))


def test_a_deployed_version_is_not_deleted(portal: Portal, api: Mlflow, model: str, name: str) -> None:
    api.put(f"0/models/{model}/artifacts/model.pkl", b"no pickle")
    api.post("model-versions/create", name=name, source=f"models:/{model}")
    with portal.client() as client:
        body = {"model": name, "inference": {"environment": {"name": "AzureML-Tutorial"}}}
        service = client.post("deployments/", body)["name"]
        answer = api.http.request("DELETE", api.url("registered-models/delete"), json={"name": name})
        assert service in refused(answer, "RESOURCE_CONFLICT", 409)
        assert client.http.delete(f"{client.base}/deployments/{service}/").status_code == 204
    good(api.http.request("DELETE", api.url("registered-models/delete"), json={"name": name}))
