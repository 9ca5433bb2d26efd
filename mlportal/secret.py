"""The portal's signing secret, made at install: there is no default that could be shipped."""

import os
import secrets
from pathlib import Path


def read_or_make_secret(path: Path) -> str:
    """The secret in `path`, made on first use. Two processes that start at once agree on one: the file appears whole."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48))
    try:
        os.link(draft, path)  # fails when another process was first: theirs stands
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
