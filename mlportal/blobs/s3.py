"""Blobs in a bucket: django-storages, with reads of ranges, an end to waiting, and errors that say what is away."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage
from urllib3.exceptions import HTTPError

from mlportal.errors import StorageAway

READ_AHEAD = 256 * 1024
# botocore's own defaults let one call wait for five minutes, and a page with it.
PATIENCE = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})


class ObjectStorage(S3Storage):  # type: ignore[misc]  # django-storages has no types
    client_config: Config

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_config = self.client_config.merge(PATIENCE)

    def _open(self, name: str, mode: str = "rb") -> BinaryIO:
        with _told():
            stored = self.bucket.Object(self._normalize_name(name))
            try:
                size = stored.content_length
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    raise FileNotFoundError(f"The bucket does not have {name}.") from None
                raise
        return cast("BinaryIO", io.BufferedReader(_Reader(stored, size), READ_AHEAD))

    def _save(self, name: str, content: IO[Any]) -> str:
        with _told():
            return str(super()._save(name, content))

    def delete(self, name: str) -> None:
        with _told():
            super().delete(name)

    def exists(self, name: str) -> bool:
        with _told():
            return bool(super().exists(name))


class _Reader(io.RawIOBase):
    """An object as a file: fetched from where it is read, and no further. django-storages takes all of it into memory
    first, which for the last lines of a log or a range of a large output is far too much."""

    def __init__(self, stored: Any, size: int) -> None:
        self._stored, self._size = stored, size
        self._position = 0
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        position = max(0, start + offset)
        if position != self._position:
            self._let_go()
            self._position = position
        return position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._size:
            return 0
        with _told():
            if self._body is None:
                self._body = self._stored.get(Range=f"bytes={self._position}-")["Body"]
            chunk = self._body.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def close(self) -> None:
        self._let_go()
        super().close()

    def _let_go(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, HTTPError) as error:
        raise StorageAway(f"The storage does not answer as it should: {error}") from error
