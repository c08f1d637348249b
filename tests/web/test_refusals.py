"""What the page refuses: rebound names, other sites, missing tokens, paths that climb, markup in names.

Every attempt goes through a real socket to the real server.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.ledger.pace import PaceRecord
from daemon.readings import Readings
from daemon.web.guard import Asked, hosts, refusal
from daemon.web.stewarding import Stewarding, Word
from jobs.dataset.left_out import LeftOut, leave_out
from jobs.dataset.proposals import plain_lines, proposals
from jobs.domain.corpus import DocumentId
from tests.web.caller import Caller, owner, stranger
from tests.web.household import Household

LIVE_BEFORE = "v2"
NOW = datetime.now(UTC)
PLAIN = (
    *("/", "/jobs", "/runs", "/releases", "/lineage", "/judge", "/rows", "/alerts"),
    *("/consent", "/consent/report", "/pace"),
)
FORMS = ("rollback", "acknowledge", "leave-out", "take-back", "classify")


def dataset_of(home: Household) -> str:
    name = home.books.history.newest_dataset("embedding")
    assert name is not None
    return name


def filled(form: str, home: Household) -> tuple[str, str]:
    """A form's address and content, such that our own page's would do what it says."""
    row = next(proposals(home.home.datasets / dataset_of(home), "embedding", plain_lines))
    word = Word(folders=("notes/canoe",), classification="public")
    shown = Stewarding(home.house).preview(word)["seen"].digest
    leave_out(home.home.left_out, "fedcba9876543210", LeftOut())
    return {
        "rollback": ("/releases/v1/rollback", ""),
        "acknowledge": ("/alerts/1", ""),
        "leave-out": (f"/rows/{dataset_of(home)}/{row.digest}", ""),
        "take-back": ("/rows/left-out/fedcba9876543210", ""),
        "classify": ("/consent/classify", f"folder=notes%2Fcanoe&as=public&freeing=yes&shown={shown}"),
    }[form]


def everything(home: Household) -> tuple[object, ...]:
    """All that a form could change: what is live, the ledger, the owner's files."""
    leave_out(home.home.left_out, "fedcba9876543210", LeftOut())
    folders = (home.home.consent, home.home.left_out, home.home.evaluation, home.home.requests)
    files = {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    changes = home.books.database.row("SELECT total_changes() AS n")
    return home.releases.live(), changes and changes["n"], files


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    made = Household(tmp_path_factory.mktemp("attacked"))
    made.settle()
    made.live_through(3, promoted=2)
    yield made
    made.leave()


@pytest.fixture(scope="module")
def insider(home: Household) -> Caller:
    """Has a session: what is refused to it is refused for another reason."""
    return owner(home)


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


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/static/../../daemon/app.py",
        "/page.css/../site.py",
        "/%2e%2e/%2e%2e/ledger.sqlite",
        "/..%2f..%2fledger.sqlite",
        "/page.css%00.html",
        "//etc/passwd",
        "//evil.example/",
        "/releases/..",
        "/releases/%2e%2e%2fledger.sqlite",
        "/releases/current",
        "/releases/v1%2f..%2f..",
        "/releases/models",
        "/releases/v999",
        "/releases/../rollback",
        "/runs/-1",
        "/runs/1e9",
        "/runs/99999999999999999999999",
        "/enter/../",
        "/judge/query?set=..%2f..&query=x",
        "/judge/query?set=%00&query=%00",
        "/rows/..",
        "/rows/%2e%2e",
        "/rows/..%2freleases%2fv1",
        "/rows/0123456789abcdef",
        "/rows/0123456789abcdef%2f..",
        "/rows/0123456789abcde%00",
        "/consent/..%2f..%2fledger.sqlite",
    ],
)
def test_a_path_that_climbs_finds_nothing(insider: Caller, path: str) -> None:
    reply = insider.get(path)
    assert reply.status in (400, 403, 404)
    assert "root:" not in reply.body and "import" not in reply.body and "SQLite" not in reply.body
    assert "evil.example" not in reply.headers.get("location", "")


@pytest.mark.parametrize("name", ["..", "current", "models", "v9", "%2e%2e"])
def test_a_rollback_to_what_is_no_release_changes_nothing(home: Household, insider: Caller, name: str) -> None:
    assert insider.post(f"/releases/{name}/rollback").status in (400, 403, 404)
    assert home.releases.live() == LIVE_BEFORE


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/alerts/1"),
        ("GET", "/rows/left-out/0123456789abcdef"),
        ("GET", "/rows/0123456789abcdef/0123456789abcdef"),
        ("PUT", "/consent/classify"),
        ("DELETE", "/rows/left-out/0123456789abcdef"),
        ("PUT", "/releases/v1/rollback"),
        ("DELETE", "/releases/v1"),
        ("TRACE", "/"),
        ("PATCH", "/"),
    ],
)
def test_what_is_no_form_changes_nothing(home: Household, insider: Caller, method: str, path: str) -> None:
    before = everything(home)
    assert insider.send(method, path, {"Origin": insider.origin}).status in (404, 405, 501)
    assert everything(home) == before


