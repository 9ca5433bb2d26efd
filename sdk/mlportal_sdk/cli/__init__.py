"""The command `mlportal`. Exit statuses are in `cli.status`, and in docs/how-to/command-line.md."""

from typing import List, Optional


def main(arguments: Optional[List[str]] = None) -> int:
    from mlportal_sdk.cli.command import run_command

    return run_command(arguments)
