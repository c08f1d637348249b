"""Markup in names is only text, and no page carries code or lets any in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from daemon.ledger.pace import PaceRecord
from daemon.readings import Readings
from jobs.domain.corpus import DocumentId
from tests.web.caller import Caller, owner, stranger
from tests.web.household import Household
from tests.web.within_reach import PLAIN, dataset_of

NOW = datetime.now(UTC)
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
