"""The article's own code, block by block and unchanged, from a process that has nothing but the SDK and a config.json."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.portal import Portal
from tests.sdk.conftest import REPOSITORY, interpreter

ARTICLE = Path(__file__).parent / "article.md"
IRIS = REPOSITORY / "examples" / "iris" / "train_iris.py"

# The article deploys and says that the service can be called; these lines do what it says of it.
CALL = """
service = web_service
service.wait_for_deployment(show_output=True)
import json
answer = service.run(json.dumps({"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], "method": "predict_proba"}))
print("ANSWER", json.dumps(answer))
print("LABELS", json.dumps(service.run(json.dumps({"data": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}))))
print("STATE", service.state, model.name, model.version, run.get_status())
print("METRICS", json.dumps(run.get_metrics()))
service.delete()
"""


def blocks(language: str) -> list[str]:
    """The article's code blocks of a language, in order, to the letter."""
    return re.findall(rf"^``` ?{language}\n(.*?)^```", ARTICLE.read_text(), re.DOTALL | re.MULTILINE | re.IGNORECASE)


def program() -> str:
    """The blocks one after the other. The article names its ScriptRunConfig twice differently: one line joins the two.

    The block that is for the training script is in that script already.
    """
    code = [block for block in blocks("python") if "joblib.dump" not in block]
    assert len(code) == 7
    text = "\n".join(code)
    assert text.count("src.run_config") == 1
    return text.replace("src.run_config", "src = sklearnconfig\nsrc.run_config") + CALL


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    """A folder with the article's two files."""
    folder = tmp_path / "laptop"
    folder.mkdir()
    (environment,) = (block for block in blocks("yaml") if "dependencies:" in block)
    (folder / "sklearn-env.yml").write_text(environment)
    script = IRIS.read_text()
    assert script.count("C=args.penalty)") == 1
    # without it a support vector machine has no predict_proba, which the article's service is asked for
    (folder / "train_iris.py").write_text(script.replace("C=args.penalty)", "C=args.penalty, probability=True)"))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("minor", ["3.6", "3.13"])
def test_the_articles_code_runs_unchanged(
    portal: Portal, laptop: Path, offline_environment: dict[str, str], minor: str
) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"Python {minor} is not installed")
    if interpreter("3.6") is None:
        pytest.skip("the article's environment asks for Python 3.6")
    request = urllib.request.Request(
        f"{portal.url}/api/v1/workspaces/default/config.json", headers={"Authorization": f"Bearer {portal.token}"}
    )
    with urllib.request.urlopen(request) as answer:
        (laptop / "config.json").write_bytes(answer.read())
    (laptop / "article.py").write_text(program())

    done = subprocess.run(
        [python, "article.py"],
        cwd=laptop,
        env={**offline_environment, "MLPORTAL_TOKEN": portal.token},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.split(" ")[0].isupper() and " " in line)
    probabilities = json.loads(told["ANSWER"])
    assert [round(sum(row), 6) for row in probabilities] == [1.0, 1.0]
    assert probabilities[0][0] > 0.9
    assert probabilities[1][2] > 0.9
    assert json.loads(told["LABELS"]) == [0, 2]
    assert told["STATE"].startswith("Healthy sklearn-iris ")
    assert told["STATE"].endswith(" Completed")
    metrics = json.loads(told["METRICS"])
    assert round(metrics.pop("Accuracy"), 4) == 0.9737
    assert metrics == {"Kernel type": "linear", "Penalty": 1.0}
    # the log came while it was written, under its heading, and the end of the deployment as Azure words it
    assert "RunId: " in done.stdout
    assert "Web View: http" in done.stdout
    assert "Streaming user_logs/std_log.txt\n===============================\n" in done.stdout
    assert "Accuracy of the support vector machine on the test set: 0.97" in done.stdout
    assert "Execution Summary\n=================\n" in done.stdout
    assert 'ACI service creation operation finished, operation "Succeeded"' in done.stdout
