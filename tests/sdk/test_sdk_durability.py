"""Processes that log at the same time, are killed, or run out of space."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

Script = Callable[[str], Any]
Records = Callable[[], list[dict[str, Any]]]


def test_threads_and_forked_processes_never_tear_a_line(script: Script, records: Records) -> None:
    script("""
import os, threading
def work(worker):
    for step in range(2500 if worker.startswith("process") else 1250):
        if step % 50:
            run.log(worker, step, step=step)
        else:
            run.log(worker, "x" * 5000)
children = []
for number in range(4):
    child = os.fork()
    if not child:
        work("process-%d" % number)
        os._exit(0)
    children.append(child)
threads = [threading.Thread(target=work, args=("thread-%d" % number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
""")
    found = records()
    assert Counter(record["n"] for record in found) == {
        **{f"process-{number}": 2500 for number in range(4)},
        **{f"thread-{number}": 1250 for number in range(8)},
    }
    steps = [record["s"] for record in found if record["n"] == "process-0" and record["k"] == "scalar"]
    assert steps == [step for step in range(2500) if step % 50]


def test_a_spawned_process_logs_to_the_same_run(script: Script, records: Records, run_directory: Path) -> None:
    (run_directory / "work" / "helper.py").write_text("def work(run):\n    run.log('from the child', 1)\n")
    script("""
import multiprocessing, helper
process = multiprocessing.get_context("spawn").Process(target=helper.work, args=(run,))
process.start()
process.join()
assert process.exitcode == 0
run.log("from the parent", 2)
""")
    assert [record["n"] for record in records()] == ["from the child", "from the parent"]


def test_a_killed_script_loses_nothing_that_it_logged(
    python: str, run_environment: dict[str, str], records: Records
) -> None:
    program = """
from azureml.core import Run
run = Run.get_context()
for step in range(10 ** 9):
    run.log("loss", step, step=step)
    print(step, flush=True)
"""
    with subprocess.Popen([python, "-c", program], env=run_environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 500:
                break
        process.send_signal(signal.SIGKILL)
        said = [line, *process.stdout.readlines()]
    last = max(int(line) for line in said if line.endswith("\n"))
    steps = [record["s"] for record in records()]
    assert steps == list(range(len(steps)))
    assert len(steps) > last


def test_a_line_that_the_disk_cuts_short_costs_only_itself(
    script: Script, run_directory: Path, run_environment: dict[str, str]
) -> None:
    metrics = script("""
import resource
run.log("before", 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
try:
    run.log("cut", "x" * 1000)
except OSError:
    result = "refused"
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
run.log("after", 2)
assert result == "refused"
result = run.get_metrics()
""")
    assert metrics == {"before": 1, "after": 2}
    lines = (run_directory / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["n"] == "after"


def test_a_line_that_is_still_being_written_is_not_read(script: Script, run_directory: Path) -> None:
    (run_directory / "metrics.jsonl").write_text('{"t":1.0,"k":"scalar","n":"a","v":1,"s":null}\n{"t":1.0,"k":"sca')
    assert script("result = run.get_metrics()") == {"a": 1}


def test_the_record_is_for_its_owner_only(script: Script, run_directory: Path) -> None:
    script("run.log('a', 1)")
    assert os.stat(run_directory / "metrics.jsonl").st_mode & 0o777 == 0o600
