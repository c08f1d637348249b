"""What the page refuses: rebound names, other sites, whoever has no session, and requests that are too large.

Every attempt goes through a real socket to the real server.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.web.guard import Asked, hosts, refusal
from tests.web.caller import Caller, stranger
from tests.web.household import Household
from tests.web.within_reach import FORMS, everything, filled


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:PORT",
        "127.0.0.1.nip.io:PORT",
        "localhost.evil.example:PORT",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:1",
        "127.0.0.1:PORT.evil.example",
        "127.0.0.1:PORT@evil.example",
        "evil.example#127.0.0.1:PORT",
        "127.0.0.1:PORT, evil.example",
        "127.0.0.1:0PORT",
        "127.1:PORT",
        "0.0.0.0:PORT",
        "2130706433:PORT",
        "0x7f000001:PORT",
        "[::]:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "LOCALHOST:PORT",
        "localhost.:PORT",
        "",
    ],
)
def test_a_rebound_name_is_refused(home: Household, insider: Caller, host: str) -> None:
    shown = host.replace("PORT", str(insider.port))
    reply = insider.get("/", Host=shown)
    assert reply.status in (400, 421)
    assert "nDCG" not in reply.body


def test_two_host_headers_are_refused(insider: Caller) -> None:
    good = f"Host: 127.0.0.1:{insider.port}"
    lines = ["GET / HTTP/1.1", good, "Host: evil.example", f"Cookie: {insider.cookie}", "Connection: close", "", ""]
    assert insider.raw("\r\n".join(lines).encode()).status in (400, 421)


def test_no_host_at_all_is_refused(insider: Caller) -> None:
    assert insider.raw(f"GET / HTTP/1.1\r\nConnection: close\r\nCookie: {insider.cookie}\r\n\r\n".encode()).status in (
        400,
        421,
    )
    assert insider.raw(f"GET / HTTP/1.0\r\nCookie: {insider.cookie}\r\n\r\n".encode()).status in (400, 421)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_the_three_names_of_this_machine_are_answered(insider: Caller, name: str) -> None:
    assert insider.get("/", Host=f"{name}:{insider.port}").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "-"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://127.0.0.1:PORT"},
        {"Origin": "http://localhost:PORT"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1:PORT.evil.example"},
        {"Origin": "http://127.0.0.1:PORT/"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "CROSS-SITE"},
        {"Origin": "http://evil.example", "Sec_Fetch_Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_form_from_another_site_changes_nothing(
    home: Household, insider: Caller, form: str, headers: dict[str, str]
) -> None:
    shown = {name: value.replace("PORT", str(insider.port)) for name, value in headers.items()}
    before = everything(home)
    path, body = filled(form, home)
    assert insider.post(path, body, **shown).status == 403
    assert everything(home) == before


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_or_port_cannot_read(insider: Caller, site: str) -> None:
    assert insider.get("/live/home", Sec_Fetch_Site=site).status == 403


def test_no_answer_lets_another_origin_read_it(insider: Caller) -> None:
    assert insider.get("/", Origin="http://evil.example").status == 403
    headers = insider.get("/").headers
    assert not [name for name in headers if name.startswith("access-control")]
    assert insider.send("OPTIONS", "/", {"Origin": insider.origin}).status == 405


@pytest.mark.parametrize("cookie", ["", "iaip-PORT=", "iaip-PORT=guess", "iaip-1=guess", "session=guess"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/runs/1",
        "/live/home",
        "/releases/v1/rollback",
        "/nothing",
        "/rows",
        "/consent",
        "/consent/report",
        "/pace",
    ],
)
def test_without_a_session_nothing_is_told(home: Household, cookie: str, path: str) -> None:
    caller = stranger(home)
    caller.cookie = cookie.replace("PORT", str(caller.port))
    reply = caller.get(path)
    assert reply.status == 403
    assert "iaipctl ui" in reply.body and "nDCG" not in reply.body


@pytest.mark.parametrize("form", FORMS)
def test_a_form_without_a_session_changes_nothing(home: Household, form: str) -> None:
    before = everything(home)
    path, body = filled(form, home)
    assert stranger(home).post(path, body).status == 403
    assert everything(home) == before


def test_a_link_works_once_and_a_guess_never(home: Household) -> None:
    link = urlsplit(home.enter())
    caller = Caller(port=link.port or 0)
    assert caller.get("/enter/guess").status == 403
    assert caller.send("HEAD", link.path, {}).status == 403
    assert caller.get(link.path, Sec_Purpose="prefetch").status == 403
    first = caller.get(link.path)
    assert (first.status, first.headers["location"]) == (303, "/")
    assert "HttpOnly" in first.headers["set-cookie"] and "SameSite=Strict" in first.headers["set-cookie"]
    assert caller.get(link.path).status == 403


def test_a_request_that_is_too_large_is_refused(insider: Caller) -> None:
    assert insider.post("/alerts/1", "x" * 100_000).status == 413
    assert insider.get("/" + "x" * 40_000).status in (400, 413, 414)


@given(
    st.builds(
        Asked,
        method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]),
        path=st.sampled_from(["/", "/enter/x", "/page.css", "/releases/v1/rollback"]),
        host=st.sampled_from([*hosts(80), "evil.example", ""]),
        origin=st.sampled_from(["", "null", "http://evil.example", *(f"http://{host}" for host in hosts(80))]),
        fetch_site=st.sampled_from(["", "none", "same-origin", "same-site", "cross-site"]),
        has_session=st.booleans(),
    )
)
def test_nothing_is_changed_but_by_our_own_page_in_a_session(asked: Asked) -> None:
    if refusal(asked, 80) is None and asked.method not in ("GET", "HEAD"):
        assert asked.host in hosts(80)
        assert asked.origin == f"http://{asked.host}"
        assert asked.fetch_site in ("", "none", "same-origin")
        assert asked.has_session or asked.path == "/page.css"
