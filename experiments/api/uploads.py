"""Uploads of thousands of files: all of them in one temporary file, because a process has only so many descriptors."""

import io
import os
import tempfile
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from mlportal.api.views import ApiView
from mlportal.errors import TooLarge


class Slice(io.RawIOBase):
    """`size` bytes of a file from `start` on, with a position of its own; the file outlives it."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._file.fileno(), min(len(buffer), max(0, self._size - self._at)), self._start + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class OneFileUploadHandler(FileUploadHandler):
    """Writes every part into one unnamed file on the disk, and hands out a slice of it for each."""

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115  (closed by `close`)
        self._start = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._start = self._file.tell()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._file.write(raw_data)

    def file_complete(self, file_size: int) -> "UploadedFile[Any]":
        self._file.flush()
        content = io.BufferedReader(Slice(self._file, self._start, file_size))
        return UploadedFile(file=content, name=self.file_name, content_type=self.content_type, size=file_size)

    def close(self) -> None:
        """The bytes go with it."""
        self._file.close()


class FilesView(ApiView):
    """Takes a form with thousands of files, of `longest()` bytes at most."""

    parser_classes = [MultiPartParser]
    once = False

    def longest(self) -> int:
        raise NotImplementedError

    def too_long(self) -> TooLarge:
        raise NotImplementedError

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self.upload = OneFileUploadHandler(request)
        request.upload_handlers = [self.upload]
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            self.upload.close()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before anybody is authenticated: the check of the session's CSRF token reads the whole form.
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > self.longest():
            raise self.too_long()
        super().initial(request, *args, **kwargs)
