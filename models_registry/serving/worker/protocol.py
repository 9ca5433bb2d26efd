"""The messages between gateway and model worker on their Unix socket. Python 3.6 and up, and numpy for arrays.

A message is a header of 20 bytes, then a name (the method of a request, the error code of a failure), then the body:

    u32 magic+version | u32 request id | u8 kind | u8 dtype | u8 dimensions | u8 length of name | u64 length of body

The body of an ARRAY is its shape (u64 a dimension), then its items, little-endian, in C order; of JSON and ERROR, UTF-8
text; of RAW, the length of some JSON (u64), that JSON, then bytes as they are. An answer carries the id of its request.
Whoever reads gives the largest body that it takes: neither side trusts the other with its memory.
"""

import json
import struct
from typing import Any, Dict, List, NamedTuple, Union

try:
    import numpy as np
except ImportError:  # an entry script's environment may have none: it is sent no arrays
    np = None  # type: ignore[assignment]

MAGIC = 0x4D4C5001
HEADER = struct.Struct("<IIBBBBQ")
LENGTH = struct.Struct("<Q")
JSON, ARRAY, ERROR, RAW = 1, 2, 3, 4
# The index is the code: append, never reorder.
ITEMS = ("?", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8")
DTYPES = [np.dtype(code) for code in ITEMS] if np is not None else []
CODES = {dtype: code for code, dtype in enumerate(DTYPES)}
MAX_DIMENSIONS = 8
SHAPES = [struct.Struct("<%dQ" % dimensions) for dimensions in range(MAX_DIMENSIONS + 1)]
COPIED_BYTES = 1 << 16  # more than this is not copied into one piece with its header
DEFAULT_MAX_BODY = 1 << 28


class ProtocolError(Exception):
    """The other side sent what is not a message."""


class TooLarge(ProtocolError):
    """A message larger than is taken, known before it is read."""


class Raw(NamedTuple):
    """Bytes as they are, and what is said of them: a JSON object."""

    meta: Dict[str, Any]
    body: bytes


class Message(NamedTuple):
    """`payload` is an array, a JSON value, a Raw, or the text of an ERROR, by `kind`."""

    request_id: int
    kind: int
    name: str
    payload: Any


class Body(NamedTuple):
    """What follows the header: `parts` are bytes, or views of an array's own memory where that is large."""

    kind: int
    dtype: int
    dimensions: int
    parts: List[Any]


def body_of(payload: Any) -> Body:
    """A numeric array or Raw as it is, else JSON. Raises TypeError for what is neither."""
    if np is not None and isinstance(payload, np.ndarray):
        little = payload.dtype.newbyteorder("<") if payload.dtype.byteorder == ">" else payload.dtype
        code = CODES.get(little)
        if code is None or payload.ndim > MAX_DIMENSIONS:
            raise TypeError("arrays of %s with %d dimensions are not sent" % (payload.dtype, payload.ndim))
        shape = SHAPES[payload.ndim].pack(*payload.shape)
        items = payload.astype(little, copy=False)
        large = items.nbytes > COPIED_BYTES and items.flags.c_contiguous
        return Body(ARRAY, code, payload.ndim, [shape, items.data.cast("B") if large else items.tobytes()])
    if isinstance(payload, Raw):
        meta = json.dumps(payload.meta).encode()
        return Body(RAW, 0, 0, [LENGTH.pack(len(meta)) + meta, payload.body])
    return Body(JSON, 0, 0, [json.dumps(payload).encode()])


def message(request_id: int, name: str, body: Body) -> List[Any]:
    """The pieces of a message, to be sent one after the other. Raises TypeError for a name that is too long."""
    label = name.encode()
    if len(label) > 255:
        raise TypeError("a name has at most 255 bytes")
    kind, dtype, dimensions, parts = body
    size = 0
    for part in parts:
        size += len(part)
    head = HEADER.pack(MAGIC, request_id, kind, dtype, dimensions, len(label), size) + label
    if size > COPIED_BYTES:
        return [head] + parts
    return [b"".join([head] + parts)]


def encode(request_id: int, name: str, payload: Any) -> bytes:
    """A message with `payload`, in one piece. Raises TypeError for what is no array, Raw or JSON."""
    return b"".join(message(request_id, name, body_of(payload)))


def encode_error(request_id: int, code: str, text: str) -> bytes:
    """An answer that says that the request failed: a short code and a text for a person."""
    return b"".join(message(request_id, code, Body(ERROR, 0, 0, [text.encode("utf-8", "replace")])))


class Decoder(object):
    """Turns bytes, in whatever pieces they arrive, into messages."""

    def __init__(self, max_body: int = DEFAULT_MAX_BODY) -> None:
        self.max_body = max_body
        self.begun = bytearray()  # a message of which not all has come
        self.needed = HEADER.size

    def feed(self, data: Union[bytes, memoryview]) -> List[Message]:
        """The messages that `data` completes. Raises ProtocolError; the connection is of no use after it."""
        if not self.begun:
            return self._take(data)
        self.begun += data
        if len(self.begun) < self.needed:
            return []
        begun, self.begun = self.begun, bytearray()
        return self._take(memoryview(begun))

    def _take(self, data: Union[bytes, memoryview]) -> List[Message]:
        messages = []
        start, size = 0, len(data)
        self.needed = HEADER.size
        while size - start >= HEADER.size:
            magic, request_id, kind, dtype, dimensions, name_size, body_size = HEADER.unpack_from(data, start)
            if magic != MAGIC:
                raise ProtocolError("not a message of this protocol")
            if body_size > self.max_body:
                raise TooLarge("a message of %d bytes, at most %d are taken" % (body_size, self.max_body))
            name_start = start + HEADER.size
            body_start = name_start + name_size
            end = body_start + body_size
            if end > size:
                self.needed = end - start
                break
            try:
                name = bytes(data[name_start:body_start]).decode()
                # A copy, so that numpy gets memory that is aligned and its own.
                payload = _decode(kind, dtype, dimensions, bytes(data[body_start:end]))
            except ValueError as error:
                raise ProtocolError("a message that cannot be read: %s" % error) from None
            messages.append(Message(request_id, kind, name, payload))
            start = end
        if start < size:
            self.begun += data[start:]
        return messages


def _decode(kind: int, dtype: int, dimensions: int, body: bytes) -> Any:
    if kind == JSON:
        return json.loads(body.decode())
    if kind == ERROR:
        return body.decode()
    if kind == RAW and len(body) >= LENGTH.size:
        end = LENGTH.size + LENGTH.unpack_from(body)[0]
        return Raw(json.loads(body[LENGTH.size : end].decode()), body[end:])
    if kind != ARRAY or dtype >= len(DTYPES) or dimensions > MAX_DIMENSIONS or len(body) < 8 * dimensions:
        raise ValueError("unknown kind or type")
    shape = SHAPES[dimensions].unpack_from(body)
    count = 1
    for length in shape:
        count *= length
    if count * DTYPES[dtype].itemsize != len(body) - 8 * dimensions:
        raise ValueError("the shape %s does not fit its items" % (shape,))
    return np.frombuffer(body, dtype=DTYPES[dtype], offset=8 * dimensions).reshape(shape)
