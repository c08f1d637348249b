"""The daemon's word about itself: fresh, from the right user, on a socket that survives what happens to its file."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from config.paths import LONGEST_SOCKET_PATH, Home
from daemon.door import SocketServer
from daemon.socket import (
    XUCRED,
    Health,
    Question,
    ask,
    ask_health,
    own_folder,
    peer_uid,
    uid_of_xucred,
    wait_healthy,
)
from jobs.domain.errors import BadInput, Refused

STARTED = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def path():
    with tempfile.TemporaryDirectory() as folder:  # tmp_path may be too long for a socket
        yield Path(folder) / "run" / "iaipd.sock"


def health(question: Question) -> Health:
    return Health(version="1", pid=os.getpid(), nonce=question.nonce, home="/h", live="v0", started_at=STARTED)


@contextmanager
def serving(path, answer=health):
    server = SocketServer(path, answer)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def said(path, raw: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(raw)
        return connection.recv(65536)


def test_health_is_told_with_the_nonce_that_was_sent(path) -> None:
    with serving(path):
        found = ask_health(path, "abc")
        assert found is not None and (found.nonce, found.pid) == ("abc", os.getpid())
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700 and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists() and ask_health(path, "abc") is None


def test_an_answer_to_another_question_is_none(path) -> None:
    with serving(path, lambda question: health(Question(ask="health", nonce="old"))):
        assert ask_health(path, "new") is None


def test_a_dead_socket_file_is_replaced(path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert ask_health(path, "x") is None
    with serving(path):
        assert ask_health(path, "x") is not None


def test_a_file_that_is_no_socket_is_left_alone(path) -> None:
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(Refused, match="in the socket's place"):
        SocketServer(path, health).start()
    assert path.read_text() == "mine"


def test_a_socket_that_was_swept_away_is_made_again(path) -> None:
    with serving(path):
        path.unlink()
        assert wait_healthy(path, lambda _: True, 10.0, lambda: False) is not None


@pytest.mark.parametrize("raw", [b"\n", b"{}\n", b"not json\n", b'{"ask":"rm"}\n', b"[" * 5000, b'{"ask":1}\n'])
def test_nonsense_is_refused_in_words_and_the_next_one_is_served(path, raw) -> None:
    with serving(path):
        assert b"refused" in said(path, raw)
        assert ask_health(path, "x") is not None


def test_an_asker_who_says_nothing_does_not_hold_up_the_others(path) -> None:
    with serving(path), socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(path))
        began = time.monotonic()
        assert ask_health(path, "x") is not None and time.monotonic() - began < 2.0


def test_a_failure_to_answer_is_told_in_its_own_words(path) -> None:
    def failing(_: Question) -> None:
        raise BadInput("index.yml is not YAML", remedy="mend it")

    with serving(path, failing):
        assert ask(path, Question(ask="folders"), 5.0) == msgspec.json.encode({"refused": "index.yml is not YAML"})


def test_the_kernel_names_the_peer() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_uid(one) == os.getuid()


def test_macos_names_the_peer_in_a_struct_of_version_0() -> None:
    assert uid_of_xucred(XUCRED.pack(0, 501, 1, *[20] * 16)) == 501
    with pytest.raises(OSError, match="version 1"):
        uid_of_xucred(XUCRED.pack(1, 501, 1, *[20] * 16))


def test_a_home_too_deep_for_a_socket_gets_a_short_path_of_its_own() -> None:
    deep, other = Home(root=Path("/" + "é" * 60)), Home(root=Path("/" + "è" * 60))
    assert len(os.fsencode(deep.socket)) <= LONGEST_SOCKET_PATH and deep.socket != other.socket
    assert Home(root=Path("/h")).socket == Path("/h/run/iaipd.sock")


def test_a_folder_open_to_others_is_closed_and_a_link_is_refused(tmp_path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    own_folder(tmp_path / "open")
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "open")
    with pytest.raises(Refused, match="does not belong to you"):
        own_folder(tmp_path / "link")


def test_waiting_ends_when_the_daemon_was_given_up(path) -> None:
    gave_up = threading.Event()
    threading.Timer(0.3, gave_up.set).start()
    began = time.monotonic()
    assert wait_healthy(path, lambda _: True, 30.0, gave_up.is_set) is None
    assert time.monotonic() - began < 5.0
