"""What the portal does differently from Azure is said once, where the script asks for it."""

import os
import sys
import threading
import warnings

_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep


class PortalWarning(UserWarning):
    """Something that Azure has is taken, and the portal does something else instead; the text says what."""


def say(text: str) -> None:
    """Shown at the line that called into the SDK, however deep below it this is."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_OWN):
        frame = frame.f_back
        level += 1
    warnings.warn(text, PortalWarning, stacklevel=level)


def say_waiting(text: str) -> None:
    """Why the script's own thread waits; what others wait for holds nobody up."""
    if threading.current_thread() is threading.main_thread():
        say(text)