def test_every_get_leaves_everything_as_it_was(home: Household, insider: Caller) -> None:
    before = everything(home)
    classify = "/consent/classify?folder=notes%2Fcanoe&as=public&freeing=yes&shown=x"
    for path in (*PLAIN, "/runs/3", "/releases/v1/rollback", f"/rows/{dataset_of(home)}", classify):
        assert insider.get(path).status == 200, path
    assert everything(home) == before


@pytest.mark.parametrize(
    "query",
    ["from=-1", "from=1e9", "from=99999999999999999999", "from=%00", "words=%00", "words=%ff%fe", "generator=..",
     "note=..%2f..", "class=%3Cb%3E", "from=5&from=6", "words=" + "x" * 5000],
)  # fmt: skip
def test_a_strange_question_about_rows_is_answered_or_refused(home: Household, insider: Caller, query: str) -> None:
    reply = insider.get(f"/rows/{dataset_of(home)}?{query}")
    assert reply.status == 200 and "<b>" not in reply.body


@pytest.mark.parametrize(
    "name", ["..", "../..", "notes/../../..", "/etc", "%00", "~root", "notes/nowhere", "//evil.example/x", "curated%0a"]
)
def test_a_folder_that_is_none_of_the_notes_is_classified_by_nobody(
    home: Household, insider: Caller, name: str
) -> None:
    before = everything(home)
    assert insider.get(f"/consent/classify?other={name}&as=public").status in (200, 409)
    assert insider.post("/consent/classify", f"folder={name}&as=public&freeing=yes&shown=0").status == 409
    assert everything(home) == before


@pytest.mark.parametrize(
    "way", ["?dataset=//evil.example", "?dataset=..", "?dataset=%0d%0aX:1", "?from=1&dataset=x%2fy"]
)
def test_the_way_back_leads_nowhere_else(home: Household, insider: Caller, way: str) -> None:
    leave_out(home.home.left_out, "0123456789abcdef", LeftOut())
    reply = insider.post(f"/rows/left-out/0123456789abcdef{way}")
    assert (reply.status, reply.headers["location"]) == (303, "/rows")
    assert "x" not in reply.headers


MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><svg onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)//<b>",
    "</textarea><iframe src=//evil.example>",
]
DANGEROUS = ("<script>alert", "<img src=x", "onmouseover='", "<svg onload", "<iframe", "<b>", ">49<")


@pytest.mark.parametrize("text", MARKUP)
def test_markup_from_anywhere_is_only_text(tmp_path: Path, text: str) -> None:
    hostile = Household(tmp_path)
    hostile.notes = [DocumentId(collection="notes", path=f"{number} {text}.md") for number in range(30)]
    hostile.settle()
    sets = [hostile.queries("mine", "curated", 30)]
    hostile.queries = lambda *_: msgspec.structs.replace(  # type: ignore[method-assign]
        sets[0],
        queries=tuple(msgspec.structs.replace(q, text=f"{n} {text}") for n, q in enumerate(sets[0].queries)),
    )
    try:
        hostile.live_through(1, promoted=1)
        hostile.books.alerts.post("failed", text, text, hostile.now, about=text)
        hostile.books.pace.add(
            PaceRecord(at=NOW, since=NOW, action="pause", rest=0.0, reason=text, readings=Readings())
        )
        job = hostile.training_now(3)
        hostile.books.jobs.note(job, phase=text, progress=None, now=hostile.now)
        caller = owner(hostile)
        question = caller.get("/judge").body.partition('href="/judge/query?')[2].partition('"')[0].replace("&amp;", "&")
        for path in (
            "/", "/jobs", "/runs/1?queries=all", "/releases/v1", "/alerts", "/judge", f"/judge/query?{question}",
            f"/lineage?note={quote(text)}", f"/{quote(text)}", "/rows", f"/rows/{dataset_of(hostile)}", "/consent",
            f"/rows/{dataset_of(hostile)}?words={quote(text)}&note={quote(text)}", "/consent/report", "/pace",
            f"/consent/classify?folder={quote(text)}&as=public", f"/consent/classify?folder=notes&as={quote(text)}",
        ):  # fmt: skip
            body = caller.get(path).body
            assert "</html>" in body, path
            assert not [word for word in DANGEROUS if word in body], path
            french = caller.get(path, Accept_Language="fr").body
            assert not [word for word in DANGEROUS if word in french], path
        assert caller.get("/alerts", Accept_Language=text).status == 200
    finally:
        hostile.leave()


def test_strict_headers_come_with_every_answer(home: Household, insider: Caller) -> None:
    for reply in (insider.get("/"), insider.get("/nothing"), stranger(home).get("/"), insider.get("/page.js")):
        policy = reply.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"


def test_no_page_carries_inline_code_or_asks_for_anything_outside(home: Household, insider: Caller) -> None:
    for path in (*PLAIN, "/runs/3", "/releases/v1", f"/rows/{dataset_of(home)}"):
        body = insider.get(path).body
        assert " style=" not in body and "<style" not in body and " onclick" not in body
        assert "<script>" not in body and "http://" not in body and "https://" not in body, path


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
