"""Bytes in and out of the storage."""

import hashlib
import tempfile
from collections.abc import Iterable
from typing import IO, BinaryIO, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db.models import ProtectedError
from django.utils import timezone

from mlportal.blobs.models import Blob

CHUNK = 1 << 20


def put(stream: BinaryIO, *, limit: int | None = None) -> Blob:
    """Store the bytes of the stream and return their blob.

    The stream is read once into a temporary file while its digest is taken, so that nothing is written for known bytes.
    Raises ValueError when it has more than `limit` bytes.
    """
    digest, size = hashlib.sha256(), 0
    with tempfile.SpooledTemporaryFile(max_size=8 * CHUNK, dir=str(settings.FILE_UPLOAD_TEMP_DIR)) as draft:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            if limit is not None and size > limit:
                raise ValueError(f"more than {limit} bytes")
            digest.update(chunk)
            draft.write(chunk)
        blob = Blob(digest=digest.hexdigest(), size=size)
        # The row says that the bytes are there, so it comes after them: a kill between leaves an orphan file, never a lie.
        known = Blob.objects.filter(pk=blob.pk).first()
        if known:
            # Touched, so that the sweeper does not take it between here and the row that will refer to it.
            Blob.objects.filter(pk=blob.pk).update(created_at=timezone.now())
            return known
        draft.seek(0)
        default_storage.save(blob.key, File(cast("IO[bytes]", draft)))
    Blob.objects.bulk_create([blob], ignore_conflicts=True)
    return blob


def open_blob(digest: str) -> BinaryIO:
    """A readable binary stream; raises FileNotFoundError when the storage has lost the bytes."""
    return cast("BinaryIO", default_storage.open(Blob(digest=digest).key, "rb"))


def delete_unreferenced(digests: Iterable[str]) -> int:
    """Delete those of the blobs that no row refers to; the number of bytes freed."""
    freed = 0
    for blob in Blob.objects.filter(pk__in=list(digests)):
        try:
            blob.delete()
        except ProtectedError:
            continue
        default_storage.delete(blob.key)
        freed += blob.size
    return freed
