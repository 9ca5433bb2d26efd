"""Imports run one way. Read from the source by ast: an import inside a function counts, one for types only does not."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("mlportal", "experiments", "models_registry")
APPS = ("experiments", "models_registry")

# Within an app, each layer and the ones that it may not know. Managers are made of querysets, so models stand on them.
ABOVE = {
    "status": ("querysets", "models", "services", "tasks", "api", "views", "forms", "admin", "urls"),
    "querysets": ("models", "services", "tasks", "api", "views", "forms", "admin", "urls"),
    "models": ("services", "tasks", "api", "views", "forms", "admin", "urls"),
    "services": ("tasks", "api", "views", "forms", "admin", "urls"),
    "tasks": ("api", "views", "forms", "admin", "urls"),
    "api": ("tasks", "views", "forms", "admin"),
    "views": ("tasks", "api", "admin"),
}
# Parts that stand on nothing of ours and nothing of Django's, so that they work in any process.
PURE = (
    "experiments/environments",
    "experiments/metrics",
    "experiments/runner",
    "experiments/snapshots",
    "models_registry/inspection",
    "models_registry/serving/gateway",
    "models_registry/serving/measuring.py",
    "models_registry/serving/probe.py",
    "models_registry/serving/replica.py",
    "models_registry/serving/worker",
    "models_registry/tables",
)
FRAMEWORKS = ("django", "rest_framework", "celery", "kombu", "mlportal")
# What runs in another Python than the portal's, and what it may use of that one beside the standard library.
ELSEWHERE = {
    "experiments/runner": set(),
    "models_registry/inspection/lister.py": set(),
    "models_registry/serving/worker": {"numpy", "joblib", "pandas", "skops"},
    "sdk": {"numpy", "matplotlib", "PIL", "pandas"},
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    """Full dotted names of what the file imports; `from a import b` gives `a.b`."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in _at_run_time(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that is not below `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _at_run_time(child)


def files_below(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def is_in(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def wrong(files: list[Path], *forbidden: str) -> list[str]:
    """`file imports name`, for every import of something forbidden."""
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports_of(path)
        if any(is_in(name, module) for module in forbidden)
    ]


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("layer", ABOVE)
def test_a_layer_knows_only_the_layers_below_it(app: str, layer: str) -> None:
    place = f"{app}/{layer}" if (ROOT / app / layer).is_dir() else f"{app}/{layer}.py"
    files = files_below(place)
    assert files and all(path.exists() for path in files)
    assert not wrong(files, *(f"{app}.{above}" for above in ABOVE[layer]))


def test_experiments_know_nothing_of_models() -> None:
    assert not wrong(files_below("experiments"), "models_registry")


@pytest.mark.parametrize("part", ["access", "blobs"])
def test_what_both_apps_stand_on_knows_neither(part: str) -> None:
    assert not wrong(files_below(f"mlportal/{part}"), *APPS)


@pytest.mark.parametrize("place", PURE)
def test_the_pure_parts_know_nothing_of_django(place: str) -> None:
    assert files_below(place)
    assert not wrong(files_below(place), *FRAMEWORKS)


@pytest.mark.parametrize("place", ELSEWHERE)
def test_what_runs_in_another_python_needs_only_what_is_there(place: str) -> None:
    beside = {path.stem for path in (ROOT / place).parent.glob("*.py")} if place.endswith(".py") else set()
    own = {"experiments", "azureml", "mlportal_sdk"} | beside
    inside = place.replace("/", ".") + "."
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files_below(place)
        for name in imports_of(path)
        if name.partition(".")[0] not in sys.stdlib_module_names | own | ELSEWHERE[place]
        and not name.startswith(inside)
    }
    assert not found


def test_views_tasks_and_api_write_no_status() -> None:
    """`move` is the services' to call."""
    callers = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for app in APPS
        for layer in ("views", "api", "tasks.py", "admin.py")
        for path in files_below(f"{app}/{layer}")
        if path.exists()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "move"
    ]
    assert not callers


def test_the_reader_of_imports_sees_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that reads nothing holds always."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "app" / "services").mkdir(parents=True)
    path = tmp_path / "app" / "services" / "submit.py"
    path.write_text(
        "from __future__ import annotations\n"
        "import os.path as p\nfrom .. import views\nfrom . import runs\nfrom app.api import urls\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import unseen\n"
        "def late():\n    from app.tasks import advance\n"
    )
    found = set(imports_of(path))
    assert {"os.path", "app.views", "app.services.runs", "app.api.urls", "app.tasks.advance"} <= found
    assert "unseen" not in found
    assert wrong([path], "app.views") == ["app/services/submit.py imports app.views"]
