"""The portal's version, and the oldest client that it understands."""

VERSION = "0.1.0"
OLDEST_SDK = (0, 1)
