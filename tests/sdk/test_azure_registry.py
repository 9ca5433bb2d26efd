"""Models and services from a laptop against a real portal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx
import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tests.sdk.conftest import Notebook

pytestmark = pytest.mark.slow

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    iris = load_iris()
    path = tmp_path_factory.mktemp("model") / "model.joblib"
    joblib.dump(LogisticRegression(max_iter=1000).fit(iris.data, iris.target), path)
    return path


def test_sample_datasets_become_the_sample_of_the_version(notebook: Notebook) -> None:
    notebook.write("model.txt", "one")
    notebook.write("x.csv", "age,city\n31,Rome\n44,Oslo\n")
    notebook.write("y.csv", "smokes\nyes\nno\n")
    notebook.write("short.csv", "smokes\nyes\n")
    told = notebook("""
from azureml.core import Dataset
inputs, outputs = (Dataset.File.from_files(name) for name in ("x.csv", "y.csv"))
one = Model.register(ws, "model.txt", "sampled", sample_input_dataset=inputs, sample_output_dataset=outputs)
two = Model.register(ws, "model.txt", "sampled", sample_input_dataset=inputs,
                     sample_output_dataset=Dataset.File.from_files("short.csv"))
sample = one._scope.get(one._path + "sample/")
try:
    missing = two._scope.get(two._path + "sample/")
except Exception as error:
    missing = type(error).__name__
two.update(sample_input_dataset=inputs)
alone = two._scope.get(two._path + "sample/")
result = [sample["rows"], sample["target"], [column["kind"] for column in sample["columns"]], missing, alone["target"]]
""")
    assert told == [2, "smokes", ["integer", "text", "text"], "NotFound", ""]


def test_files_of_a_laptop_become_versions_of_a_model(notebook: Notebook, model_file: Path) -> None:
    notebook.write("folder/model.txt", "one")
    notebook.write("folder/deep/more.txt", "two")
    notebook.write("folder/left/out.txt", "three")
    told = notebook(f"""
from azureml.core.resource_configuration import ResourceConfiguration
from azureml.exceptions import ModelNotFoundException, ModelPathNotFoundException, WebserviceException
first = Model.register(workspace=ws, model_path={str(model_file)!r}, model_name="laptop", tags={{"area": "iris", "k": 1}},
                       description="by hand", model_framework=Model.Framework.SCIKITLEARN,
                       model_framework_version="1.5", resource_configuration=ResourceConfiguration(cpu=1, memory_in_gb=0.5))
second = Model.register(ws, "folder", "laptop", properties={{"p": "1"}}, model_framework="Custom",
                        child_paths=["model.txt", "deep"])
stale = Model(ws, "laptop")
second.add_tags({{"new": "yes", "old": "1"}})
stale.add_tags({{"other": "kept"}})
stale.remove_tags("old")
second.add_properties({{"q": "2"}})
second.update(description="changed")
try:
    second.add_properties({{"q": "3"}})
except Exception as error:
    once = type(error).__name__
errors = []
for ask in (lambda: Model(ws, "nothing"), lambda: Model(ws, "laptop", version=9), lambda: Model.register(ws, "no", "x")):
    try:
        ask()
    except (ModelNotFoundException, ModelPathNotFoundException) as error:
        errors.append(type(error).__name__)
ids = lambda **asked: [model.id for model in Model.list(ws, **asked)]
latest = Model(ws, "laptop")
result = [
    [first.name, first.version, first.id, first.tags, first.description, first.model_framework,
     first.model_framework_version, first.resource_configuration.cpu, first.resource_configuration.memory_in_gb],
    [latest.id, latest.tags, latest.properties, latest.description, once],
    errors,
    [ids(name="laptop"), ids(name="laptop", latest=True), ids(tags=[["area", "iris"]]), ids(tags=["area"]),
     ids(tags=[["area", "no"]]), ids(properties=[["p", "1"]]), ids(name="laptop", model_framework="Custom")],
    [ws.models["laptop"].id, Model(ws, id="laptop:1").id, Model(ws, "laptop", version=1).id],
    latest.download("got"), Model(ws, "laptop", version=1).download("got"),
    Model.get_model_path("laptop", version=1), Model.get_model_path("laptop", 1, _workspace=ws), first.url,
    repr(first).startswith("Model(workspace=Workspace.create(name='default', ")]
try:
    latest.download("got")
except WebserviceException:
    result.append("there already")
