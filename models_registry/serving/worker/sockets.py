"""The addresses of Unix sockets, whatever the length of their folder's path. Python 3.6 and up, nothing else.

The kernel takes at most 107 bytes for the path of a socket, and a home folder may be deeper than that. So the folder is
opened and the socket is named below the open folder, which keeps it where only the portal's user can reach it.
"""

import contextlib
import os
from pathlib import Path
from typing import Iterator, Union


@contextlib.contextmanager
def address_of(path: Union[str, Path]) -> Iterator[str]:
    """What to bind or connect, inside of the block, for the socket at `path`. Raises OSError without its folder."""
    folder = os.open(os.path.dirname(str(path)), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield "/proc/self/fd/%d/%s" % (folder, os.path.basename(str(path)))
    finally:
        os.close(folder)
