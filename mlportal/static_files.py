"""The compressed copy of all static files, from which WhiteNoise serves."""

import fcntl
import json
import shutil

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

UNUSED = ["rest_framework", "redoc"]  # folders of libraries whose pages the portal does not have


def collect_static_files() -> None:
    """Make the copy, if a source has changed since: compressing takes longer than all the rest of a start.

    One at a time: two portals that start from one checkout share the copy.
    """
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    sources = sorted(
        f"{path} {storage.get_modified_time(path).isoformat()}"
        for finder in get_finders()
        for path, storage in finder.list([])
    )
    stamp, wanted = settings.STATIC_ROOT / ".stamp", json.dumps([settings.STORAGES["staticfiles"], *sources])
    with (settings.STATIC_ROOT.parent / "static.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(settings.STATIC_ROOT)
        call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=UNUSED)
        stamp.write_text(wanted)
