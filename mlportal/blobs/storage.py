"""A file storage in which a name exists whole or not at all, whatever is killed when."""

import os
import tempfile
from pathlib import Path
from typing import IO, Any

from django.core.files.storage import FileSystemStorage


class AtomicFileStorage(FileSystemStorage):
    """Django's own writes straight to the final name: a kill in the middle leaves half a file under a whole one's name.

    Here the bytes go to a draft beside it, which takes the name by an atomic rename. Saving a name again replaces it.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: IO[Any]) -> str:
        target = Path(self.path(name))
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".draft-")
        try:
            with os.fdopen(handle, "wb") as file:
                while chunk := content.read(1 << 20):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, target)
        except BaseException:
            os.unlink(draft)
            raise
        return name

    def _open(self, name: str, mode: str = "rb") -> Any:
        # The store holds what users sent: a link in it is nobody's of ours.
        from django.core.files import File

        return File(os.fdopen(os.open(self.path(name), os.O_RDONLY | os.O_NOFOLLOW), mode))