latest.delete()
result.append(ids(name="laptop"))
""")
    assert told[0] == ["laptop", 1, "laptop:1", {"area": "iris", "k": "1"}, "by hand", "ScikitLearn", "1.5", 1.0, 0.5]
    assert told[1] == [
        "laptop:2",
        {"new": "yes", "other": "kept"},
        {"p": "1", "q": "2"},
        "changed",
        "UserErrorException",
    ]
    assert told[2] == ["ModelNotFoundException", "ModelNotFoundException", "ModelPathNotFoundException"]
    one, two = "laptop:1", "laptop:2"
    assert told[3] == [[two, one], [two], [one], [one], [], [two], [two]]
    assert told[4] == [two, one, one]
    assert told[5:9] == ["got/folder", "got/model.joblib", *["azureml-models/laptop/1/model.joblib"] * 2]
    assert told[9:] == ["aml://asset/laptop:1", True, "there already", [one]]
    got = notebook.folder / "got"
    assert (got / "model.joblib").read_bytes() == model_file.read_bytes()
    assert (got / "folder/deep/more.txt").read_text() == "two"
    assert not (got / "folder/left").exists()


def test_a_script_in_a_service_finds_its_model_as_azure_lays_it_out(notebook: Notebook) -> None:
    notebook.write("one/model.pkl", "")
    notebook.write("many/first/1/a.pkl", "")
    notebook.write("many/first/3/a.pkl", "")
    notebook.write("many/second/2/folder/b.pkl", "")
    assert notebook("""
os.environ["AZUREML_MODEL_DIR"] = "one"
result = [Model.get_model_path("whatever")]
os.environ["AZUREML_MODEL_DIR"] = "many"
result += [Model.get_model_path("first"), Model.get_model_path("first", version=1), Model.get_model_path("second")]
try:
    Model.get_model_path("first", version=2)
except Exception as error:
    result.append(type(error).__name__)
""") == [
        "one/model.pkl",
        "many/first/3/a.pkl",
        "many/first/1/a.pkl",
        "many/second/2/folder",
        "ModelNotFoundException",
    ]


@pytest.mark.timeout(600)
def test_a_model_is_served_asked_and_taken_away(notebook: Notebook, model_file: Path) -> None:
    told = notebook(
        f"""
from azureml.core.webservice import AciWebservice, LocalWebservice, Webservice
from azureml.exceptions import WebserviceException
model = Model.register(ws, {str(model_file)!r}, "served", environment=Environment.get(ws, "sklearn-today"),
                       model_framework=Model.Framework.SCIKITLEARN)
service = Model.deploy(ws, "served", [model], deployment_config=AciWebservice.deploy_configuration(auth_enabled=True))
begun = service.state
service.wait_for_deployment(show_output=True)
answer = service.run(json.dumps({{"data": {ROWS}, "method": "predict_proba"}}))
try:
    service.run(json.dumps({{"data": "no rows"}}))
except WebserviceException as error:
    bad = [error.status_code, str(error)]
try:
    Model.deploy(ws, "served", [model])
except WebserviceException as error:
    taken = str(error)
try:
    Webservice(ws, "nothing")
except WebserviceException as error:
    missing = str(error)
try:
    service.get_token()
except WebserviceException as error:
    token = str(error)
keys = service.get_keys()
service.regen_key("Primary")
same = Webservice(workspace=ws, name="served")
result = dict(begun=begun, state=service.state, answer=answer, bad=bad, taken=taken, missing=missing, token=token,
              keys=keys, new=service.get_keys(), uri=service.scoring_uri, swagger=service.swagger_uri,
              types=[type(service) is AciWebservice, type(same) is AciWebservice, isinstance(same, Webservice)],
              listed=[one.name for one in Webservice.list(ws, model_name="served")],
              none=[one.name for one in Webservice.list(ws, model_name="other")],
              held="served" in ws.webservices, logs=service.get_logs(), models=[one.id for one in same.models])
try:
    model.delete()
except WebserviceException as error:
    result["in_use"] = error.status_code
service.delete()
service.delete()
result["left"] = [one.name for one in Webservice.list(ws)]
""",
        python=sys.executable,
    )
    assert told["begun"] in ("Transitioning", "Healthy")
    assert told["state"] == "Healthy"
    assert [round(sum(row), 6) for row in told["answer"]] == [1.0, 1.0]
    assert told["bad"][0] == 400
    assert "Response Code: 400" in told["bad"][1]
    assert "overwrite=True" in told["taken"]
    assert told["missing"].startswith("WebserviceNotFound: Webservice with name nothing not found")
    assert "get_keys" in told["token"]
    assert told["types"] == [True] * 3
    assert (told["listed"], told["none"], told["held"], told["models"]) == (["served"], [], True, ["served:1"])
    assert told["keys"][0] != told["new"][0]
    assert told["keys"][1] == told["new"][1]
    assert told["in_use"] == 409
    assert told["left"] == []
    shown = notebook.printed
    assert "\nRunning." in shown
    assert '\nSucceeded\nACI service creation operation finished, operation "Succeeded"\n' in shown


def test_the_scoring_address_takes_the_keys_that_the_sdk_gives(notebook: Notebook, model_file: Path) -> None:
    told = notebook(
        f"""
model = Model.register(ws, {str(model_file)!r}, "keyed", environment=Environment.get(ws, "sklearn-today"))
service = Model.deploy(ws, "keyed", [model])
service.wait_for_deployment()
result = [service.scoring_uri, service.swagger_uri, service.get_keys()]
""",
        python=sys.executable,
    )
    uri, swagger, (primary, secondary) = told
    body = json.dumps({"data": ROWS})
    for key, status in ((primary, 200), (secondary, 200), ("wrong", 401)):
        answer = httpx.post(uri, content=body, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        assert answer.status_code == status
    described = httpx.get(swagger, headers={"Authorization": f"Bearer {primary}"}, timeout=60)
    assert "paths" in described.json()
    notebook("Webservice(ws, 'keyed').delete()")


SCORE = """\
import json, os
import joblib
from azureml.core.model import Model

