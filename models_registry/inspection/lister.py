"""Lists what a model file would import, without importing or calling any of it.

Run as a program: `python -I -S lister.py MEMORY_BYTES CPU_SECONDS < model`, standard library only. One JSON list per
line on standard output: `["import", module, name]` as each is met, last `["end", format, error or null]`. A reader that
finds no last line knows that the process was ended by a limit, and still has what was listed before.

The file is followed as `joblib.load` would read it (which reads plain pickles too): the opcodes run on a stack where
every imported object is an inert stand-in, and the bytes of arrays that joblib puts between opcodes are skipped.
Where the way of the real loader cannot be told (a shape that a call computes, a type that lies about its size), the
listing stops with an error: a loader and a lister that disagree are how such files hide.
"""

from __future__ import annotations

import _compat_pickle
import bz2
import io
import json
import lzma
import pickle
import re
import resource
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from struct import unpack
from typing import Any, BinaryIO, ClassVar

CHUNK = 1 << 20
KEEP_BYTES = 1 << 16  # longer byte strings are array data: read past, not kept
MAX_ARRAY_BYTES = 1 << 46  # beyond this numpy's own product of the shape may overflow and mean another size
MAX_IMPORTS = 2000
MAX_SCHEMA_BYTES = 64 << 20
COMPUTED = "<computed while loading>"
ARRAY_WRAPPERS = ("joblib.numpy_pickle.NumpyArrayWrapper", "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper")
OLD_WRAPPERS = re.compile(r"(^|\.)Z?NDArrayWrapper$")
DTYPE = re.compile(r"[|<>=]?([biufcmMSUVO])(\d+)")


class Unlistable(Exception):
    """The file cannot be followed to its end; the message says why, for a person."""


class Stub:
    """Stands for anything that a pickle imports or makes. Takes whatever is done to it and does nothing."""

    def __init__(self, origin: str = "", args: object = None) -> None:
        self.origin = origin  # what was imported, or the class that this is an instance of
        self.args = args
        self.state: Any = None

    def ignore(self, *_: object) -> None:
        """Stands for the methods that opcodes call on containers."""

    append = extend = add = update = __setitem__ = ignore


