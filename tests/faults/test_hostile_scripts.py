"""What scripts do to their portal, on purpose or not."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from tests.conftest import TINY
from tests.faults.conftest import Submit, is_at
from tests.portal import Client, Portal, wait_until


def test_a_daemonised_grandchild_is_gone_soon_after_the_script(client: Client, portal: Portal, submit: Submit) -> None:
    code = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.environ.clear()
        for number in range(3):
            os.close(number)
        open("outputs/pid", "w").write(str(os.getpid()))
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)"], {})
    os._exit(0)
while not os.path.exists("outputs/pid"):
    time.sleep(0.01)
print("done", flush=True)
"""
    started = time.monotonic()
    uid = submit(code)
    run = client.wait(uid, seconds=60)
    assert run["status"] == "Completed"
    answer = client.http.get(f"{client.base}/runs/{uid}/artifacts/content/", params={"path": "outputs/pid"})
    wait_until(lambda: not psutil.pid_exists(int(answer.text)), seconds=5, what="the daemon is gone")
    assert time.monotonic() - started < 60


def test_a_line_without_end_is_cut_and_memory_stays_bounded(client: Client, portal: Portal, submit: Submit) -> None:
    code = """
import sys
piece = "x" * (1 << 20)
for _ in range(200):
    sys.stdout.write(piece)
print()
print("after the flood")
open("outputs/done", "w").write("yes")
"""
    worker = portal.child("worker")
    before = most = worker.memory_info().rss
    uid = submit(code)
    while (run := client.run(uid))["status"] not in ("Completed", "Failed", "Canceled"):
        most = max(most, worker.memory_info().rss)
        time.sleep(0.05)
    assert run["status"] == "Completed", run["failure"]
    files = {file["name"]: file["size"] for file in client.get(f"runs/{uid}/logs/")}
    size = files["user_logs/std_log.txt"]
    assert 20_000_000 <= size < 20_100_000  # MLPORTAL_LOG_LIMIT and the marker
    tail = client.http.get(
        f"{client.base}/runs/{uid}/logs/content/", params={"name": "user_logs/std_log.txt", "offset": size - 500}
    )
    assert "limit" in tail.text.lower().strip("x")
    assert most - before < 150_000_000
    artifacts = client.get(f"runs/{uid}/artifacts/")
    assert "outputs/done" in str(artifacts)  # the run went on


def test_no_file_of_the_machine_comes_along_with_the_outputs(client: Client, portal: Portal, submit: Submit) -> None:
    uid = submit("import os\nos.symlink('/etc/passwd', 'outputs/passwd')\nos.symlink('/etc/passwd', 'logs/p.log')\n")
    run = client.wait(uid, seconds=60)
    assert run["status"] == "Completed"
    answer = client.http.get(f"{client.base}/runs/{uid}/artifacts/content/", params={"path": "outputs/passwd"})
    assert answer.status_code == 404
    assert "root:" not in client.http.get(f"{client.base}/runs/{uid}/artifacts/").text
    assert [file["name"] for file in client.get(f"runs/{uid}/logs/")] == ["user_logs/std_log.txt"]


def test_the_script_sees_no_secret_of_its_portal(client: Client, portal: Portal, submit: Submit) -> None:
    code = """
import os
print(dict(os.environ))
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) != os.getpid():
        pass
"""
    uid = submit(code)
    assert client.wait(uid, seconds=60)["status"] == "Completed"
    seen = client.log(uid)
    secret = (portal.home / "secret.key").read_text().strip()
    for hidden in (secret, portal.token, portal.variables["MLPORTAL_ADMIN_PASSWORD"], "MLPORTAL_HOME", "MLPORTAL_BIND"):
        assert hidden not in seen


def test_binary_and_nul_in_the_output_do_no_harm(client: Client, submit: Submit) -> None:
    uid = submit("import sys\nsys.stdout.buffer.write(bytes(range(256)) * 10)\nprint('fin')\n")
    assert client.wait(uid, seconds=60)["status"] == "Completed"
    assert client.log(uid).endswith("fin\n")
    stream = client.http.get(f"{client.base}/runs/{uid}/logs/content/", params={"name": "user_logs/std_log.txt"})
    assert stream.content == bytes(range(256)) * 10 + b"fin\n"


def test_a_cancel_during_preparing_leaves_no_half_environment(client: Client, portal: Portal, submit: Submit) -> None:
    """Packages that this portal has not seen: its builder is in the middle of them."""
    uid = submit("print('never')\n", experiment="heavy", definition=TINY + "  - scipy\n  - pandas\n  - matplotlib\n")
    client.wait(uid, "Preparing", seconds=30)
    build = wait_until(lambda: _build_under_way(portal), what="the builder has begun")
    client.post(f"runs/{uid}/cancel/")
    run = client.run(uid)
    assert run["status"] == "Canceled"
    wait_until(lambda: not list((portal.home / "environments").glob(".building-*")), what="the rest is removed")
    wait_until(lambda: not _uv(portal), what="uv has ended")
    assert not build.exists() or not build.name.startswith(".building")
    events = [event["new"] for event in client.get(f"runs/{uid}/events/")]
    assert events == ["NotStarted", "Preparing", "Canceled"]


def _uv(portal: Portal) -> list[psutil.Process]:
    return [process for process in portal.processes() if Path(process.exe()).name == "uv"]


def _build_under_way(portal: Portal) -> Path | None:
    folder = portal.home / "environments"
    return next(iter(folder.glob(".building-*")), None) or (folder if _uv(portal) else None)


def test_cancel_ends_a_script_that_does_not_listen(client: Client, portal: Portal, submit: Submit) -> None:
    code = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('on', flush=True)\ntime.sleep(100)\n"
    )
    uid = submit(code)
    is_at(client, uid, 1)
    asked = time.monotonic()
    client.post(f"runs/{uid}/cancel/")
    run = client.wait(uid, seconds=30)
    assert run["status"] == "Canceled"
    assert time.monotonic() - asked < 15  # MLPORTAL_CANCEL_GRACE is 3 s
