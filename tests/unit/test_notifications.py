"""An alert's text is data to every notifier: no option, no script, no markup, and not too long."""

from __future__ import annotations

import html
import shutil
import sys
import types
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.system import notifications
from daemon.system.notifications import LONGEST_TEXT, MISREAD_FIRST, applescript, harmless, notify_send
from launchd.machine import run_tool
from tests.fakes.macos.machine import fake_machine

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


@pytest.fixture(scope="module")
def mac(tmp_path_factory):
    with fake_machine(tmp_path_factory.mktemp("mac") / "it") as found:
        yield found


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_reaches_osascript_as_plain_arguments(mac, text) -> None:
    argv = applescript(str(mac.tools / "osascript"), text, text)
    told = run_tool(argv, 20.0)
    shown = mac.state.read()["shown"][-1]
    assert told.code == 0 and shown["argv"] == [harmless(text)] * 2
    assert shown["script"] == applescript("", "", "")[2::2][:3], "the script is the same whatever the text"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_not_misread_by_terminal_notifier(mac, text) -> None:
    argv = [str(mac.tools / "terminal-notifier"), "-title", "iaip", "-message", harmless(text) or "·"]
    assert run_tool(argv, 20.0).code == 0


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


@pytest.mark.parametrize(
    ("page", "opens"), [(None, {}), ("http://127.0.0.1:4/alerts", {"open": "http://127.0.0.1:4/alerts"})]
)
def test_a_click_opens_the_page_only_while_it_runs(monkeypatch, page, opens) -> None:
    told = []
    pync = types.ModuleType("pync")
    monkeypatch.setattr(pync, "notify", lambda body, **how: told.append((body, how)), raising=False)
    monkeypatch.setitem(sys.modules, "pync", pync)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/local/bin/terminal-notifier")
    assert notifications._by_pync("t", "b", page)
    assert told == [("b", {"title": "t", **opens})]


@pytest.mark.parametrize(("denied", "tried"), [((), ["pync"]), (("pync",), ["pync", "osascript"])])
def test_where_one_sink_refuses_the_next_is_tried(monkeypatch, mac, denied, tried) -> None:
    told = []
    pync = types.ModuleType("pync")

    def notify(body: str, **how: str) -> None:
        told.append("pync")
        if "pync" in denied:
            raise Exception("terminal-notifier: not allowed")

    monkeypatch.setattr(pync, "notify", notify, raising=False)
    monkeypatch.setitem(sys.modules, "pync", pync)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/local/bin/terminal-notifier")
    monkeypatch.setattr(notifications, "owners_language", lambda: "en")
    monkeypatch.setattr(notifications, "_run", lambda command: told.append(Path(command[0]).name))
    notifications.notify("failed", "embedding")
    assert told == tried


def test_notifications_that_are_denied_everywhere_are_no_error(monkeypatch, mac) -> None:
    mac.script("osascript -e", (1, "", "execution error: Not authorised to send Apple events (-1743)\n"))
    told = run_tool(applescript(str(mac.tools / "osascript"), "t", "b"), 20.0)
    assert told.code == 1, "as macOS refuses"
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(notifications, "owners_language", lambda: "en")
    monkeypatch.setattr(notifications, "applescript", lambda *_: ["/no/such/osascript"])
    notifications.notify("failed", "embedding")
