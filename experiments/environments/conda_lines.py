"""One line of a conda file's `dependencies`: conda's match specification, and its versions as PEP 440.

Source: conda's MatchSpec (`channel::name version build`, `name=version=build`, `name[key=value]`). `=1.2` is fuzzy
(every 1.2.*), `==1.2` and a bare `1.2` after a space are exact.
"""

import re
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_AROUND_OPERATORS = re.compile(r"\s*(===|==|>=|<=|!=|~=|=|>|<|,|\|)\s*")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*)(.*)", re.DOTALL)
_KEY_VALUE = re.compile(r"(\w+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^,\s]*))")
_CONSTRAINT = re.compile(r"(==|>=|<=|!=|~=|>|<|=)?(.+)", re.DOTALL)


@dataclass(frozen=True)
class MatchSpec:
    """`version` is a PEP 440 specifier set ("" for any); `ignored` tells in words what has no meaning on PyPI."""

    name: str
    version: str = ""
    extras: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def parse_match_spec(line: str) -> MatchSpec:
    """Read one line. Raises ValueError with a message for the person who wrote it."""
    ignored: list[str] = []
    rest = line.strip()
    if "::" in rest:
        channel, rest = rest.split("::", 1)
        ignored.append(f"the channel {channel.strip()!r}")
    extras, inside, rest = _brackets(rest)
    words = _AROUND_OPERATORS.sub(r"\1", rest).split()
    match = _NAME.fullmatch(words[0]) if words else None
    if match is None or len(words) > 3:
        raise ValueError(f"{line.strip()!r} is not a package, with or without a version")
    name, attached = match.groups()
    if attached:
        if len(words) > 2:
            raise ValueError(f"{line.strip()!r} is not a package, with or without a version")
        version, build = _version_and_build(attached)
        build = build or "".join(words[1:])
    else:
        version, build = (words[1] if len(words) > 1 else ""), "".join(words[2:])
    version = inside.pop("version", version)
    build = inside.pop("build", build)
    if build and build != "*":
        ignored.append(f"the build {build!r}")
    ignored += [f"{key}={value}" for key, value in inside.items()]
    return MatchSpec(name, specifier(version, exact=bool(build) and "*" not in build), extras, tuple(ignored))


def specifier(version: str, *, exact: bool = False) -> str:
    """A conda version constraint as a PEP 440 specifier set; `exact` reads `=1.2` as 1.2 itself (a build was named)."""
    if version in {"", "*"}:
        return ""
    if "|" in version:
        raise ValueError(f"{version!r}: alternatives with | cannot be asked of PyPI; write a range such as >=1.2,<2")
    parts = [_part(part, exact=exact) for part in version.split(",") if part not in {"", "*"}]
    try:
        return str(SpecifierSet(",".join(parts)))
    except InvalidSpecifier:
        raise ValueError(f"{version!r} is not a version constraint that PyPI knows") from None


def _brackets(text: str) -> tuple[tuple[str, ...], dict[str, str], str]:
    """Extras, `key=value` pairs and the text without its brackets; conda takes pairs only, people write extras too."""
    found = _BRACKETS.search(text)
    if found is None:
        return (), {}, text
    content, rest = found.group(1), text[: found.start()] + text[found.end() :]
    if "=" not in content:
        return tuple(sorted(extra.strip() for extra in content.split(",") if extra.strip())), {}, rest
    pairs = {m.group(1): next((v for v in m.groups()[1:] if v), "") for m in _KEY_VALUE.finditer(content)}
    return (), {key: re.sub(r"\s+", "", value) for key, value in pairs.items()}, rest


def _version_and_build(attached: str) -> tuple[str, str]:
    """`=1.2=py36_0` → (`=1.2`, `py36_0`); ranges have no build."""
    operator = "==" if attached.startswith("==") else "=" if attached.startswith("=") else ""
    if not operator:
        return attached, ""
    version, _, build = attached.removeprefix(operator).partition("=")
    return operator + version, build


def _part(part: str, *, exact: bool) -> str:
    match = _CONSTRAINT.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!r} is not a version")
    operator, version = match.group(1) or "", match.group(2)
    starred = version.endswith("*")
    number = version.rstrip("*").rstrip(".")
    try:
        parsed = Version(number)
    except InvalidVersion:
        raise ValueError(f"{version!r} is not a version that PyPI knows") from None
    if operator in {"", "=", "=="}:
        is_release = not (parsed.is_prerelease or parsed.is_postrelease or parsed.local)
        fuzzy = starred or (operator == "=" and not exact)
        return f"=={number}.*" if fuzzy and is_release else f"=={number}"
    if operator == "!=" and starred:
        return f"!={number}.*"
    return f"{operator}{number}"
