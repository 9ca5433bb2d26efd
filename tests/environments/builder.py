"""A process that builds one environment: `builder.py <lock as JSON> <root> <uv> <cache folder>`; prints what happened."""

import json
import sys
from pathlib import Path

from experiments.environments import Lock, build, discover

if __name__ == "__main__":
    stored, root, uv, cache_dir = sys.argv[1:]
    lock = Lock.from_dict(json.loads(stored))
    log: list[str] = []
    environment = build(
        lock,
        next(each for each in discover() if str(each.version) == lock.python_version),
        Path(root),
        log=log.append,
        cancelled=lambda: False,
        uv=Path(uv),
        cache_dir=Path(cache_dir),
        timeout=60,
    )
    sys.stdout.write(json.dumps({"hit": environment.hit, "path": str(environment.path), "log": log}))
