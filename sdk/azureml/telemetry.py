"""The portal gathers no telemetry; scripts that switch it on or off go on unchanged."""

from typing import Any


def set_diagnostics_collection(send_diagnostics: bool = True, verbosity: Any = None, **kwargs: Any) -> None:
    """Does nothing."""
