"""Did you mean …?"""

from typing import Any, Iterable, Optional

from mlportal_sdk import errors


def near(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """ " Did you mean iris?", or a short list of what there is, or ""."""
    from difflib import SequenceMatcher, get_close_matches

    there = sorted(set(known))
    found = get_close_matches(word, there, n=3, cutoff=cutoff)
    if found:
        likeness = [SequenceMatcher(None, one, word).ratio() for one in found]
        best = [one for one, ratio in zip(found, likeness) if ratio > likeness[0] - 0.1]  # noqa: B905
        return " Did you mean {}?".format(" or ".join(best))
    if there and len(there) <= 8:
        return " There are: {}.".format(", ".join(there))
    return ""


def not_found(kind: str, name: str, workspace: Any, known: Iterable[str]) -> errors.NotFound:
    hint = near(name, known)
    return errors.NotFound("There is no {} {} in the workspace {}.{}".format(kind, name, workspace.name, hint), 404)


def fetch(workspace: Any, kind: str, path: str, name: str, collection: str, key: str = "name") -> Any:
    """GET a thing by name; when there is none, the error names those that are nearly so called."""
    try:
        return workspace.get(path)
    except errors.NotFound:
        raise not_found(kind, name, workspace, names(workspace, collection, key)) from None


def names(workspace: Any, collection: str, key: str = "name", **query: Any) -> "list[str]":
    found = workspace.get(collection) if collection == "compute/" else workspace.pages(collection, **query)
    return [item[key] for item in found]


def of_refusal(error: errors.BadInput, workspace: Any, asked: "dict[str, Optional[str]]") -> str:
    """What may be meant in place of a refused compute target or environment."""
    field = str(error.details.get("field") or "")
    collection = {"target": "compute/", "environment": "environments/"}.get(field)
    word = asked.get(field)
    try:
        if not (collection and word):
            return ""
        hint = near(word, names(workspace, collection))
        return "" if hint.startswith(" There are") and "there are" in error.message else hint
    except errors.PortalError:
        return ""  # what was refused is worth more than a hint
