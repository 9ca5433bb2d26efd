"""Run by a real client: tells as JSON all that it finds at each of the addresses that are named, one object each."""

# mypy: ignore-errors

import hashlib
import json
import os
import sys
import tempfile

import mlflow
from mlflow import MlflowClient
from mlflow.entities import ViewType


def pages(search, **more):
    token = None
    while True:
        page = search(page_token=token, **more)
        yield from page
        token = page.token
        if not token:
            return


def files(folder):
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


def artifacts(client, run_id):
    if not client.list_artifacts(run_id):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        return files(client.download_artifacts(run_id, "", folder))


def points(client, run_id, key):
    history = client.get_metric_history(run_id, key)
    return sorted([point.timestamp, point.step, repr(point.value)] for point in history)


def run_shape(client, run):
    info, data = run.info, run.data
    inputs, outputs = run.inputs, getattr(run, "outputs", None)
    return {
        "name": info.run_name,
        "status": info.status,
        "start": info.start_time,
        "end": info.end_time,
        "stage": info.lifecycle_stage,
        "params": data.params,
        "tags": data.tags,
        "latest": {key: repr(value) for key, value in data.metrics.items()},
        "history": {key: points(client, info.run_id, key) for key in data.metrics},
        "data": sorted(
            ([dict(used.dataset), sorted((tag.key, tag.value) for tag in used.tags)] for used in inputs.dataset_inputs),
            key=repr,
        ),
        "model inputs": sorted(used.model_id for used in getattr(inputs, "model_inputs", None) or []),
        "model outputs": sorted([made.model_id, made.step] for made in (outputs.model_outputs if outputs else [])),
        "files": artifacts(client, info.run_id),
    }


def model_shape(model):
    shape = {
        "name": model.name,
        "type": model.model_type or "",
        "status": str(model.status),
        "created": model.creation_timestamp,
        "run": model.source_run_id or "",
        "params": model.params,
        "tags": model.tags,
        "metrics": sorted(
            [each.key, repr(each.value), each.step, each.timestamp, each.run_id, each.dataset_name or ""]
            for each in model.metrics or []
        ),
    }
    if str(model.status).endswith("READY"):
        with tempfile.TemporaryDirectory() as folder:
            shape["files"] = files(mlflow.artifacts.download_artifacts(f"models:/{model.model_id}", dst_path=folder))
    return shape


def version_shape(version):
    shape = {
        "stage": version.current_stage,
        "description": version.description or "",
        "tags": version.tags,
        "run": version.run_id or "",
        "source": version.source,
        "created": version.creation_timestamp,
        "aliases": sorted(version.aliases),
    }
    with tempfile.TemporaryDirectory() as folder:
        uri = f"models:/{version.name}/{version.version}"
        shape["files"] = files(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
        shape["files"].pop("registered_model_meta", None)  # the client writes it where it downloads
        shape["doubles"] = list(mlflow.pyfunc.load_model(uri).predict([1, 2]))
    return shape


def read(uri):
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient()
    places = list(pages(client.search_experiments, view_type=ViewType.ALL))
    said = {"experiments": {}, "runs": {}, "models": {}, "registered": {}}
    for place in places:
        said["experiments"][place.name] = {
            "tags": place.tags,
            "created": place.creation_time,
            "stage": place.lifecycle_stage,
        }
        for run in pages(
            client.search_runs, experiment_ids=[place.experiment_id], run_view_type=ViewType.ALL, max_results=3
        ):
            said["runs"][run.info.run_id] = {
                "experiment": place.name,
                **run_shape(client, client.get_run(run.info.run_id)),
            }
        for model in pages(client.search_logged_models, experiment_ids=[place.experiment_id]):
            said["models"][model.model_id] = {"experiment": place.name, **model_shape(model)}
    for model in pages(client.search_registered_models):
        versions = client.search_model_versions(f"name='{model.name}'")
        said["registered"][model.name] = {
            "description": model.description or "",
            "tags": model.tags,
            "aliases": {alias: str(version) for alias, version in model.aliases.items()},
            "created": model.creation_timestamp,
            # A search leaves the aliases out, on some servers.
            "versions": {
                str(each.version): version_shape(client.get_model_version(model.name, each.version))
                for each in versions
            },
        }
    return said


json.dump([read(uri) for uri in sys.argv[2:]], open(sys.argv[1], "w"))  # noqa: SIM115
