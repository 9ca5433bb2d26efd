"""Bytes in and out of the storage."""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import IO, BinaryIO, Self, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from mlportal.blobs.models import Blob
from mlportal.errors import BytesLost

CHUNK = 1 << 20
DIGEST = re.compile("[0-9a-f]{64}")


def put(stream: BinaryIO, *, limit: int | None = None) -> Blob:
    """Store the bytes of the stream and return their blob.

    The stream is read once into a temporary file while its digest is taken, so that nothing is written for known bytes.
    Raises ValueError when it has more than `limit` bytes.
    """
    with Draft(limit) as draft:
        while chunk := stream.read(CHUNK):
            draft.write(chunk)
        return draft.store()


class Draft:
    """Bytes on their way in, piece by piece. Use as a context manager: what was not stored is gone at its end."""

    def __init__(self, limit: int | None = None) -> None:
        self.size = 0
        self._limit = limit
        self._digest = hashlib.sha256()
        folder = str(settings.FILE_UPLOAD_TEMP_DIR)
        self._file = tempfile.SpooledTemporaryFile(max_size=8 * CHUNK, dir=folder)  # noqa: SIM115  (closed at the exit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()

    def write(self, piece: bytes) -> None:
        """Raises ValueError when there are more than `limit` bytes."""
        self.size += len(piece)
        if self._limit is not None and self.size > self._limit:
            raise ValueError(f"more than {self._limit} bytes")
        self._digest.update(piece)
        self._file.write(piece)

    def store(self) -> Blob:
        draft = self._file
        blob = Blob(digest=self._digest.hexdigest(), size=self.size)
        # Touched, so that the sweeper does not take it between here and the row that will refer to it.
        if Blob.objects.filter(pk=blob.pk).update(created_at=blob.created_at):
            return blob
        # The row says that the bytes are there, so it comes after them: a kill between leaves an orphan file, never a lie.
        _save(blob, draft)
        with transaction.atomic():
            Blob.objects.bulk_create([blob], ignore_conflicts=True)  # waits for a sweeper that holds this digest
            if not default_storage.exists(blob.key):  # it has taken what was saved a moment ago
                _save(blob, draft)
        return blob


def _save(blob: Blob, draft: IO[bytes]) -> None:
    draft.seek(0)
    default_storage.save(blob.key, File(draft))


def open_blob(digest: str) -> BinaryIO:
    """A readable binary stream. Raises BytesLost, and StorageAway as long as a bucket does not answer."""
    try:
        return cast("BinaryIO", default_storage.open(Blob(digest=digest).key, "rb"))
    except FileNotFoundError:
        raise BytesLost(f"The storage does not have the bytes {digest} at the moment.", digest=digest) from None


def delete_unreferenced(before: datetime) -> int:
    """Delete the blobs that no row refers to and nobody has stored since `before`; the number of bytes freed."""
    unused = list(Blob.objects.filter(created_at__lt=before).unreferenced().values_list("pk", flat=True))
    return sum(_delete_unreferenced(pk, before) for pk in unused)


def delete_those(moments: Mapping[str, datetime]) -> int:
    """Of these blobs delete those that no row refers to and nobody has stored since the moment; the number of bytes freed."""
    freed = 0
    digests = sorted(moments)
    for start in range(0, len(digests), 500):
        some = Blob.objects.filter(pk__in=digests[start : start + 500]).unreferenced()
        freed += sum(_delete_unreferenced(pk, moments[pk]) for pk in some.values_list("pk", flat=True))
    return freed


def delete_orphans(before: datetime, folders: Iterable[str]) -> int:
    """Delete what is in these folders of the storage (two hexadecimal digits each), was written before, and is no blob:
    who stored it was killed before its row was there, or half-way. How many files it was."""
    count = 0
    for folder in folders:
        try:
            _, names = default_storage.listdir(f"blobs/{folder}")
        except FileNotFoundError:
            continue
        known = set(Blob.objects.filter(pk__startswith=folder).values_list("pk", flat=True))
        for name in set(names) - known:
            key = f"blobs/{folder}/{name}"
            with suppress(FileNotFoundError):  # a draft that was given its name meanwhile
                if default_storage.get_modified_time(key) < before:
                    _delete_file(name, 0) if DIGEST.fullmatch(name) else default_storage.delete(key)
                    count += 1
    return count


def _delete_unreferenced(pk: str, before: datetime) -> int:
    """The row first, and only when that is through the file: a crash between leaves an orphan file, never a lie."""
    try:
        with transaction.atomic(durable=True):
            blob = Blob.objects.select_for_update().filter(pk=pk, created_at__lt=before).first()
            if blob is None:
                return 0
            size = blob.size
            blob.delete()
    except ProtectedError:
        return 0
    _delete_file(pk, size)
    return size


def _delete_file(pk: str, size: int) -> None:
    """Somebody may be storing the same bytes again by now. The row that is written and taken back here keeps his waiting
    until the file is gone, whereupon he sees that it is; if his is there already, the file is his."""
    with suppress(IntegrityError), transaction.atomic(durable=True):
        held = Blob.objects.create(pk=pk, size=size)
        default_storage.delete(held.key)
        held.delete()
