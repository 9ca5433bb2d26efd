"""A conda environment file, as Azure ML reads it, to an EnvironmentSpec."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from experiments.environments.conda_lines import parse_match_spec
from experiments.environments.conda_names import CondaOnly, Dropped, living, on_pypi
from experiments.environments.contradictions import Wish, contradictions
from experiments.environments.errors import EnvironmentFileError, FileError
from experiments.environments.pip_lines import parse_pip_line
from experiments.environments.spec import EnvironmentSpec, Note, PipPolicy
from experiments.environments.yaml_loading import Document, Listing, Mapping, Node, Scalar, load

_AS_OF = re.compile(r"as-of\s*:\s*(\S*)", re.IGNORECASE)
_KNOWN = {"name", "channels", "dependencies"}
# A line may be as long as the file; what is said about it may not.
_MESSAGE_LENGTH = 400
_IN_DEPENDENCIES, _IN_PIP = "dependencies", "dependencies.pip"
_SERVED = re.compile(r"azureml-(defaults|core|sdk|widgets|mlflow|telemetry|(train|pipeline)(-.*)?)")


def parse_conda_yaml(text: str | bytes, *, policy: PipPolicy | None = None) -> EnvironmentSpec:
    """Read and check a whole file. Raises EnvironmentFileError with every error that was found, each with its line."""
    return _Reader(policy or PipPolicy()).read(load(text))


class _Reader:
    def __init__(self, policy: PipPolicy) -> None:
        self.policy = policy
        self.errors: list[FileError] = []
        self.notes: list[Note] = []
        self.requirements: set[str] = set()
        self.wishes: dict[str, list[Wish]] = {}
        self.provided: set[str] = set()
        self.python: list[str] = []
        self.python_line: int | None = None
        self.index_options: list[str] = []
        self.prereleases = False

    def read(self, document: Document) -> EnvironmentSpec:
        root = document.root
        if not isinstance(root, Mapping):
            raise EnvironmentFileError("the file needs `key: value` lines, `dependencies:` first of all", line=1)
        fields = {key.value: (key, node) for key, node in root.entries}
        name = self._name(*fields["name"]) if "name" in fields else None
        if "channels" in fields:
            self._channels(*fields["channels"])
        if "dependencies" in fields:
            self._dependencies(*fields["dependencies"])
        else:
            self._error("there is no `dependencies:` list", root.line, _IN_DEPENDENCIES)
        for key, _ in root.entries:
            if key.value not in _KNOWN:
                self._note(f"{key.value} is not used here", key.line, key.value)
        as_of = self._as_of(document.comments)
        self.errors += contradictions(self.wishes)
        if self.errors:
            raise EnvironmentFileError.of(self.errors)
        return EnvironmentSpec(
            name=name,
            python=str(SpecifierSet(",".join(self.python))),
            python_line=self.python_line,
            requirements=tuple(sorted(self.requirements)),
            provided=tuple(sorted(self.provided)),
            as_of=as_of,
            index_options=tuple(dict.fromkeys(self.index_options)),
            prereleases=self.prereleases,
            notes=tuple(sorted(self.notes, key=lambda note: note.line or 0)),
        )

    def _error(self, message: str, line: int, key: str) -> None:
        self.errors.append(FileError(message, line, key))

    def _note(self, text: str, line: int, key: str) -> None:
        self.notes.append(Note(text, line, key))

    def _name(self, key: Scalar, node: Node) -> str | None:
        if not isinstance(node, Scalar):
            self._error("the name has to be a single value", key.line, "name")
            return None
        return None if node.is_null else node.value

    def _channels(self, key: Scalar, node: Node) -> None:
        items = [node] if isinstance(node, Scalar) and not node.is_null else getattr(node, "items", [])
        if isinstance(node, Mapping) or not all(isinstance(item, Scalar) for item in items):
            self._error("channels has to be a list of names", key.line, "channels")
        elif items:
            self._note("channels are not used: the packages come from PyPI", key.line, "channels")

    def _as_of(self, comments: Iterable[tuple[int, str]]) -> date | None:
        days: dict[date, int] = {}
        for line, comment in comments:
            if match := _AS_OF.match(comment):
                try:
                    day = date.fromisoformat(match.group(1))
                except ValueError:
                    self._error(f"{match.group(1)!r} is not a day such as 2020-07-24", line, "as-of")
                else:
                    days[day] = line
                    if day > datetime.now(UTC).date():
                        self._error(f"{day} is still to come", line, "as-of")
        if len(days) > 1:
            self._error("as-of is there twice, with different days", max(days.values()), "as-of")
        return next(iter(days), None)

    def _dependencies(self, key: Scalar, node: Node) -> None:
        if isinstance(node, Scalar) and node.is_null:
            return
        if not isinstance(node, Listing):
            self._error("dependencies has to be a list", key.line, _IN_DEPENDENCIES)
            return
        for item in node.items:
            if isinstance(item, Scalar):
                self._line(item, _IN_DEPENDENCIES)
            elif isinstance(item, Mapping):
                for inner, value in item.entries:
                    self._pip_list(inner, value)
            else:
                self._error("a list inside the list of dependencies has no meaning", item.line, _IN_DEPENDENCIES)

    def _pip_list(self, key: Scalar, node: Node) -> None:
        if key.value != "pip":
            hint = f"; write {key.value}={node.value}" if isinstance(node, Scalar) and not node.is_null else ""
            self._error(f"{key.value!r} with a colon has no meaning here{hint}", key.line, _IN_DEPENDENCIES)
        elif isinstance(node, Listing):
            for item in node.items:
                if isinstance(item, Scalar):
                    self._line(item, _IN_PIP)
                else:
                    self._error(
                        "an entry of the pip list has to be one line, in quotes if it has a colon", item.line, _IN_PIP
                    )
        elif not (isinstance(node, Scalar) and node.is_null):
            self._error("pip has to be a list", key.line, _IN_PIP)

    def _line(self, item: Scalar, key: str) -> None:
        if item.is_null:
            self._note("an empty entry is left out", item.line, key)
        elif not item.is_text:
            self._error(f"{item.value!r} is not the name of a package", item.line, key)
        else:
            take = self._conda_line if key == _IN_DEPENDENCIES else self._pip_line
            for text in filter(None, map(str.strip, item.value.splitlines())):
                try:
                    take(text, item.line)
                except ValueError as error:
                    self._error(str(error)[:_MESSAGE_LENGTH], item.line, key)

    def _conda_line(self, text: str, line: int) -> None:
        wanted = parse_match_spec(text)
        if wanted.ignored:
            self._note(f"{wanted.name}: {', '.join(wanted.ignored)} is not used", line, _IN_DEPENDENCIES)
        if wanted.name.lower() == "python":
            self.python.append(_python(wanted.version))
            self.python_line = self.python_line or line
            self._wish("python", text, line, _IN_DEPENDENCIES, self.python[-1])
            return
        if self._is_provided(wanted.name, line, _IN_DEPENDENCIES):
            return
        found = on_pypi(wanted.name)
        if isinstance(found, CondaOnly):
            raise ValueError(f"only conda has {wanted.name}: {found.why}")
        if isinstance(found, Dropped):
            self._note(f"{wanted.name} is left out: {found.why}", line, _IN_DEPENDENCIES)
            return
        if found.why:
            self._note(found.why, line, _IN_DEPENDENCIES)
        extras = (*wanted.extras, *found.extras)
        specifier = "" if found.dead else wanted.version
        self._wish(found.name, text, line, _IN_DEPENDENCIES, specifier)
        self._require(found.name, extras, specifier, "")

    def _pip_line(self, text: str, line: int) -> None:
        parsed = parse_pip_line(text, self.policy)
        self.index_options += parsed.index_options
        self.prereleases |= parsed.prereleases
        for remark in parsed.left_out:
            self._note(remark, line, _IN_PIP)
        if parsed.requirement is not None:
            self._pip_requirement(parsed.requirement, line)

    def _pip_requirement(self, wanted: Requirement, line: int) -> None:
        canonical = canonicalize_name(wanted.name)
        if canonical == "python":
            raise ValueError("pip does not install Python; name it in the list of dependencies as python=3.x")
        if canonical == "pip":
            self._note("pip is left out: the portal installs the packages itself", line, _IN_PIP)
            return
        if self._is_provided(canonical, line, _IN_PIP):
            return
        found = living(canonical)
        if found.why:
            self._note(found.why, line, _IN_PIP)
        marker = str(wanted.marker) if wanted.marker else ""
        specifier = "" if found.dead else str(wanted.specifier)
        if not marker:  # lines with markers are often meant for different machines
            self._wish(found.name, str(wanted), line, _IN_PIP, specifier)
        self._require(found.name, wanted.extras, specifier, marker)

    def _wish(self, name: str, text: str, line: int, key: str, specifier: str) -> None:
        self.wishes.setdefault(name, []).append(Wish(text, line, key, specifier))

    def _is_provided(self, name: str, line: int, key: str) -> bool:
        canonical = str(canonicalize_name(name))
        if canonical != "azureml" and not canonical.startswith("azureml-"):
            return False
        self.provided.add(canonical)
        if canonical == "azureml-mlflow":
            self._note("azureml-mlflow is the portal's own: add mlflow if the script imports it", line, key)
        elif not _SERVED.fullmatch(canonical):
            self._note(f"{canonical}: only what the portal's own sdk has of it can be imported", line, key)
        return True

    def _require(self, name: str, extras: Iterable[str], specifier: str, marker: str) -> None:
        wanted = ",".join(sorted({str(canonicalize_name(extra)) for extra in extras}))
        line = name + (f"[{wanted}]" if wanted else "") + specifier + (f"; {marker}" if marker else "")
        self.requirements.add(str(Requirement(line)))


def _python(specifier: str) -> str:
    """`==3.6.2.*`, which conda's `python=3.6.2` reads as, names one Python: 3.6.2."""
    parts = [str(part) for part in SpecifierSet(specifier)]
    for index, part in enumerate(parts):
        number = part.removeprefix("==").removesuffix(".*")
        if part.startswith("==") and part.endswith(".*") and len(Version(number).release) > 2:
            parts[index] = f"=={number}"
    return ",".join(sorted(parts))
