"""What is true of the checkout as a whole: nothing of one machine in it, pinned dependencies, pages and links that hold together."""

from __future__ import annotations

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parent.parent
VENDORED = ("static/vendor/",)
LOCKS = ("requirements.lock", "requirements-dev.lock")
# Written in halves: this file is looked through, too.
MACHINE_PATHS = re.compile(r"(?<![\w}.])/(root/|home/[a-z]|Users/|work/" + r"|tmp/" + "bash)")
REGISTRY_HOSTS = re.compile(
    "|".join(
        [
            "pypi" + r"\.org",
            "python" + r"hosted\.org",
            "registry" + r"\.npmjs",
            "conda" + r"\.anaconda\.org",
            "jsdelivr" + r"\.net",
            "unpkg" + r"\.com",
        ]
    )
)
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s\\;]+)", re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?\)")
PAGE = re.compile(r"<html|<!doctype", re.IGNORECASE)


@cache
def tracked() -> list[str]:
    """What git has, and what it would take: files of a working tree that is not committed yet count."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return sorted(name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


def texts(*, vendored: bool = False) -> dict[str, str]:
    """{name: text} of the files that are text."""
    found = {}
    for name in tracked():
        data = (ROOT / name).read_bytes()
        if (vendored or not name.startswith(VENDORED)) and b"\0" not in data:
            found[name] = data.decode("utf-8", "replace")
    return found


def lines_with(pattern: re.Pattern[str], *, vendored: bool = False) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts(vendored=vendored).items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_knows_a_path_of_one_machine() -> None:
    assert not lines_with(MACHINE_PATHS)


def test_no_file_knows_the_host_of_a_package_index() -> None:
    """Where packages come from is the machine's configuration."""
    assert not lines_with(REGISTRY_HOSTS)


def test_nothing_made_by_running_is_tracked() -> None:
    made = re.compile(r"(^|/)(var|\.venv|__pycache__|benchmarks/results)/|\.(pyc|sqlite3|log)$|secret\.key$")
    assert not [name for name in tracked() if made.search(name)]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_its_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    packages = PINNED.findall(text)
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(packages) == len(blocks) > 20
    assert not [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block]
    assert "://" not in text
    assert "@" not in text


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-dev.lock": [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]],
    }
    for lock, dependencies in wanted.items():
        locked = {name.lower() for name, _ in PINNED.findall((ROOT / lock).read_text())}
        names = {re.split(r"[\s<>=!~\[;]", dependency)[0].lower().replace("_", "-") for dependency in dependencies}
        assert names <= locked, f"make lock: {lock} lacks {sorted(names - locked)}"


def test_the_two_locks_agree() -> None:
    """What is tested is what runs."""
    runtime, development = (set(PINNED.findall((ROOT / lock).read_text())) for lock in LOCKS)
    assert runtime <= development


def test_every_page_extends_a_base() -> None:
    """A template that a view renders as a page is built on one of the two that begin the document."""
    templates = {
        name: text for name, text in texts().items() if name.startswith("templates/") and name.endswith(".html")
    }
    whole = sorted(name for name, text in templates.items() if PAGE.search(text))
    # The third one is the library's own page of the API, with a language and a title.
    assert set(whole) <= {"templates/base.html", "templates/plain.html", "templates/drf_spectacular/swagger_ui.html"}
    extended = {target for text in templates.values() for target in re.findall(r"{% extends ['\"]([^'\"]+)", text)}
    assert extended
    assert not [target for target in extended if f"templates/{target}" not in templates]


def test_no_page_asks_another_machine_for_anything() -> None:
    """Scripts, styles, fonts and pictures are all served by the portal."""
    outside = re.compile(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", re.IGNORECASE)
    links = re.compile(r"<a\s[^>]*href=", re.IGNORECASE)
    found = [
        f"{name}: {line.strip()[:120]}"
        for name, text in texts().items()
        if name.startswith(("templates/", "static/"))
        for line in text.splitlines()
        if outside.search(links.sub("", line))
    ]
    assert not found


def test_no_page_holds_a_script_of_its_own() -> None:
    """The content security policy would refuse it; what a page needs to know travels in data attributes."""
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>|\son(?:click|change|submit|load|input)=", re.IGNORECASE
    )
    assert not [name for name, text in texts().items() if name.startswith("templates/") and inline.search(text)]


def test_the_changelog_tells_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for name, text in texts().items():
        if not name.endswith(".md"):
            continue
        for target in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = unquote(target).partition("#")
            path = (ROOT / name).parent / file if file else ROOT / name
            if not path.exists() or (anchor and anchor not in anchors(path)):
                broken.append(f"{name}: {target}")
    assert not broken


def anchors(path: Path) -> set[str]:
    """The names that headings of a document can be linked by."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_of_the_documentation_is_linked_from_its_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    linked = {(ROOT / "docs" / target).resolve() for target in LINK.findall(index) if ":" not in target}
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md") if path.name != "index.md"}
    assert not sorted(str(page.relative_to(ROOT)) for page in pages - linked)