def init():
    global model, greeting
    greeting = "ready"
    model = joblib.load(Model.get_model_path("scored"))
    print("the scoring script is ready")

def run(raw_data):
    rows = json.loads(raw_data)["data"]
    return {"labels": model.predict(rows).tolist(), "mode": os.environ["MODE"], "version": VERSION}

VERSION = 1
"""


@pytest.mark.timeout(600)
def test_a_scoring_script_of_azures_kind_serves_and_is_updated(notebook: Notebook, model_file: Path) -> None:
    notebook.write("source/score.py", SCORE)
    told = notebook(
        f"""
from azureml.core.model import InferenceConfig
from azureml.core.webservice import AksWebservice
model = Model.register(ws, {str(model_file)!r}, "scored")
env = Environment.get(ws, "sklearn-today").clone("scoring")
env.environment_variables = {{"MODE": "fast"}}
inference = InferenceConfig(entry_script="score.py", source_directory="source", environment=env)
config = AksWebservice.deploy_configuration(cpu_cores=1, memory_gb=1, auth_enabled=True, collect_model_data=True)
config.tags, config.description = {{"k": "v"}}, "by script"
service = Model.deploy(ws, "scored", [model], inference, config)
collected = [ws._scope.get("deployments/scored/watch/")["sample_percent"]]
service.wait_for_deployment(show_output=True)
body = json.dumps({{"data": {ROWS}}})
answers = [service.run(input_data=body)]
text = open("source/score.py").read().replace("VERSION = 1", "VERSION = 2")
open("source/score.py", "w").write(text)
service.update(inference_config=InferenceConfig("score.py", source_directory="source", environment=env))
deadline = time.time() + 60
while service.run(body)["version"] == 1 and time.time() < deadline:
    time.sleep(0.3)
answers.append(service.run(body))
service.update(description="changed", tags={{"other": "tag"}}, collect_model_data=False)
collected.append(ws._scope.get("deployments/scored/watch/")["sample_percent"])
replaced = Model.deploy(ws, "scored", [model], InferenceConfig("source/score.py", environment=env), config, overwrite=True)
replaced.wait_for_deployment()
answers.append(replaced.run(body))
from azureml.core.webservice import LocalWebservice
local = Model.deploy(ws, "scored-locally", [model], InferenceConfig("source/score.py", environment=env),
                     LocalWebservice.deploy_configuration(port=6789))
local.wait_for_deployment()
open("source/score.py", "w").write(text.replace("VERSION = 2", "VERSION = 3"))
local.reload()
reloaded = local.run(body)["version"]
try:
    LocalWebservice(ws, "scored-locally").reload()
except AttributeError as error:
    refused = str(error)
try:
    local.run({{"data": []}})
except Exception as error:
    no_text = str(error)
local.delete()
result = [service.tags, service.description, answers, service.get_logs(), type(service) is AksWebservice,
          [one.name for one in Webservice.list(ws, tags={{"k": "v"}})], replaced.tags, reloaded, refused, no_text, collected]
service.delete()
""",
        python=sys.executable,
    )
    assert told[:2] == [{"other": "tag"}, "changed"]
    assert told[2] == [{"labels": [0, 2], "mode": "fast", "version": number} for number in (1, 2, 2)]
    assert "the scoring script is ready" in told[3]
    assert told[4:8] == [True, ["scored"], {"k": "v"}, 3]
    assert "use update(inference_config=" in told[8]
    assert "not dict: give json.dumps" in told[9]
    assert told[10] == [100, 0]
    assert notebook.printed.count("need its key") == 1  # of the container's, not of the cluster's
    assert 'AKS service creation operation finished, operation "Succeeded"' in notebook.printed


@pytest.mark.timeout(600)
def test_a_script_that_does_not_start_fails_the_deployment_with_its_words(notebook: Notebook, model_file: Path) -> None:
    notebook.write("score.py", "def init():\n    raise KeyError('no such column')\ndef run(raw_data):\n    return 1\n")
    told = notebook(
        f"""
from azureml.core.model import InferenceConfig
from azureml.exceptions import WebserviceException
model = Model.register(ws, {str(model_file)!r}, "broken")
service = Model.deploy(ws, "broken", [model], InferenceConfig("score.py", environment=Environment.get(ws, "sklearn-today")))
try:
    service.wait_for_deployment(show_output=True)
except WebserviceException as error:
    result = [str(error), service.state, "no such column" in service.get_logs()]
service.delete()
""",
        python=sys.executable,
    )
    assert "no such column" in told[0]
    assert told[1] in ("Failed", "Unhealthy")
    assert told[2] is True
    assert '\nFailed\nACI service creation operation finished, operation "Failed"\n' in notebook.printed
