"""An alert's text is data to every notifier: no option, no script, no markup, and not too long."""

from __future__ import annotations

import html
import json
import os
import sys
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.system import notifications
from daemon.system.notices import notice
from daemon.system.notifications import (
    LONGEST_TEXT,
    MISREAD_FIRST,
    applescript,
    harmless,
    notify,
    notify_send,
)
from launchd.machine import run_tool
from tests.fakes.macos.machine import FakeMachine

HOSTILE = [
    "-e",
    "--",
    "-execute rm",
    "[a list]",
    "(a list)",
    "{a=1;}",
    "<data>",
    '"quoted"',
    "@argv",
    'x" with title "y',
    '"; do shell script "id"; "',
    "a\nend run\ndo shell script id",
    "a\0b",
    "\x1b[31mred\x07",
    "line\r\nline\ttab",
    "\u202eright to left",
    "a\u200b-\u2066b",
    "|bash=/bin/sh terminal=false",
    "<b>bold</b> & <a href='x'>x</a>",
    "$(id) `id` $HOME %s %n",
    "é" * 1000,
    "",
    "   ",
    "\ud7ff\ue000\U0010ffff",
]


@pytest.fixture
def mac(mac, tmp_path, monkeypatch):
    """With real pync, which believes that it is on a Mac, and a terminal-notifier on PATH."""
    (tmp_path / "sitecustomize.py").write_text(
        "import platform\n"
        "platform.system = lambda: 'Darwin'\n"
        "platform.mac_ver = lambda: ('26.1', ('', '', ''), 'arm64')\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("PATH", f"{mac.tools}{os.pathsep}{os.environ['PATH']}")
    return mac


def tried(mac: FakeMachine) -> list[str]:
    """The notifiers that were called, in order."""
    log = mac.state.path.with_suffix(".jsonl").read_text("utf-8").splitlines()
    return [tool for line in log if (tool := json.loads(line)["argv"][0]) != "defaults"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_reaches_osascript_as_plain_arguments(mac, text) -> None:
    argv = applescript(str(mac.tools / "osascript"), text, text)
    told = mac.run(argv, 20.0)
    shown = mac.state.read()["shown"][-1]
    assert told.code == 0 and shown["argv"] == [harmless(text)] * 2
    assert shown["script"] == applescript("", "", "")[2::2][:3], "the script is the same whatever the text"


def test_hostile_text_is_not_misread_by_terminal_notifier_behind_pync(mac) -> None:
    texts = [harmless(text) or "·" for text in HOSTILE]
    each = "import json, sys; from daemon.system.by_pync import main; [main(t, t) for t in json.loads(sys.argv[1])]"
    assert run_tool([sys.executable, "-c", each, json.dumps(texts)], 60.0).code == 0
    assert mac.calls("terminal-notifier") == [["-message", text, "-title", text] for text in texts]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_no_markup_on_a_linux_desktop(text) -> None:
    _, application, end, title, body = notify_send("notify-send", text, text)
    assert (application, end, title) == ("--app-name=iaip", "--", harmless(text))
    assert "<" not in body and html.unescape(body) == harmless(text)


@given(st.text())
def test_whatever_the_text_one_short_printable_line_is_left(text) -> None:
    line = harmless(text)
    assert len(line) <= LONGEST_TEXT and line[:1] not in set(MISREAD_FIRST)
    assert all(unicodedata.category(character)[0] != "C" for character in line)
    assert line == " ".join(line.split())


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=LONGEST_TEXT))
def test_plain_words_stay_as_they_are(text) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize(("page", "opens"), [(None, []), ("http://127.0.0.1:4/alerts",) * 2])
def test_a_click_opens_the_page_only_while_it_runs(mac, page, opens) -> None:
    notify(mac.machine("darwin"), "failed", "embedding", page=lambda: page)
    [words] = mac.calls("terminal-notifier")
    title, body = notice("failed", "embedding", "en")
    assert words == ["-message", body, "-title", title, *(["-open", opens] if opens else [])]
    assert tried(mac) == ["terminal-notifier"]


def test_the_page_is_not_asked_for_where_no_click_could_lead_to_it(mac) -> None:
    (mac.tools / "terminal-notifier").unlink()
    notify(mac.machine("darwin"), "failed", "embedding", page=lambda: pytest.fail("nobody could click"))
    assert tried(mac) == ["osascript"]


def test_a_notifier_that_may_show_nothing_is_followed_by_osascript(mac) -> None:
    mac.set(readings={"notifier": 1, "languages": "(\n    fr\n)\n"})
    notify(mac.machine("darwin"), "failed", "embedding")
    assert tried(mac) == ["terminal-notifier", "osascript"]
    assert mac.state.read()["shown"][0]["argv"] == list(notice("failed", "embedding", "fr"))


def test_a_notifier_that_never_ends_is_followed_by_osascript(mac, monkeypatch) -> None:
    monkeypatch.setattr(notifications, "TIMEOUT_SECONDS", 0.6)
    (mac.tools / "terminal-notifier").write_text("#!/bin/sh\nexec sleep 2\n")
    notify(mac.machine("darwin"), "failed", "embedding")
    assert tried(mac) == ["osascript"]


def test_a_pync_that_cannot_even_be_imported_is_followed_by_osascript(mac, tmp_path) -> None:
    (tmp_path / "sitecustomize.py").unlink()  # now it finds itself on no Mac and raises
    notify(mac.machine("darwin"), "failed", "embedding")
    assert tried(mac) == ["osascript"]


def test_without_a_terminal_notifier_nothing_is_asked_of_pync(mac) -> None:
    (mac.tools / "terminal-notifier").unlink()
    notify(mac.machine("darwin"), "failed", "embedding")
    assert tried(mac) == ["osascript"]


def test_notifications_that_are_denied_everywhere_are_no_error(mac) -> None:
    mac.set(readings={"notifier": 1})
    mac.script("osascript -e", (1, "", "execution error: Not authorised to send Apple events (-1743)\n"))
    notify(mac.machine("darwin"), "failed", "embedding")
    assert tried(mac) == ["terminal-notifier", "osascript"]


def test_a_linux_desktop_is_told_by_notify_send_and_a_server_by_nobody(mac) -> None:
    linux = mac.machine("linux")
    notify(linux, "failed", "embedding")
    assert mac.calls("notify-send") == [notify_send("", *notice("failed", "embedding", "en"))[1:]]
    (mac.tools / "notify-send").unlink()
    notify(replace(linux, environment={"PATH": str(mac.tools)}), "failed", "embedding")
    assert tried(mac) == ["notify-send"]
