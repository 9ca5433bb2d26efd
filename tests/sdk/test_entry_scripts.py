"""Services with an entry script, as a notebook makes them: on the oldest Python there is and on today's."""

from __future__ import annotations

import pytest

from tests.sdk.conftest import Notebook, interpreter

SCORE = """
import json, sys
from azureml.core.model import Model
import words

def init():
    global models
    models = {}
    for name in ("plus", "times"):
        with open(Model.get_model_path(name)) as file:
            models[name] = json.load(file)

def run(raw_data):
    asked = json.loads(raw_data)
    print("asked", asked)
    if "python" in asked:
        return "%d.%d" % sys.version_info[:2]
    return {words.ANSWER: models["plus"] + models["times"] * asked["x"]}
"""
DEPLOY = """
from azureml.core.model import InferenceConfig
from azureml.core.webservice import AciWebservice
from azureml.exceptions import WebserviceException
models = [
    Model.register(ws, model_path="models/%s.json" % name, model_name=name, model_framework=Model.Framework.CUSTOM)
    for name in ("plus", "times")
]
environment = Environment.from_conda_specification("scoring-MINOR", "scoring.yml")
config = InferenceConfig(entry_script="score.py", source_directory="source", environment=environment)
place = AciWebservice.deploy_configuration(cpu_cores=1, memory_gb=0.5, tags={"team": "a"}, description="both")
service = Model.deploy(ws, "NAME", models, config, place)
service.wait_for_deployment(show_output=True)
"""
USE = """
result = {
    "answer": service.run(json.dumps({"x": 3})),
    "python": service.run(json.dumps({"python": 1})),
    "state": service.state,
    "models": sorted(model.id for model in service.models),
    "tags": Webservice(ws, "NAME").tags,
    "log": service.get_logs(),
}
for _ in range(50):
    if "asked" in result["log"]:
        break
    time.sleep(0.2)
    result["log"] = service.get_logs()
try:
    service.run("no json")
except WebserviceException as error:
    result["error"] = str(error)
open("source/words.py", "w").write("ANSWER = 'other'")
service.update(inference_config=config, tags={"team": "b"})
service.wait_for_deployment()
result["other"] = service.run(json.dumps({"x": 3}))
result["tags after"] = service.tags
again = Model.deploy(ws, "NAME", models[:1], config, place, overwrite=True)
result["one"] = [model.name for model in again.models]
service.delete()
"""


def write_source(notebook: Notebook, minor: str) -> None:
    notebook.write("source/score.py", SCORE)
    notebook.write("source/words.py", "ANSWER = 'sum'")
    notebook.write("models/plus.json", "10")
    notebook.write("models/times.json", "2")
    notebook.write("scoring.yml", f"dependencies:\n  - python={minor}\n  - pip:\n      - azureml-defaults\n")


@pytest.mark.slow
@pytest.mark.parametrize("minor", ["3.6", "3.13"])
def test_two_models_of_local_files_are_served_by_a_script(notebook: Notebook, minor: str) -> None:
    if interpreter(minor) is None:
        pytest.skip(f"Python {minor} is not installed")
    write_source(notebook, minor)
    name = f"both-{minor.replace('.', '-')}"
    code = (DEPLOY + USE).replace("NAME", name).replace("MINOR", minor)
    found = notebook(code)
    assert found["answer"] == {"sum": 16}
    assert (found["python"], found["state"], found["tags"]) == (minor, "Healthy", {"team": "a"})
    assert [model.rpartition(":")[0] for model in found["models"]] == ["plus", "times"]
    assert "asked {'x': 3}" in found["log"] and "ready after" in found["log"]
    assert "Response Code: 500" in found["error"] and "Traceback" not in found["error"]
    assert (found["other"], found["tags after"]) == ({"other": 16}, {"team": "b"})
    assert found["one"] == ["plus"]
    assert 'ACI service creation operation finished, operation "Succeeded"' in notebook.printed


@pytest.mark.slow
def test_a_script_whose_init_fails_is_told_with_its_traceback(notebook: Notebook) -> None:
    write_source(notebook, "3.11")
    notebook.write("source/score.py", "def init():\n    open('absent.pkl')\ndef run(text):\n    return 1\n")
    body = "\n".join(f"    {line}" for line in DEPLOY.strip().splitlines())
    imports = "from azureml.exceptions import WebserviceException\n"
    code = f"{imports}try:\n{body}\nexcept WebserviceException as error:\n    result = str(error)\nservice.delete()\n"
    told = notebook(code.replace("NAME", "failing-init").replace("MINOR", "3.11"))
    assert "init() failed: FileNotFoundError" in told
    assert "Traceback (most recent call last)" in told and 'score.py", line 2, in init' in told


@pytest.mark.slow
def test_several_models_without_a_script_are_refused_with_what_to_give(notebook: Notebook) -> None:
    write_source(notebook, "3.11")
    told = notebook(
        "from azureml.exceptions import WebserviceException\n"
        "models = [Model.register(ws, 'models/%s.json' % name, name) for name in ('plus', 'times')]\n"
        "try:\n    Model.deploy(ws, 'neither', models)\n"
        "except WebserviceException as error:\n    result = str(error)\n"
    )
    assert "entry_script" in told
