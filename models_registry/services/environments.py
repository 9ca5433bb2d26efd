"""The environment that a service runs in: given, or where its models were trained, or the nearest that the portal has."""

from __future__ import annotations

import re
from collections.abc import Sequence

from experiments.models import EnvironmentVersion
from experiments.services import add_version, check_definition
from mlportal.access.models import User, Workspace
from mlportal.errors import BadInput
from models_registry.models import ModelVersion
from models_registry.models.registry import Framework
from models_registry.services import scikit_learn
from models_registry.services.mlmodel import conda_yaml, model_path
from models_registry.services.registration import suggested_framework_version

# The scikit-learn of each curated environment; a lock, where there is one, knows better.
CURATED = {"AzureML-Tutorial": "0.23", "azureml-sklearn-1.5": "1.5", "sklearn-today": "1.8"}
# What MLflow writes into every conda.yaml; scikit-learn's estimators are loaded without it.
MLFLOW = re.compile(r"^\s*-\s*mlflow(-skinny)?\s*([=<>~!][^\n]*)?\n", re.MULTILINE)
LAST_BEFORE_1 = 24  # 1.0 came after 0.24


def environment_for(
    workspace: Workspace,
    versions: Sequence[ModelVersion],
    given: EnvironmentVersion | None,
    has_script: bool = False,
    *,
    by: User | None = None,
) -> tuple[EnvironmentVersion | None, str]:
    """(the environment, what a person should know of how it was chosen). BadInput says what to give.

    `by` deploys, and an environment may be made for it; None: somebody only looks, and is told what would be. The
    environment is None then while it has yet to be made.
    """
    if given is not None:
        return given, ""
    theirs = list(dict.fromkeys(version.environment_version for version in versions))
    known = [environment for environment in theirs if environment is not None]
    if len(known) == 1:
        return known[0], ""
    if known:
        raise BadInput(
            f"The models come from {len(known)} environments, {', '.join(map(str, known[:5]))}: say in "
            "inference.environment which one they are served in.",
            field="inference.environment",
        )
    if not versions:
        raise BadInput("An entry script without models needs inference.environment.", field="inference.environment")
    if brought := [(version, text) for version in versions if (text := conda_yaml(version))]:
        return _brought(workspace, *brought[0], by)
    fitting = next((version for version in versions if _numbers(version.framework_version)), None)
    if fitting is None or fitting.framework != Framework.SCIKITLEARN:
        what = "give inference.environment" if has_script else "give inference with an environment"
        raise BadInput(
            f"{versions[0]} has no environment, so nobody knows what it needs: {what}, or register it with the "
            "framework_version of its scikit-learn.",
            field="inference.environment",
        )
    return _fitting(workspace, fitting, by)


def _brought(
    workspace: Workspace, version: ModelVersion, text: str, by: User | None
) -> tuple[EnvironmentVersion | None, str]:
    """The one that MLflow wrote beside the model. BadInput says what is wrong with it."""
    name = f"mlflow-{version.model.name[:200]}-{version.version}"
    without = MLFLOW.sub("", text) if model_path(version.mlmodel) else text
    errors = check_definition(without).errors
    if errors:
        raise BadInput(
            f"The conda.yaml beside {version} cannot be used: {errors[0]['message']}. Give inference with an environment.",
            field="inference.environment",
        )
    left = "" if without == text else " It has no mlflow in it, which serving the estimator does not need."
    note = f"{version} runs in {name}, which is made of the conda.yaml that it was logged with.{left}"
    return (add_version(workspace, name, without, by=by) if by else None), note


def _fitting(workspace: Workspace, version: ModelVersion, by: User | None) -> tuple[EnvironmentVersion | None, str]:
    """One of the portal's own with the same minor of scikit-learn; else one that is made of that very version; else, where
    no machine has a Python for it, the portal's nearest."""
    wanted = _numbers(version.framework_version)
    assert wanted is not None
    rows = EnvironmentVersion.objects.filter(
        environment__workspace=workspace, environment__curated=True, environment__name__in=CURATED
    )
    newest = {row.environment.name: row for row in rows.select_related("environment").order_by("version")}
    if not newest:
        raise BadInput(
            f"{version} has no environment, and the workspace has none of the portal's own: give one.",
            field="inference.environment",
        )

    def there(row: EnvironmentVersion) -> str:
        return suggested_framework_version(row) or CURATED[row.environment.name]

    def distance(row: EnvironmentVersion) -> tuple[int, int]:
        place = _place(_numbers(there(row)) or (0, 0))
        return abs(place - _place(wanted)), -place  # of two that are as near, the newer one

    best = min(newest.values(), key=distance)
    number = there(best)
    is_same = distance(best)[0] == 0
    definition = "" if is_same else scikit_learn.definition_of(version.framework_version)
    if definition and not check_definition(definition).errors:
        name = f"scikit-learn-{version.framework_version}"
        note = f"{version} has no environment of its own. It runs in {name}, which is made for it, with packages of its time."
        return (add_version(workspace, name, definition, by=by) if by else None), note
    fits = "which fits" if is_same else "the nearest to"
    advice = "" if is_same else " If it does not load there, give an environment that has it."
    note = (
        f"{version} has no environment of its own. It runs in {best} with scikit-learn {number}, {fits} "
        f"scikit-learn {version.framework_version}.{advice}"
    )
    return best, note


def _numbers(text: str) -> tuple[int, int] | None:
    """(major, minor) of a version such as 1.5.2; None for what is none."""
    found = re.match(r"\D{0,3}(\d{1,4})\.(\d{1,4})", text)
    return (int(found[1]), int(found[2])) if found else None


def _place(numbers: tuple[int, int]) -> int:
    """Releases in a row: 0.24, 1.0, 1.1."""
    major, minor = numbers
    return minor if major == 0 else LAST_BEFORE_1 + 1 + minor + 100 * (major - 1)
