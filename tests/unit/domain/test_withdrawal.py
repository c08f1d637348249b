"""The rules of withdrawal: what denies, what goes live, and what stays of a figure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.consent_log import Chain, sealed
from jobs.domain.corpus import CURATED, DocumentId
from jobs.domain.withdrawal import (
    STEPS,
    TOMBSTONE,
    EndedRecord,
    Holding,
    Meant,
    Withdrawal,
    denied_by,
    entries_to_seal,
    goes_live,
    query_texts,
    tombstoned,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NAMES = [f"v{number}" for number in range(6)]
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.builds(DocumentId, collection=st.sampled_from(["kb", "notes"]), path=WORDS.filter(bool))
RECORDS = st.builds(EndedRecord, record=st.sampled_from(["ada", "ben"]), sha256=st.sampled_from(["dd", "ee"]))
WITHDRAWALS = st.builds(
    Withdrawal,
    id=st.integers(1, 99).map(lambda number: f"w{number}"),
    asked_at=st.just(NOW),
    by=st.just("a test"),
    what=st.just("document"),
    name=WORDS,
    documents=st.lists(DOCUMENTS, max_size=3).map(tuple),
    contents=st.lists(st.sampled_from(["aa", "bb", "cc"]), max_size=2).map(tuple),
    denied=st.booleans(),
    records=st.lists(RECORDS, max_size=2).map(tuple),
)


def asked(**said: Any) -> Withdrawal:
    return Withdrawal(id="w1", asked_at=NOW, by="a test", what="document", name="x", **said)


@given(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)), st.integers(0, 5))
def test_what_goes_live_is_the_newest_that_may_and_never_one_that_stops(
    stopping: set[str], whole: set[str], live: int
) -> None:
    before = NAMES[:live][::-1]
    found = goes_live(NAMES[live], stopping, before, lambda name: name in whole)
    if NAMES[live] not in stopping:
        assert found == NAMES[live]
        return
    assert found not in stopping or found is None
    if found is not None and found != "v0":
        newer = before[: before.index(found)]
        assert found in whole and all(name in stopping or name not in whole for name in newer)
    if "v0" in before and "v0" not in stopping:
        assert found is not None, "the owner's own files can always go live"


@given(WITHDRAWALS)
def test_the_sealed_log_denies_exactly_what_the_journal_does(one: Withdrawal) -> None:
    chain = Chain()
    while missing := entries_to_seal(one, chain):  # a crash may come after any of them
        chain = Chain(entries=(*chain.entries, sealed(chain, NOW, "withdraw", *missing[0])))
    assert denied_by(chain, ()) == denied_by(Chain(), [one])


@given(DOCUMENTS, st.lists(DOCUMENTS, max_size=3))
def test_a_denied_name_is_denied_in_every_spelling(document: DocumentId, others: list[DocumentId]) -> None:
    denied = denied_by(Chain(), [asked(documents=(document, *others), denied=True)])
    for form in ("NFC", "NFD"):
        spelled = DocumentId(collection=document.collection, path=normalize(form, document.path))
        assert denied.denies(spelled, "")


def test_a_text_is_denied_under_any_name_and_a_consent_withdrawal_denies_no_document() -> None:
    there = DocumentId(collection="kb", path="renamed.md")
    one = asked(documents=(DocumentId(collection="kb", path="a.md"),), contents=("aa",))
    assert not denied_by(Chain(), [one]).denies(there, "aa")
    assert denied_by(Chain(), [asked(contents=("aa",), denied=True)]).denies(there, "aa")


def test_material_is_known_by_name_by_content_by_consent_and_by_its_curated_file() -> None:
    note = DocumentId(collection="kb", path="é.md")
    file = DocumentId(collection=CURATED, path="embedding/mine.jsonl")
    one = asked(documents=(note, file), contents=("aa",), records=(EndedRecord(record="ada", sha256="dd"),))
    held = DocumentId(collection="kb", path=normalize("NFD", "é.md"))
    other = DocumentId(collection="kb", path="other.md")
    text = DocumentId(collection=CURATED, path="embedding/mine.jsonl#0123456789ab")
    assert Meant(one).holds(Holding(id=held, sha256="zz"))
    assert Meant(one).holds(Holding(id=other, sha256="aa"))
    assert Meant(one).holds(Holding(id=other, sha256="zz", consents=("ada@7",)))
    assert Meant(one).holds(Holding(id=text, sha256="zz"))
    assert not Meant(one).holds(Holding(id=other, sha256="zz", consents=("adam@7",)))


@given(JSON, st.sets(WORDS.filter(bool), max_size=3))
def test_a_tombstone_keeps_every_figure_and_no_word(value: Any, words: set[str]) -> None:
    found = tombstoned(value, words)
    assert figures(found) == figures(value)
    assert not words & (set(strings(found)) - {TOMBSTONE})


def test_the_texts_of_queries_that_a_document_answers_are_found_and_go_from_sentences_too() -> None:
    query = {"id": "q1", "text": "who carried the ember", "relevant": {"kb/a.md": 1}}
    other = {"id": "q2", "text": "something else", "relevant": {"kb/b.md": 1}}
    value = {"sets": [{"queries": [query, other]}], "reason": "lost “who carried the ember” by 0.5"}
    texts = query_texts(value, {"kb/a.md"})
    assert texts == {"who carried the ember"}
    found = tombstoned(value, {"kb/a.md", *texts})
    assert found["sets"][0]["queries"] == [{"id": "q1", "text": TOMBSTONE, "relevant": {TOMBSTONE: 1}}, other]
    both = {"relevant": {"kb/a.md": 1, "kb/c.md": 2}}
    assert figures(tombstoned(both, {"kb/a.md", "kb/c.md"})) == [1, 2]
    assert found["reason"] == f"lost “{TOMBSTONE}” by 0.5"


@given(st.permutations(STEPS))
def test_steps_are_noted_in_their_order_and_the_last_one_closes_it(order: list[Any]) -> None:
    one = asked()
    for step in order:
        assert one.open
        one = one.after(step).after(step)
    assert (one.done, one.open, one.next_step()) == (STEPS, False, None)


def figures(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [figure for inner in value.values() for figure in figures(inner)]
    if isinstance(value, list):
        return [figure for inner in value for figure in figures(inner)]
    return [] if isinstance(value, str) else [value]


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in strings(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []
