"""Who may use what: the most restrictive reading wins, and what is not understood denies."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.consent.front_matter import RaisingWords
from jobs.domain.consent import CLASSES, USES, Grant, NoteSaid, Rule, Rulings, Said, Terms, mixed, ruling
from jobs.domain.corpus import DocumentId
from jobs.domain.places import Place, excluded_folders, places
from jobs.domain.seasons import Season, season
from tests.unit.domain.ruled import KB, PUBLIC, TODAY, allowed, grant, note, rule, ruled


def test_a_document_that_nobody_classified_is_denied_whatever_was_granted() -> None:
    found = ruled("# A note\n", grants=(grant(),))
    assert (found.classification, found.uses, found.reason) == ("unclassified", (), "unclassified")


@pytest.mark.parametrize("matter", ["meta: {iaip: sacred}", "meta:\n  iaip: sacred", "- iaip: sacred"])
def test_a_mark_where_nobody_reads_it_denies_in_a_public_folder(matter: str) -> None:
    assert not allowed(f"---\n{matter}\n---\n# A note\n\nText.\n")


@pytest.mark.parametrize("matter", ["title: x", "{iaip: public, title: x}", "iaip: public\ntags: [iaip]", "a: [b, c]"])
def test_a_mark_that_is_read_and_none_at_all_deny_nothing(matter: str) -> None:
    assert allowed(f"---\n{matter}\n---\n# A note\n\nText.\n")


@pytest.mark.parametrize(
    ("folder", "path", "denied"),
    [
        ("private", "private/a.md", True),
        ("private", "work/Private/a.md", True),
        ("work/private/", "x/work/private/deep/a.md", True),
        ("private", "private.md", False),
        ("private", "privateer/a.md", False),
        ("kb/private", "private/a.md", True),
        ("kb", "a.md", True),
        ("/home/ada/notes/private", "private/a.md", True),
        ("/home/ada/notes/private", "work/private/a.md", False),
        ("/home/ada", "a.md", True),
        ("/home/ada/notes", "a.md", True),
        ("/home/ada/note", "a.md", False),
        ("", "a.md", False),
        ("Caf\u00e9", unicodedata.normalize("NFD", "CAFÉ") + "/a.md", True),
    ],
)
def test_an_excluded_folder_denies_whatever_its_spelling(folder: str, path: str, denied: bool) -> None:
    assert allowed(path=path, folders=(folder,)) is not denied


@pytest.mark.parametrize("path", ["Aînés/a.md", "aînés/a.md", unicodedata.normalize("NFD", "AÎNÉS/a.md")])
def test_a_restriction_holds_whatever_the_spelling(path: str) -> None:
    assert ruled("", path, PUBLIC, rule("kb/Aînés", "sacred")).reason == "sacred"


def test_a_permission_holds_for_its_spelling_in_any_unicode_form() -> None:
    rules = (rule("kb/Aînés", "public"),)
    assert ruled("", unicodedata.normalize("NFD", "Aînés/a.md"), *rules).uses
    assert ruled("", "aînés/a.md", *rules).reason == "unclassified"
    assert ruled("", "Aînés et autres/a.md", *rules).reason == "unclassified"


def test_personal_needs_a_person_community_needs_a_community_and_both_need_both() -> None:
    person, community = grant(), grant(kind="community", record="council")
    assert ruled("", "a.md", rule("kb", "personal")).reason == "no consent of a person"
    assert ruled("", "a.md", rule("kb", "personal"), grants=(community,)).uses == ()
    assert ruled("", "a.md", rule("kb", "community"), grants=(person,)).uses == ()
    assert ruled("", "a.md", rule("kb", "community"), grants=(grant(kind="authority"),)).uses == USES
    both = (rule("kb", "personal"), rule("kb", "community"))
    assert ruled("", "a.md", *both, grants=(person,)).uses == ()
    found = ruled("", "a.md", *both, grants=(person, community))
    assert (found.classification, found.uses, found.consents) == ("community", USES, ("ada@1", "council@1"))


def test_a_consent_is_for_its_uses_and_places_alone() -> None:
    found = ruled("", "a/b.md", rule("kb", "personal"), grants=(grant("kb/a", uses=("embed", "evaluate")),))
    assert found.uses == ("embed", "evaluate")
    assert found.for_use("expand").reason == "no consent to expand"
    assert ruled("", "b/a.md", rule("kb", "personal"), grants=(grant("kb/a"),)).uses == ()


def test_a_consent_that_a_note_names_is_needed_too_and_cannot_reach_further_than_it_does() -> None:
    text = "---\niaip: {classification: personal, consent: elders}\n---\n"
    elsewhere = grant("kb/other", record="elders")
    assert ruled(text, "a.md", grants=(grant(), elsewhere)).reason == "no consent elders"
    assert ruled(text, "a.md", grants=(grant(), grant(record="elders", uses=("embed",)))).uses == ("embed",)


def test_a_broken_log_stops_all_but_public_documents() -> None:
    assert ruled("", "a.md", rule("kb", "personal"), grants=(grant(),), trusted=False).uses == ()
    assert ruled("---\niaip: public\n---\n", "a.md", grants=(grant(),), trusted=False).uses == USES


def test_words_can_raise_a_class_and_never_lower_or_give_one() -> None:
    terms = Terms(rules=(PUBLIC,), today=TODAY)
    document = DocumentId(collection="kb", path="a.md")
    words = (("midewiwin", "sacred"), ("phone tree", "personal"))
    assert ruling(document, note("The Midewiwin lodge.", *words), terms).reason == "sacred"
    assert ruling(document, note("Our phone tree.", *words), terms).reason == "no consent of a person"
    assert ruling(document, note("The phone trees of summer.", *words), terms).uses == USES
    unmarked = Terms(today=TODAY, grants=(grant(),))
    assert ruling(document, note("Our phone tree.", *words), unmarked).reason == "unclassified"


FORMS = st.sampled_from(["NFC", "NFD"])


CASES = st.sampled_from([str.upper, str.lower, str.title, str.casefold])


GAPS = st.sampled_from([" ", "\n", "  ", "\r\n", "\u00a0", "\n> ", "*\n", " _", "** **", "\t"])


AROUND = st.sampled_from(["", " ", "*", "_", "\n", "(", "«", "…", "__"])


@given(st.sampled_from(["kôkom", "ᓄᓇᕗᑦ", "straße"]), FORMS, FORMS, CASES, GAPS, AROUND, AROUND)
def test_a_word_is_found_in_every_form_case_and_wrapping(
    word: str, steward: str, writer: str, case: Callable[[str], str], gap: str, before: str, after: str
) -> None:
    phrase = unicodedata.normalize(steward, f"{word} lodge")  # type: ignore[arg-type]
    text = unicodedata.normalize(writer, case(f"{word}{gap}lo\u00addge"))  # type: ignore[arg-type]
    raising = RaisingWords(((phrase, "sacred"),))
    assert raising.found_in(f"the {before}{text}{after} of x") == {"sacred"}
    assert raising.found_in(f"the {before}x{text}{after}") == raising.found_in(f"{text}s") == set()
    assert raising.found_in(text.replace(gap, "")) == set()


@pytest.mark.parametrize("text", ["<!-- -->" * 5_000, "<!--" * 15_000, "\n" * 60_000, "- " * 30_000, "+++\n" * 15_000])
def test_no_text_keeps_the_reader_busy(text: str) -> None:
    begun = time.process_time()
    note(text, ("sweat lodge", "sacred"))
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(("written", "open_today"), [("11-01..03-31", True), ("06-01..08-31", False), ("winter", True)])
def test_a_season_opens_and_closes_over_the_turn_of_the_year(written: str, open_today: bool) -> None:
    text = f"---\niaip: {{classification: public, season: {written}}}\n---\n"
    winter = {"winter": (Season(first=(11, 1), last=(3, 31)),)}
    assert bool(ruled(text, "a.md", seasons=winter).uses) is open_today


@pytest.mark.parametrize("text", ["winter", "13-01..14-01", "02-30..03-01", "11-01", "", "11-01..03-31; drop"])
def test_a_season_that_is_no_season_is_none(text: str) -> None:
    assert season(text) is None


@pytest.mark.parametrize(
    ("name", "found"),
    [("/home/ada/notes/x", ["kb/x"]),
     ("/home/ada", ["kb"]), ("/home/ada/note", []), ("kb", ["kb"]), ("kb/x/", ["kb/x"]),
     ("kb/../x", []), ("", []), ("/home/ada/notes/../secret", ["kb/../secret"])],
)  # fmt: skip
def test_a_place_is_an_absolute_folder_or_one_of_a_collection(name: str, found: list[str]) -> None:
    assert [str(place) for place in places(name, (KB,))] == found


CLASS = st.sampled_from([*CLASSES, "unknown"])


FOLDER = st.sampled_from(["kb", "kb/a", "kb/a/b", "kb/A", "kb/c", "other"])


SAID = st.builds(
    Said,
    classifications=st.lists(CLASS, max_size=2).map(tuple),
    consents=st.lists(st.sampled_from(["ada", "council"]), max_size=1).map(tuple),
    seasons=st.lists(st.sampled_from(["11-01..03-31", "06-01..08-31", "x"]), max_size=1).map(tuple),
    exclude=st.booleans(),
    unknown=st.booleans(),
)


PLAIN = st.builds(Said, classifications=st.lists(st.sampled_from(CLASSES[:3]), max_size=2).map(tuple))


RULE = st.builds(
    Rule,
    place=FOLDER.map(lambda name: places(name, ())[0]),
    said=PLAIN | SAID,
    source=st.just("policy"),
    raises_only=st.booleans(),
)


GRANT = st.builds(
    Grant,
    record=st.sampled_from(["ada", "council"]),
    revision=st.just(1),
    kind=st.sampled_from(["person", "community", "authority"]),
    uses=st.lists(st.sampled_from(USES), min_size=1, max_size=4).map(tuple),
    places=st.lists(FOLDER.map(lambda name: places(name, ())[0]), min_size=1, max_size=2).map(tuple),
)


TERMS = st.builds(
    Terms,
    rules=st.lists(RULE, max_size=4).map(tuple),
    grants=st.lists(GRANT, max_size=4).map(tuple),
    today=st.just(TODAY),
    trusted=st.booleans(),
)


NOTE = st.builds(NoteSaid, said=PLAIN | SAID, broken=st.booleans(), raised_to=st.just(()))


DOCUMENT = st.sampled_from(["a/n.md", "a/b/n.md", "A/n.md", "c/n.md", "n.md"]).map(
    lambda path: DocumentId(collection="kb", path=path)
)


@given(st.lists(DOCUMENT, min_size=1, max_size=4), NOTE, TERMS)
def test_many_documents_are_ruled_on_as_each_by_itself(
    documents: list[DocumentId], said: NoteSaid, terms: Terms
) -> None:
    rulings = Rulings(terms)
    assert [rulings.of(document, said) for document in documents] == [
        ruling(document, said, terms) for document in documents
    ]


@given(DOCUMENT, NOTE, TERMS, SAID, st.integers(0, 5))
def test_one_more_restriction_never_allows_more(
    document: DocumentId, said: NoteSaid, terms: Terms, more: Said, which: int
) -> None:
    before = ruling(document, said, terms)
    raised = tuple(word for word in more.classifications if word != "public")
    harder_terms = [
        terms,
        msgspec.structs.replace(terms, grants=terms.grants[1:]),
        msgspec.structs.replace(terms, trusted=False),
        msgspec.structs.replace(terms, excluded=excluded_folders(["a"], (KB,))),
        msgspec.structs.replace(
            terms, rules=(*terms.rules, Rule(place=Place(collection="KB"), said=more, source="policy"))
        ),
        terms,
    ][which]
    harder = said if which else msgspec.structs.replace(said, raised_to=raised)
    if which == 5:
        harder = msgspec.structs.replace(
            said, said=msgspec.structs.replace(said.said, exclude=True, consents=(*said.said.consents, "council"))
        )
    assert set(ruling(document, harder, harder_terms).uses) <= set(before.uses)


@given(DOCUMENT, NOTE, TERMS)
def test_nothing_lifts_sacred_and_only_public_goes_without_consent(
    document: DocumentId, said: NoteSaid, terms: Terms
) -> None:
    found = ruling(document, said, terms)
    if found.uses:
        assert found.classification in ("public", "personal", "community")
        assert found.consents or found.classification == "public"
        assert "sacred" not in said.said.classifications
    if "sacred" in said.said.classifications:
        assert (found.uses, found.reason) == ((), "sacred")
    assert bool(found.uses) is not bool(found.reason)


@given(st.lists(st.tuples(DOCUMENT, NOTE), min_size=1, max_size=4), TERMS)
def test_what_is_made_of_several_documents_is_as_strict_as_the_strictest(
    parts: list[tuple[DocumentId, NoteSaid]], terms: Terms
) -> None:
    rulings = [ruling(document, said, terms) for document, said in parts]
    found = mixed(rulings)
    assert all(set(found.uses) <= set(part.uses) for part in rulings)
    assert set(found.consents) == {consent for part in rulings for consent in part.consents}
    order = ("public", "personal", "community", "unclassified", "sacred")
    assert order.index(found.classification) == max(order.index(part.classification) for part in rulings)