class Lister(pickle._Unpickler):
    """The pure Python unpickler (the one that joblib extends) with every opcode that runs code made inert."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]
    proto: int
    append: Callable[[Any], None]
    read: Callable[[int], bytes]

    def __init__(self, stream: BinaryIO, report: Callable[[str, str], None], *, arrays: bool = True) -> None:
        super().__init__(stream, encoding="latin1")
        self.stream = stream
        self.report = report
        self.arrays = arrays  # False in a pickle inside the stream: joblib reads those with a plain unpickler
        self.met_arrays = False

    def find_class(self, module: str, name: str) -> Stub:
        if self.proto < 3:
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[(module, name)]
            elif module in _compat_pickle.IMPORT_MAPPING:
                module = _compat_pickle.IMPORT_MAPPING[module]
        self.report(module, name)
        return Stub(f"{module}.{name}")

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.append(self.make(klass, args))

    def make(self, klass: Any, args: Any) -> Stub:
        """The stand-in for `klass(*args)`, looking through the two ways in which pickle spells "an empty instance"."""
        origin = klass.origin if isinstance(klass, Stub) else ""
        if origin in ("copyreg._reconstructor", "copyreg.__newobj__") and isinstance(args, tuple) and args:
            empty = args[1:] == () if origin == "copyreg.__newobj__" else args[2:] == (None,)
            return self.make(args[0], () if empty else args)
        if origin in ARRAY_WRAPPERS and args != ():
            raise Unlistable("an array is described in a way that joblib does not write")
        return Stub(origin, args)

    def load_reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self.make(self.stack[-1], args)

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_reduce

    def load_newobj_ex(self) -> None:
        kwargs = self.stack.pop()
        args = self.stack.pop()
        self.stack[-1] = self.make(self.stack[-1], args if kwargs == {} else (args, kwargs))

    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, Stub):
            return
        if target.origin in ARRAY_WRAPPERS and self.arrays:
            self.met_arrays = True
            self.skip_array(state)
            self.stack[-1] = Stub("numpy.ndarray")
        elif OLD_WRAPPERS.search(target.origin):
            raise Unlistable("saved by a joblib older than 0.10, which keeps arrays in other files")
        elif target.origin == "numpy.dtype":
            target.state = state

    dispatch[pickle.BUILD[0]] = load_build

    def load_stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        known = type(name) is str and type(module) is str
        self.append(self.find_class(module, name) if known else self.find_class(COMPUTED, str(name)[:200]))

    dispatch[pickle.STACK_GLOBAL[0]] = load_stack_global

    def load_bytes(self, size: int) -> None:
        self.append(self.read(size) if size <= KEEP_BYTES else self.skip(size, self.read))

    def load_binbytes(self) -> None:
        self.load_bytes(unpack("<I", self.read(4))[0])

    def load_binbytes8(self) -> None:
        self.load_bytes(unpack("<Q", self.read(8))[0])

    dispatch[pickle.BINBYTES[0]] = load_binbytes
    dispatch[pickle.BINBYTES8[0]] = load_binbytes8
    dispatch[pickle.BYTEARRAY8[0]] = load_binbytes8

    def skip(self, size: int, read: Callable[[int], bytes]) -> Stub:
        while size > 0:
            got = len(read(min(size, CHUNK)))
            if not got:
                raise EOFError
            size -= got
        return Stub("builtins.bytes")

    def skip_array(self, wrapper: Any) -> None:
        """Move past the bytes of an array, `wrapper` being the attributes of its NumpyArrayWrapper."""
        if not isinstance(wrapper, dict):
            raise Unlistable("an array is described in a way that joblib does not write")
        shape = wrapper.get("shape")
        if not isinstance(shape, tuple) or any(type(n) is not int or n < 0 for n in shape):
            raise Unlistable("the shape of an array is not made of plain numbers")
        itemsize, holds_objects = dtype_of(wrapper.get("dtype"))
        if holds_objects:
            Lister(self.stream, self.report, arrays=False).load()
            return
        size = itemsize
        for n in shape:
            size *= n
        if size > MAX_ARRAY_BYTES:
            raise Unlistable("an array claims an impossible size")
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self.skip(int.from_bytes(self.stream.read(1), "little"), self.stream.read)
        if self.stream.seekable():
            self.stream.seek(size, io.SEEK_CUR)
        else:
            self.skip(size, self.stream.read)


def dtype_of(dtype: Any) -> tuple[int, bool]:
    """(bytes per item, whether items are Python objects) of the stand-in for a `numpy.dtype`."""
    if not isinstance(dtype, Stub) or dtype.origin != "numpy.dtype" or not isinstance(dtype.args, tuple):
        raise Unlistable("the type of an array is not a numpy.dtype")
    code = DTYPE.fullmatch(dtype.args[0]) if dtype.args and isinstance(dtype.args[0], str) else None
    state = dtype.state if isinstance(dtype.state, tuple) and len(dtype.state) >= 8 else None
    if code is None or (dtype.state is not None and state is None):
        raise Unlistable(f"the array type {str(dtype.args[:1])[:60]} is not known")
    kind, size = code[1], int(code[2])
    flags = state[7] if state else 0
    fields = state[4] if state else None
    inner = [item[0] for item in fields.values()] if isinstance(fields, dict) else []
    holds_objects = kind == "O" or any(dtype_of(item)[1] for item in inner)
    if type(flags) is not int or (state and bool(flags & 1) != holds_objects):
        raise Unlistable("the type of an array contradicts itself")
    if kind in "SUV":
        # For these numpy takes the size from the state, whatever the code says.
        size = state[5] if state else size * (4 if kind == "U" else 1)
        if type(size) is not int or size < 0:
            raise Unlistable("the type of an array contradicts itself")
    return size, holds_objects


class Inflate(io.RawIOBase):
    """zlib (`wbits` 15) or gzip (31) streams, one after another, as joblib reads them, in bounded memory."""

    def __init__(self, stream: BinaryIO, wbits: int) -> None:
        self.compressed, self.wbits = stream, wbits
        self.inflater = zlib.decompressobj(wbits)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self.inflater.eof:
                rest = self.inflater.unused_data or self.compressed.read(CHUNK)
                if not rest:
                    return 0
                self.inflater = zlib.decompressobj(self.wbits)
            else:
                rest = self.inflater.unconsumed_tail or self.compressed.read(CHUNK)
            data = self.inflater.decompress(rest, len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
            if not rest:
                raise EOFError


def uncompressed(stream: io.BufferedReader) -> io.BufferedReader:
    """The stream to read opcodes from, chosen by the first bytes exactly as joblib chooses.

    Compressed streams say that they cannot seek: seeking in them would mean decompressing from the start.
    """
    head = stream.peek(8)[:8]
    raw: Any
    if head.startswith(b"ZF"):
        raise Unlistable("saved by a joblib older than 0.10")
    if head.startswith(b"\x78"):
        raw = Inflate(stream, zlib.MAX_WBITS)
    elif head.startswith(b"\x1f\x8b"):
        raw = Inflate(stream, 31)
    elif head.startswith(b"BZ"):
        raw = bz2.BZ2File(stream)
    elif head.startswith((b"\x5d\x00", b"\xfd7zXZ")):
        raw = lzma.LZMAFile(stream)  # noqa: SIM115
    elif head.startswith(b"\x04\x22\x4d\x18"):
        raise Unlistable("it is compressed with lz4, which is not read here")
    else:
        return stream
    if raw.seekable():
        raw.seekable = lambda: False
    return io.BufferedReader(raw, CHUNK)


def list_skops(stream: BinaryIO, report: Callable[[str, str], None]) -> None:
    """Report the types that the schema of a skops file names."""
    with zipfile.ZipFile(stream) as archive:
        try:
            member = archive.getinfo("schema.json")
        except KeyError:
            raise Unlistable("a zip archive, but not one that skops wrote") from None
        with archive.open(member) as file:
            text = file.read(MAX_SCHEMA_BYTES + 1)
    if len(text) > MAX_SCHEMA_BYTES:
        raise Unlistable("its schema is larger than 64 MB")
    for node in nodes(json.loads(text)):
        if "__class__" in node:
            report(str(node.get("__module__")), str(node["__class__"]))


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in `tree`."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def list_imports(stream: io.BufferedReader, report: Callable[[str, str], None]) -> str:
    """Report every import of the model in `stream`; returns its format. Raises whatever a broken file makes raise."""
    if stream.peek(4).startswith(b"PK\x03\x04"):
        list_skops(stream, report)
        return "skops"
    opcodes = uncompressed(stream)
    lister = Lister(opcodes, report)
    lister.load()
    met_arrays = lister.met_arrays
    while opcodes.peek(1):  # a script may load what comes after the first one
        lister = Lister(opcodes, report)
        lister.load()
        met_arrays = met_arrays or lister.met_arrays
    return "joblib" if met_arrays or opcodes is not stream else "pickle"


def main() -> None:
    memory_bytes, cpu_seconds = int(sys.argv[1]), int(sys.argv[2])
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_NOFILE, 8),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    met: set[tuple[str, str]] = set()

    def say(*line: object) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    def report(module: str, name: str) -> None:
        found = (module[:200], name[:200])
        if found in met:
            return
        if len(met) == MAX_IMPORTS:
            raise Unlistable(f"it imports more than {MAX_IMPORTS} names")
        met.add(found)
        say("import", *found)

    kind, error = "other", None
    try:
        kind = list_imports(sys.stdin.buffer, report)  # type: ignore[arg-type]
    except Unlistable as problem:
        error = str(problem)
    except MemoryError:
        error = f"it needs more than {memory_bytes >> 20} MB to be read"
    except RecursionError:
        error = "it is nested too deeply"
    except EOFError:
        error = "it ends too early"
    except Exception as problem:  # the file is hostile until shown otherwise: whatever it raises is an answer
        error = f"it is no model, or a damaged one ({type(problem).__name__}: {problem})"[:300]
    say("end", kind, error)


if __name__ == "__main__":
    main()
