"""Bytes in and out of the storage."""

import hashlib
import tempfile
from datetime import datetime
from typing import IO, BinaryIO, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import ProtectedError

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
        # Touched, so that the sweeper does not take it between here and the row that will refer to it.
        if Blob.objects.filter(pk=blob.pk).update(created_at=blob.created_at):
            return blob
        # The row says that the bytes are there, so it comes after them: a kill between leaves an orphan file, never a lie.
        draft.seek(0)
        default_storage.save(blob.key, File(cast("IO[bytes]", draft)))
    Blob.objects.bulk_create([blob], ignore_conflicts=True)
    return blob


def open_blob(digest: str) -> BinaryIO:
    """A readable binary stream; raises FileNotFoundError when the storage has lost the bytes."""
    return cast("BinaryIO", default_storage.open(Blob(digest=digest).key, "rb"))


def delete_unreferenced(before: datetime) -> int:
    """Delete the blobs that no row refers to and nobody has stored since `before`; the number of bytes freed."""
    return sum(
        _delete_unreferenced(pk, before)
        for pk in Blob.objects.filter(created_at__lt=before).values_list("pk", flat=True)
    )


@transaction.atomic
def _delete_unreferenced(pk: str, before: datetime) -> int:
    # Under the row's lock: whoever puts the same bytes meanwhile waits, and then finds neither row nor file, or both.
    blob = Blob.objects.select_for_update().filter(pk=pk, created_at__lt=before).first()
    if blob is None:
        return 0
    key = blob.key
    try:
        with transaction.atomic():
            blob.delete()
    except ProtectedError:
        return 0
    default_storage.delete(key)
    return blob.size
