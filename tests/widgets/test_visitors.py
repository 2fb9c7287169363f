"""What a visitor of the dashboard's server can do to it, and to others."""

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tornado.httpclient import HTTPClientError

from benchmarks.servers import Server, serving
from benchmarks.startup import kernel as process_of
from benchmarks.startup import kernels
from tests.test_cli import homeless
from tests.widgets.test_ending import until
from tests.widgets.visitors import channel, fetched, message, page_kernel, reply, visit


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """One that has room for two pages."""
    with serving("voila", tmp_path_factory.mktemp("voila"), ["--kernels", "2"]) as running:
        yield running


def server_log(server: Server) -> str:
    return (Path(psutil.Process(server.process).cwd()) / "voila.log").read_text()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://example.com"},
        {"Sec-Fetch-Site": "none", "Origin": "null"},
    ],
    ids=str,
)
def test_the_page_of_another_site_begins_no_kernel(server, headers):
    answer = asyncio.run(fetched(server.address, headers))
    assert answer.code == 403
    assert b"another site" in answer.body and b"kernelId" not in answer.body
    assert b'<a href="/">' in answer.body  # which asks as this site's own page
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/logout", 200),
        ("/anything", 404),
        ("/%0d%0aLocation:%20x", 404),
        ("/voila/files/%00.png", 404),
        ("/api/kernels/00000000-0000-0000-0000-000000000000/channels", 404),
        ("/voila/templates/x", 404),
        ("/voila/templates/lab/other/x", 404),
        ("/voila/templates/%2e%2e/static/x", 404),
        ("/voila/templates/lab/static/%2e%2e", 404),
        ("/voila/templates/%00/static/x", 404),
    ],
)
def test_no_address_is_a_fault_of_the_server(server, address, status):
    assert asyncio.run(fetched(server.address + address)).code == status


def test_a_kernel_that_died_in_waiting_is_not_handed_out(server):
    until("no kernel waits", lambda: "is filled with 1 kernel" in server_log(server))
    waiting = [psutil.Process(process) for process in kernels(server)]
    for kernel in waiting:
        kernel.kill()
    psutil.wait_procs(waiting, 60)

    async def walk() -> None:
        kernel = await visit(server.address)
        await answers(server.address, kernel)
        await ended(server.address, kernel)

    asyncio.run(asyncio.wait_for(walk(), 120))


def test_a_page_that_is_closed_ends_its_own_kernel_and_no_other_page_does(server):
    async def walk(address: str) -> None:
        answer = await fetched(address)
        kernel, token = page_kernel(answer.body), re.search(r"_xsrf=([^;]+)", answer.headers["Set-Cookie"])[1]
        shutdown = f"{address}/voila/api/shutdown/{kernel}"
        cookie, form = {"Cookie": f"_xsrf={token}"}, f"_xsrf={token}"
        for headers, body in (
            ({}, ""),
            (cookie, ""),
            ({}, form),
            ({**cookie, "Origin": "https://example.com"}, form),
        ):
            assert (await fetched(shutdown, headers, method="POST", body=body)).code in (403, 404)
        await answers(address, kernel)
        for status in (204, 404):
            ended = await fetched(shutdown, {**cookie, "Origin": address}, method="POST", body=form)
            assert ended.code == status
        assert (await fetched(f"{address}/api/kernels/{kernel}")).code == 404

    asyncio.run(asyncio.wait_for(walk(server.address), 120))


def test_a_page_is_told_within_two_seconds_that_its_kernel_has_died(server):
    async def walk(address: str) -> float:
        kernel = await visit(address)
        visitor = await channel(address, kernel)
        await visitor.write_message(message("kernel_info_request", {}), binary=True)
        await reply(visitor, "kernel_info_reply")
        killed = time.monotonic()
        os.kill(process_of(server, kernel), signal.SIGKILL)
        while (await reply(visitor, "status"))["execution_state"] != "dead":
            pass
        took = time.monotonic() - killed
        while (await fetched(f"{address}/api/kernels/{kernel}")).code != 404:
            await asyncio.sleep(0.1)
        return took

    until("no kernel waits", lambda: kernels(server))
    assert asyncio.run(asyncio.wait_for(walk(server.address), 60)) < 2


def test_a_channel_is_guarded_and_others_are_answered_meanwhile(server):
    async def walk(address: str) -> None:
        kernel = await visit(address)
        for protocols in ([], ["v2.kernel.websocket.jupyter.org"]):  # as which it would never be ended
            with pytest.raises(HTTPClientError, match="400"):
                await channel(address, kernel, protocols)
        for frame in (
            (2**62).to_bytes(8, "little") + bytes(16),
            message("comm_msg", {}) + b"x",
            message("comm_msg", {}).replace(b"msg_type", b"msg_kind"),
            b"text",
        ):
            hostile = await channel(address, kernel)
            await hostile.write_message(frame, binary=frame != b"text")
            assert await hostile.read_message() is None
            assert (hostile.close_code, hostile.close_reason[:18]) == (1008, "This is no message")
            assert (await fetched(f"{address}/voila/static/voila.js")).code == 200
        await answers(address, kernel)
        await ended(address, kernel)

    asyncio.run(asyncio.wait_for(walk(server.address), 120))


def test_where_there_is_no_room_a_page_says_so_until_another_is_closed(server):
    async def walk(address: str) -> None:
        first = await visit(address)
        second = await visit(address)
        refused = await fetched(address, patience=10)
        assert (refused.code, refused.headers["Retry-After"]) == (503, "10")
        assert b"as another is closed" in refused.body
        await ended(address, first)
        third = await visit(address)
        assert len({first, second, third}) == 3
        assert (await fetched(address, patience=10)).code == 503
        for kernel in (second, third):
            await ended(address, kernel)

    asyncio.run(asyncio.wait_for(walk(server.address), 120))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="gives up Linux's capabilities")
def test_a_page_opens_where_nothing_can_be_written_into_the_home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    for name, value in homeless(tmp_path / "home")["env"].items():
        monkeypatch.setenv(name, value)
    begin = subprocess.Popen

    def begun(*given, **named):
        return begin(*given, **named, preexec_fn=homeless(tmp_path / "home")["preexec_fn"])

    monkeypatch.setattr("benchmarks.servers.subprocess.Popen", begun)

    async def walk(address: str) -> None:
        await answers(address, await visit(address))

    with serving("voila", tmp_path, ["--kernels", "1"]) as running:
        asyncio.run(asyncio.wait_for(walk(running.address), 120))
    assert list((tmp_path / "home").iterdir()) == []


async def answers(address: str, kernel: str) -> None:
    visitor = await channel(address, kernel)
    await visitor.write_message(message("kernel_info_request", {}, [b"buffer"]), binary=True)
    assert (await reply(visitor, "kernel_info_reply"))["status"] == "ok"
    visitor.close()


async def ended(address: str, kernel: str) -> None:
    """As Voila's page ends its kernel when it is closed."""
    token = {"Cookie": f"_xsrf={'0' * 32}", "X-XSRFToken": "0" * 32}
    assert (await fetched(f"{address}/voila/api/shutdown/{kernel}", token, method="POST", body="")).code == 204
