"""kombu's filesystem transport with messages that appear, and are taken, in one step.

kombu creates a message's file, then locks and writes it: a reader that looks in between takes an empty message, and its
worker ends. It also takes messages by moving them to the machine's temporary folder, which is a copy where that is
another file system. Here both are a rename within the queue's own folder.
"""

import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads

DRAFT, TAKEN = ".draft-", ".taken-"  # no queue's message begins so, and the transport looks at nothing else


class Channel(filesystem.Channel):
    """The parts of kombu's channel that touch a message's file."""

    def _put(self, queue: Any, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]  # the stubs know no keywords
        folder = Path(self.data_folder_out)
        name = f"{time.time_ns()}_{uuid.uuid4()}.{queue}.msg"
        try:
            (folder / f"{DRAFT}{name}").write_text(dumps(payload))
            os.rename(folder / f"{DRAFT}{name}", folder / name)
        except OSError as error:
            raise ChannelError(f"The message cannot be written to {folder}: {error}") from error

    def _get(self, queue: Any, timeout: Any = None) -> Any:
        folder = Path(self.data_folder_in)
        for name in sorted(os.listdir(folder)):
            if name.startswith(".") or name.partition(".")[2] != f"{queue}.msg":
                continue
            taken = folder / f"{TAKEN}{name}"
            try:
                os.rename(folder / name, taken)  # of several readers one wins
            except FileNotFoundError:
                continue
            payload = taken.read_text()
            taken.unlink()
            return loads(payload)
        raise Empty


class Transport(filesystem.Transport):
    Channel = Channel


def register() -> None:
    """From now on `filesystem://` means this transport."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
