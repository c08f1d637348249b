"""What is in force, from real files: records, policies, folders' own words, and every way they can go wrong."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from jobs.consent.terms import in_force, ruled_now
from jobs.domain.consent import NoteSaid, Said, ruling
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.errors import BadInput, Refused
from tests.unit.consent.place import NOW, RECORD, Place
from tests.unit.dataset.sample import excluding, small_settings, write_policy


def test_nothing_written_means_nothing_allowed_and_reading_creates_nothing(place: Place) -> None:
    assert place.ruled().reason == "unclassified"
    assert not place.home.root.exists()


def test_a_record_counts_from_its_import_on_and_exactly_as_it_was_imported(personal: Place) -> None:
    file = personal.home.consent / "ada.toml"
    file.write_text(RECORD.replace("{place}", "kb"))
    assert personal.book.changes() == {"ada.toml": "new"}
    assert personal.ruled().uses == ()
    personal.book.import_changes("steward", NOW)
    assert (personal.ruled().uses, personal.ruled().consents) == (("embed", "evaluate"), ("ada@2",))
    file.write_text(file.read_text().replace('"embed", ', '"embed", "share", '))
    assert personal.book.changes() == {"ada.toml": "changed"}
    assert personal.ruled().uses == ()
    personal.book.import_changes("steward", NOW)
    assert personal.ruled().consents == ("ada@3",)
    file.unlink()
    assert personal.ruled().uses == ()


def test_a_policy_changed_by_hand_restricts_at_once_and_permits_nothing_before_its_import(place: Place) -> None:
    write_policy(place.home, '[[rule]]\nplace = "kb"\nclassification = "public"\n')
    assert place.ruled().uses
    policy = place.home.consent / "policy.toml"
    policy.write_text(policy.read_text() + '[[rule]]\nplace = "kb/s"\nclassification = "sacred"\n')
    assert place.ruled("s/n.md").reason == "sacred"
    assert place.ruled().reason == "unclassified"
    policy.write_text("broken = [")
    assert place.ruled().reason == "unclassified"


@pytest.mark.parametrize(
    ("more", "days", "allowed"),
    [
        ("from = 2026-06-16\n", 0, False),
        ("from = 2026-06-15\n", 0, True),
        ("from = 2026-06-16\n", 1, True),
        ("until = 2026-06-15\n", 0, True),
        ("until = 2026-06-15\n", 1, False),
        ("until = 2020-01-01\n", 0, False),
        ('season = "06-01..06-30"\n', 0, True),
        ('season = "11-01..03-31"\n', 0, False),
    ],
)
def test_expired_future_and_out_of_season_consents_allow_nothing(
    personal: Place, more: str, days: int, allowed: bool
) -> None:
    personal.book.folder.mkdir(parents=True, exist_ok=True)
    (personal.book.folder / "ada.toml").write_text(RECORD.replace("{place}", "kb") + more)
    personal.book.import_changes("steward", datetime(2026, 1, 3, tzinfo=UTC))
    at = NOW + timedelta(days=days)
    assert bool(personal.ruled(at=at).uses) is allowed


def test_a_clock_that_was_set_back_does_not_bring_a_consent_back(place: Place) -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)
    place.book.folder.mkdir(parents=True)
    (place.book.folder / "policy.toml").write_text('[[rule]]\nplace = "kb"\nclassification = "personal"\n')
    (place.book.folder / "ada.toml").write_text(RECORD.replace("{place}", "kb") + "until = 2026-12-31\n")
    place.book.import_changes("steward", NOW)
    assert place.ruled(at=NOW).uses
    place.book.note_once("use", "dataset x", {}, later)
    assert place.ruled(at=NOW).uses == ()


def test_a_day_that_passed_is_not_undone_by_the_clock(personal: Place) -> None:
    personal.record(more="until = 2026-06-30\n")
    assert personal.ruled(at=NOW).uses
    personal.book.note_day(NOW + timedelta(days=30))
    assert personal.ruled(at=NOW).uses == ()
    assert "2026-07-15" in personal.now(at=NOW).ahead
    personal.book.note_day(NOW)
    assert personal.ruled(at=NOW).uses == (), "an earlier day is not noted over a later one"
    assert personal.now(at=NOW + timedelta(days=29)).ahead == "", "a day's difference is a time zone's"


def test_every_gate_notes_the_day(personal: Place) -> None:
    personal.record()
    today = datetime.now(UTC).date().isoformat()
    ruled_now(personal.home, small_settings(), personal.collections, [])
    assert (personal.home.consent / "newest-day").read_text() >= today
    (personal.home.consent / "newest-day").write_text("nonsense")
    assert personal.ruled(at=NOW).uses


def test_an_entry_of_a_clock_that_was_ahead_is_told_in_words(personal: Place) -> None:
    personal.record()
    personal.book.note_once("use", "dataset x", {}, datetime(2099, 1, 1, tzinfo=UTC))
    assert "2099-01-01" in personal.now(at=NOW).ahead


def test_a_log_of_several_entries_without_its_head_is_broken(personal: Place) -> None:
    personal.record()
    (personal.home.consent / "head").unlink()
    assert "head" in personal.now().problem
    assert personal.ruled().uses == ()
    personal.book.log.write_bytes(personal.book.log.read_bytes().split(b"\n")[0] + b"\n")
    assert personal.now().problem == "", "a crash between the first entry and its head leaves this"


def test_a_season_of_the_policy_counts_from_its_import_on(place: Place) -> None:
    document = place.note("a/n.md")
    said = NoteSaid(said=Said(classifications=("public",), seasons=("winter",)))
    winter, always = ('[seasons]\nwinter = "12-01..02-28"\n', '[seasons]\nwinter = "01-01..12-31"\n')

    def reason(text: str) -> str:
        (place.home.consent / "policy.toml").write_text(text)
        return ruling(document, said, place.now(document).terms).reason

    write_policy(place.home, winter)
    assert reason(always) == "out of season", "what is not imported permits nothing"
    place.book.import_changes("steward", NOW)
    assert reason(always) == ""
    assert reason(winter) == "out of season", "and restricts at once"
    assert reason("") == "season not understood"
    assert reason("broken = [") == ""


def test_a_relative_permission_stays_with_the_folder_that_it_was_given_for(place: Place) -> None:
    elsewhere = place.notes.parent / "secret"
    elsewhere.mkdir()
    there = [Collection(name="kb", path=str(elsewhere))]
    place.book.folder.mkdir(parents=True)
    (place.book.folder / "policy.toml").write_text(
        '[[rule]]\nplace = "kb"\nclassification = "public"\n[[rule]]\nplace = "kb/a"\nclassification = "personal"\n'
    )
    (place.book.folder / "ada.toml").write_text(RECORD.replace("{place}", "kb/a"))
    here = place.collections
    place.book.import_changes("steward", NOW, collections=here)
    assert place.ruled("n.md").uses and place.ruled("a/n.md").uses
    place.collections = there
    assert place.ruled("n.md").reason == "unclassified"
    assert place.ruled("a/n.md").uses == ()
    assert place.now().elsewhere == ("ada.toml: kb/a", "policy.toml: kb", "policy.toml: kb/a")
    (place.book.folder / "policy.toml").write_text((place.book.folder / "policy.toml").read_text() + "# read again\n")
    place.book.import_changes("steward", NOW, collections=there)
    assert place.ruled("n.md").reason == "unclassified", "taken in again, the old words still mean the old folder"
    place.collections = here
    assert place.ruled("n.md").uses and place.now().elsewhere == ()


def test_a_broken_log_stops_all_but_public_notes_and_takes_no_entry(personal: Place) -> None:
    personal.record()
    assert personal.ruled().uses
    log = personal.book.log
    whole = log.read_bytes()
    first_line = whole.split(b"\n")[0] + b"\n"
    for changed in (whole.replace(b"a test", b"no one"), first_line, b"", whole.replace(b"Ada", b"Eve")):
        assert changed != whole
        log.write_bytes(changed)
        assert personal.now().problem
        assert personal.ruled().uses == ()
        personal.note("open/.iaip.toml", 'classification = "public"\n')
        document = DocumentId(collection="kb", path="open/n.md")
        terms = personal.now(document).terms
        assert ruling(document, NoteSaid(), terms).uses == (), "personal by the policy, whatever its folder says"
        with personal.book.held() as pen, pytest.raises(Refused, match="broken"):
            pen.add("note", "x", {}, "", NOW)
        personal.book.note_once("use", "dataset x", {}, NOW)
        assert log.read_bytes() == changed
    log.write_bytes(whole)
    assert personal.ruled().uses


def test_public_notes_go_on_when_the_log_is_broken(place: Place) -> None:
    document = place.note("open/n.md")
    place.note("open/.iaip.toml", 'classification = "public"\n')
    place.record()
    place.book.log.write_bytes(b"nonsense\n")
    assert ruling(document, NoteSaid(), place.now(document).terms).uses


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kind = "person"', 'kind = "friend"'),
        ('"embed", "evaluate"', ""),
        ('"embed"', '"everything"'),
        ('contact = "ada@example.org"', ""),
        ('contact = "ada@example.org"', 'contact = ""'),
        ('folders = ["{place}"]', ""),
        ('folders = ["{place}"]', 'folders = ["kb"]\nfrom = 2026-02-01\nuntil = 2026-01-01'),
        ('folders = ["{place}"]', 'folders = ["kb"]\nseason = "winter"'),
        ('folders = ["{place}"]', 'folders = ["kb"]\nuntil = "soon"'),
        ('folders = ["{place}"]', 'folders = ["kb"]\nalso = true'),
        ("iaip.consent/1", "iaip.consent/9"),
        ("[[grant]]", "[[grant"),
    ],
)
def test_a_record_that_could_be_misread_is_not_taken_in_nor_is_anything_beside_it(
    personal: Place, old: str, new: str
) -> None:
    assert old in RECORD
    (personal.book.folder / "ada.toml").write_text(RECORD.replace(old, new).replace("{place}", "kb"))
    (personal.book.folder / "bo.toml").write_text(RECORD.replace("{place}", "kb"))
    with pytest.raises(BadInput, match=r"ada\.toml"):
        personal.book.import_changes("steward", NOW)
    assert personal.ruled().uses == ()


@pytest.mark.parametrize(
    "text",
    ['[[rule]]\nclassification = "public"', '[[rule]]\nplace = "/"\nclassification = "public"', "[[rul]]",
     '[[rule]]\nplace = "kb"\nclassification = "open"', '[[raise]]\nwords = "x"\nclassification = "sacred"',
     '[[raise]]\nwords = ["x"]\nclassification = "public"', '[seasons]\nwinter = "cold"', "rule = 3"],
)  # fmt: skip
def test_a_policy_that_is_not_understood_is_not_taken_in(place: Place, text: str) -> None:
    place.book.folder.mkdir(parents=True)
    (place.book.folder / "policy.toml").write_text(text)
    with pytest.raises(BadInput, match=r"policy\.toml"):
        place.book.import_changes("steward", NOW)


def test_the_revision_changes_with_every_policy_and_record_and_not_with_the_day(personal: Place) -> None:
    document = personal.note("a/n.md")
    seen = [personal.now(document).terms.revision]
    assert personal.now(document, at=NOW + timedelta(days=3)).terms.revision == seen[0]
    personal.record()
    seen.append(personal.now(document).terms.revision)
    personal.note("a/.iaip.toml", 'classification = "public"\n')
    seen.append(personal.now(document).terms.revision)
    excluded = in_force(personal.home, excluding("a"), personal.collections, [document], NOW).terms
    assert len({*seen, excluded.revision}) == 4


def test_two_writers_wait_for_each_other(place: Place) -> None:
    def write() -> None:
        for number in range(10):
            with place.book.held() as pen:
                pen.add("note", f"{threading.get_ident()} {number}", {}, "", NOW)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain = place.book.chain()
    assert (len(chain.entries), chain.problem) == (40, "")
