"""A server that is told to end takes its kernels with it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
MARK = "WORKBENCH_TEST_ENDING"
ENDINGS = [
    ("dashboard", "SIGTERM", 0),
    pytest.param("dashboard", "SIGHUP", 0, marks=pytest.mark.slow),
    ("dashboard", "SIGKILL", -signal.SIGKILL),  # nobody is told
    ("lab", "SIGTERM", 0),
]


def running(mark: str) -> list[str]:
    """Names and command lines of the processes that were begun under `mark`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes():
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                name = (process / "comm").read_text()
                found += [f"{name} {command}"] if command else []  # a zombie has none
        except OSError:  # gone meanwhile
            continue
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(said: str, what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, said
        time.sleep(0.2)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/static/favicon.ico", timeout=30):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.mark.parametrize(("page", "ending", "code"), ENDINGS)
def test_no_process_stays(page: str, ending: str, code: int, tmp_path: Path) -> None:
    mark, port = uuid.uuid4().hex, free_port()
    folder = ["--notebooks", str(tmp_path), "--allow-root"] if page == "lab" else []
    program = [sys.executable, "-c", "from workbench.cli import main; main()", page]
    command = [*program, "--no-browser", "--port", str(port), *folder]
    log = tmp_path / "log"
    with log.open("w") as to:
        server = subprocess.Popen(
            command, env={**os.environ, MARK: mark, "TMPDIR": str(tmp_path)}, stdout=to, stderr=to
        )
    try:
        until(f"it never answered: {log.read_text()}", lambda: answers(port) or server.poll() is not None)
        assert server.poll() is None, log.read_text()
        if page == "dashboard":  # which begins a kernel ahead
            begun = re.compile(r"kernel [0-9a-f]{8}\b|.* ipykernel", re.DOTALL)
            until("no kernel was begun", lambda: any(map(begun.match, running(mark))))
        server.send_signal(signal.Signals[ending])
        assert server.wait(60) == code, log.read_text()
        until("a process stayed", lambda: not running(mark))
    finally:
        server.kill()


def test_a_script_that_closes_nothing_ends_well_in_the_midst_of_a_measurement() -> None:
    script = "import widgets, workbench; widgets.Dashboard(workbench.Session(workbench.load('lenet-5/mnist')))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
