"""iaipctl ui against a real daemon: a link for one use, a clear word when there is none, and little memory."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from daemon.cli.ui import on_a_desktop
from tests.web.caller import Caller
from tests.web.desk import Desk

MOST_MEMORY = 70 * 2**20


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.start()
    yield made
    made.leave()


def listening(pid: int) -> list[int]:
    """The ports that stay: while a job starts, a witness listens for a moment and hears whether it is confined."""
    looks = []
    for _ in range(3):
        found = psutil.Process(pid).net_connections("tcp")
        looks.append({one.laddr.port for one in found if one.status == psutil.CONN_LISTEN})
        time.sleep(0.5)
    return sorted(set.intersection(*looks))


def test_nothing_listens_until_somebody_asks_and_then_on_loopback_alone(desk: Desk) -> None:
    assert desk.daemon is not None
    assert listening(desk.daemon.pid) == []
    answer = desk.asks_for_the_page()
    assert answer["schema"] == "iaip.ui/1" and answer["opened"] is False
    link = urlsplit(answer["url"])
    assert listening(desk.daemon.pid) == [link.port]
    addresses = {one.laddr.ip for one in psutil.Process(desk.daemon.pid).net_connections("tcp")}
    assert addresses == {"127.0.0.1"}
    again = urlsplit(desk.asks_for_the_page()["url"])
    assert again.port == link.port and again.path != link.path


def test_the_idle_daemon_with_its_page_stays_small(desk: Desk) -> None:
    assert desk.daemon is not None
    link = urlsplit(desk.asks_for_the_page()["url"])
    caller = Caller(port=link.port or 0)
    caller.cookie = caller.get(link.path).headers["set-cookie"].split(";")[0]
    for path in (
        *("/", "/jobs", "/runs", "/releases", "/releases/v0", "/alerts", "/judge", "/lineage?note=lake"),
        *("/rows", "/consent", "/consent/classify?folder=notes&as=public", "/consent/report", "/pace"),
    ):
        for language in ("en", "fr"):
            assert caller.get(path, Accept_Language=language).status == 200
    assert psutil.Process(desk.daemon.pid).memory_info().rss <= MOST_MEMORY


def test_without_a_daemon_it_says_how_to_start_one(tmp_path: Path) -> None:
    told = Desk(tmp_path).types("ui")
    assert told.returncode == 3 and "`iaipctl start`" in told.stderr


def test_a_port_in_use_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        desk = Desk(tmp_path, f"[page]\nport = {port}\n")
        desk.start()
        try:
            told = desk.types("ui")
            assert told.returncode == 5
            assert f"port {port} of 127.0.0.1 is used by another program" in told.stderr
            assert "[page] port" in told.stderr
        finally:
            desk.leave()


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "10.0.0.1"}, "darwin", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "10.0.0.1"}, "linux", False),
        ({}, "linux", False),
    ],
)
def test_a_browser_is_opened_only_where_its_owner_sits(environment, platform: str, expected: bool) -> None:
    assert on_a_desktop(environment, platform) is expected
