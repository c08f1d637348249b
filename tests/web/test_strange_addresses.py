"""Addresses and forms that no page of ours would send: they find nothing, change nothing and lead nowhere else."""

from __future__ import annotations

import pytest

from jobs.dataset.left_out import LeftOut, leave_out
from tests.web.caller import Caller
from tests.web.household import Household
from tests.web.within_reach import LIVE_BEFORE, PLAIN, dataset_of, everything


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
