"""One line of a conda file's `pip:` list: a requirement, or an option judged by the policy.

Nothing is read from or sent to where a line points: other files, folders and addresses are refused, and an index is
used only if the portal's owner allowed its address.
"""

import re
import shlex
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from experiments.environments.spec import PipPolicy

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_FIRST_OPTION = re.compile(r"(?:^|\s)(?=--?[A-Za-z])")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PATH = re.compile(r"^[.~/\\]|[/\\]|\.(?:whl|zip|tar\.gz|tar\.bz2|tgz)(?:\[|$)", re.IGNORECASE)

_INDEX = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--pypi-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
}
_REFUSED = {
    "-r": "other files are not read; list the packages here",
    "--requirement": "other files are not read; list the packages here",
    "-c": "other files are not read; write the versions next to the packages",
    "--constraint": "other files are not read; write the versions next to the packages",
    "-e": "packages are installed from the index only; put the code into the snapshot and import it",
    "--editable": "packages are installed from the index only; put the code into the snapshot and import it",
}
_WITHOUT_VALUE = re.compile(
    r"-[UIqv]|--(upgrade|ignore-installed|quiet|verbose|user|no-deps|force-reinstall|no-cache-dir|no-index|"
    r"disable-pip-version-check|prefer-binary|require-hashes|no-build-isolation|(no-)?use-pep517|no-clean|no-color|"
    r"no-warn-script-location|no-warn-conflicts|isolated|(no-)?compile|ignore-requires-python|break-system-packages)"
)
_WITH_VALUE = re.compile(
    r"-t|--(trusted-host|no-binary|only-binary|use-feature|use-deprecated|hash|timeout|default-timeout|retries|"
    r"progress-bar|upgrade-strategy|global-option|install-option|config-settings|cert|client-cert|proxy|cache-dir|"
    r"exists-action|target|prefix|root|platform|python-version|abi|implementation)"
)


@dataclass
class PipLine:
    """What a line brings: at most one requirement; whole index options; remarks on what was left out."""

    requirement: Requirement | None = None
    index_options: list[str] = field(default_factory=list)
    prereleases: bool = False
    left_out: list[str] = field(default_factory=list)


def parse_pip_line(line: str, policy: PipPolicy) -> PipLine:
    """Read one line of a requirements file. Raises ValueError with a message for the person who wrote it."""
    text = _COMMENT.sub("", line).strip()
    result = PipLine()
    first = _FIRST_OPTION.search(text)
    head, tail = (text[: first.start()].strip(), text[first.end() :]) if first else (text, "")
    if head:
        result.requirement = _requirement(head)
    try:
        words = shlex.split(tail)
    except ValueError:
        raise ValueError(f"the quotes in {without_secrets(tail)!r} do not match") from None
    while words:
        _take_option(words, result, policy)
    return result


def _requirement(text: str) -> Requirement:
    shown, target = without_secrets(text), text.split(";")[0]
    if "@" in target or _ADDRESS.match(target):
        raise ValueError(f"{shown!r}: packages are not installed from addresses; name a release that the index has")
    if _PATH.search(target):
        raise ValueError(
            f"{shown!r}: packages are not installed from files or folders; name them as the index does, or put the "
            "code into the snapshot and import it"
        )
    try:
        return Requirement(text)
    except InvalidRequirement:
        raise ValueError(f"{shown!r} is not a requirement such as name or name>=1,<2") from None


def _take_option(words: list[str], result: PipLine, policy: PipPolicy) -> None:
    option, value = _split_option(words.pop(0))

    def needed() -> str:
        if value is None and not words:
            raise ValueError(f"{option} needs a value")
        return value if value is not None else words.pop(0)

    if option in _REFUSED:
        target = without_secrets(needed())
        raise ValueError(f"{option} {target}: {_REFUSED[option]}")
    if option in _INDEX:
        _take_index(_INDEX[option], needed(), result, policy)
    elif option == "--pre":
        result.prereleases = True
    elif _WITH_VALUE.fullmatch(option):
        result.left_out.append(f"{option} {without_secrets(needed())} is left out; the portal decides how to install")
    elif _WITHOUT_VALUE.fullmatch(option):
        result.left_out.append(f"{option} is left out; the portal decides how to install")
    else:
        raise ValueError(f"{without_secrets(option)!r} is neither a package nor an option of pip that is known here")


def _split_option(word: str) -> tuple[str, str | None]:
    if word.startswith("--"):
        option, equals, value = word.partition("=")
        return option, value if equals else None
    return word[:2], word[2:].removeprefix("=") or None


def _take_index(option: str, address: str, result: PipLine, policy: PipPolicy) -> None:
    allowed = {_comparable(each) for each in policy.allowed_indexes}
    if _comparable(address) in allowed:
        result.index_options.append(f"{option}={address}")
        return
    shown = without_secrets(address)
    result.left_out.append(f"{option} {shown} is left out; this portal does not allow it and uses its own index")


def _comparable(address: str) -> str:
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return address
    path = parts.path.rstrip("/")
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), path=path).geturl()


def without_secrets(text: str) -> str:
    """The text without user names, passwords and query strings of addresses, cut to a length for messages."""
    text = re.sub(r"(?<=://)[^/\s@]*@", "", text)
    return re.sub(r"\?[^\s'\"]*", "", text)[:200]
