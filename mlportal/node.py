"""This machine's name among the portal's machines."""

import re
import socket

from mlportal import env


def node_name() -> str:
    """`MLPORTAL_NODE`, else the host's name; letters, digits, hyphens and dots, so that it can name a queue."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", env.text("MLPORTAL_NODE", socket.gethostname()))[:100]
