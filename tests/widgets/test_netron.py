"""Netron is served on one file a token, and nothing beside it."""

import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.client import HTTPMessage
from types import SimpleNamespace

import pytest
from jupyter_server.auth.identity import PasswordIdentityProvider
from tornado import httpserver, ioloop, netutil, web

from widgets.dashboards import exports
from widgets.server.netron import netron_handlers
from workbench.errors import WorkbenchError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(exports.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def address(folder):
    """Of a server with the handler alone, whoever asks."""
    ready, found = threading.Event(), {}

    def serve() -> None:
        async def run() -> None:
            settings = {
                "base_url": "/base/", "cookie_secret": "s", "headers": {"Content-Security-Policy": "none"},
                "identity_provider": PasswordIdentityProvider(token="", hashed_password=""),
                "jinja2_env": SimpleNamespace(get_template=lambda name: SimpleNamespace(render=lambda **facts: name)),
            }  # fmt: skip
            sockets = netutil.bind_sockets(0, "127.0.0.1")
            httpserver.HTTPServer(web.Application(netron_handlers("/base/"), **settings)).add_sockets(sockets)
            found.update(port=sockets[0].getsockname()[1], loop=ioloop.IOLoop.current())
            ready.set()

        loop = ioloop.IOLoop()
        loop.add_callback(run)
        loop.start()

    threading.Thread(target=serve, daemon=True).start()
    ready.wait(30)
    yield f"http://127.0.0.1:{found['port']}/base/workbench/netron"
    found["loop"].add_callback(found["loop"].stop)


def get(address: str) -> tuple[int, HTTPMessage, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_a_token_leads_to_its_own_file_and_to_netron_on_it(address):
    tokens = exports.put({"first.onnx": b"one", "second.onnx": b"two"})
    assert get(f"{address}/{tokens['first.onnx']}/data/model.onnx")[2] == b"one"
    assert get(f"{address}/{tokens['second.onnx']}/data/model.onnx")[2] == b"two"
    status, headers, page = get(f"{address}/{tokens['first.onnx']}/")
    assert status == 200 and b'<meta name="name" content="first.onnx">' in page
    policy = headers["Content-Security-Policy"]
    assert "connect-src 'self'" in policy and "http" not in policy
    told = dict(re.findall(rb'<meta name="(\w+)" content="([^"]*)"', page))
    assert told[b"version"] == b"0.0.0" and b"date" not in told  # which sends nothing, and never ages
    assert any(cookie.startswith("consent=") for cookie in headers.get_all("Set-Cookie"))
    assert get(f"{address}/{tokens['first.onnx']}/onnx.js")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "server.py", "../first.onnx", "data/../../first.onnx", "%2e%2e/%2e%2e/first.onnx", "data/first.onnx",
        "../{other}/data/model.onnx/", "/etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "__init__.py", "data/", "data",
    ],
)  # fmt: skip
def test_nothing_else_is_served(address, path):
    tokens = exports.put({"first.onnx": b"one", "second.onnx": b"two"})
    path = path.format(other=tokens["second.onnx"])
    assert get(f"{address}/{tokens['first.onnx']}/{path}")[0] == 404


@pytest.mark.parametrize("token", ["", "a" * 43, "*" * 43, "..", "%2e%2e", "a" * 42, "?" * 43])
def test_no_other_token_leads_anywhere(address, token):
    exports.put({"first.onnx": b"one"})
    assert get(f"{address}/{token}/data/model.onnx")[0] == 404
    assert exports.find(token) is None


def test_the_oldest_files_give_way(folder):
    first = exports.put({"a.onnx": b"1", "b.onnx": b"2"})
    second = exports.put({"a.onnx": b"3", "b.onnx": b"4"})
    third = exports.put({"a.onnx": b"5", "b.onnx": b"6"})
    assert [exports.find(token) for token in first.values()] == [None, None]
    assert [exports.find(token).read_bytes() for token in (*second.values(), *third.values())] == [
        b"3", b"4", b"5", b"6",
    ]  # fmt: skip
    assert folder.joinpath(str(os.getpid())).stat().st_mode & 0o077 == 0


def test_files_of_a_process_that_has_ended_go(folder):
    script = "from widgets.dashboards import exports; import os; exports.put({'a.onnx': b'1'}); print(os.getpid())"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not folder.joinpath(ended.stdout.strip()).exists()  # by itself
    killed = subprocess.run(
        [sys.executable, "-c", f"{script}; os.kill(os.getpid(), 9)"], capture_output=True, text=True
    )
    assert killed.returncode == -9 and len(list(folder.iterdir())) == 1
    exports.put({"b.onnx": b"2"})
    assert [one.name for one in folder.iterdir()] == [str(os.getpid())]


def test_without_a_server_and_with_too_much_a_sentence_is_said(folder, monkeypatch):
    monkeypatch.setattr(exports, "LARGEST", 3)
    with pytest.raises(WorkbenchError, match="4 bytes"):
        exports.put({"a.onnx": b"1234"})
    monkeypatch.delenv(exports.VARIABLE)
    with pytest.raises(WorkbenchError, match="shows no files"):
        exports.put({"a.onnx": b"1"})
