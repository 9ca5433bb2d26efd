from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import Figure, report
from benchmarks.serving import changes, load, rounds
from benchmarks.serving.environments import SAME, versions_of
from benchmarks.serving.model import fit
from benchmarks.serving.peers import GATHERING, PEERS, SCALES
from benchmarks.serving.portal import Ours
from benchmarks.serving.server import DidNotServe, Server
from benchmarks.serving.speed import judged
from benchmarks.tracking.calls import say

USUAL: dict[str, type[Server]] = {"ours": Ours, **SCALES, **PEERS}
ALL: dict[str, type[Server]] = {**USUAL, **GATHERING}
PARTS = ("speed", "start", "memory", "update", "kill")


def main(arguments: Sequence[str]) -> int:
    asked = _asked(arguments)
    load.required()
    for number in (signal.SIGTERM, signal.SIGHUP):  # what was started is in sessions of its own, and would go on
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    names = [name for name in [*asked.only, *asked.also] if name not in asked.skip]
    figures: list[Figure] = []
    measured: rounds.Measured = {}
    absent: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mlportal-bench-")))
        model = fit(folder)
        servers: list[Server] = []
        for name in names:
            if name != "ours" and "speed" not in asked.parts:
                continue
            say(f"{name} starts")
            server = ALL[name]()
            stack.callback(server.stop)
            try:
                server.start(model, folder / name)
                server.check()
            except DidNotServe as error:
                print(f"{name} failed: {error}" if name == "ours" else f"peer {name} failed: {error}")
                absent.append(name)
            else:
                servers.append(server)
        if "speed" in asked.parts:
            measured = rounds.measure(servers, rounds=asked.rounds, seconds=asked.seconds)
            rounds.told(measured)
            figures += judged(measured)
        for server in servers:
            if not isinstance(server, Ours):
                server.stop()
        for server in servers:
            if isinstance(server, Ours):
                figures += _of_ours(server, asked.parts)
    whole = set(names) >= set(USUAL) and set(asked.parts) == set(PARTS)
    kept = {f"{name}.{each.name}": [one.kept() for one in found] for (name, each), found in measured.items()}
    code = report("serving" if whole else "serving-part", figures, packages=versions_of("bare", SAME), rounds=kept)
    return 1 if absent else code


def _of_ours(ours: Ours, parts: Sequence[str]) -> list[Figure]:
    found = {
        "start": changes.start,
        "memory": changes.memory,
        "update": changes.rolling_update,
        "kill": changes.killed,
    }
    figures = [measure(ours) for part, measure in found.items() if part in parts]
    for figure in figures:
        print(f"{figure.name}: {figure.note}")
    return figures


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    def some_of(names: Sequence[str]) -> object:
        def some(text: str) -> list[str]:
            given = [name for name in text.split(",") if name]
            if unknown := [name for name in given if name not in names]:
                raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(names)}")
            return given

        return some

    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    servers, parts = some_of(list(ALL)), some_of(PARTS)
    parser.add_argument("--only", type=servers, default=list(USUAL), help=f"of {', '.join(ALL)}")  # type: ignore[arg-type]
    parser.add_argument("--also", type=servers, default=[], help=f"beside the usual ones: {', '.join(GATHERING)}")  # type: ignore[arg-type]
    parser.add_argument("--skip", type=servers, default=[], help="peers that cannot be had here")  # type: ignore[arg-type]
    parser.add_argument("--parts", type=parts, default=list(PARTS), help=f"of {', '.join(PARTS)}")  # type: ignore[arg-type]
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each load of each server in a round")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
