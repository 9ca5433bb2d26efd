"""Why something handed over is not taken."""


class SnapshotRefused(Exception):
    """A snapshot is not taken.

    ``entry`` is the name as it was handed over ("" for the whole), ``limit`` the number that was passed, if one was.
    """

    def __init__(self, entry: str, why: str, limit: int | None = None) -> None:
        super().__init__(f"{entry!r}: {why}" if entry else why)
        self.entry = entry
        self.why = why
        self.limit = limit


class NameRefused(SnapshotRefused):
    """A name that no file of a snapshot or artifact may have."""
