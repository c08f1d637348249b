"""No denied document ever reaches an example, whatever the tree, the policies and the consents; and the gates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from config.paths import Home
from jobs.consent.terms import in_force
from jobs.dataset.build import Dataset, build
from jobs.dataset.markdown import read_note
from jobs.dataset.permission import every_note_is_public, in_words, no_longer_permitted
from jobs.dataset.refresh import TARGET_USES, refresh
from jobs.domain.consent import NoteSaid, Ruling, Use, ruling
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import BadInput
from tests.unit.dataset.any_tree import FOLDER_POLICIES, GRANTS, POLICY, TREE, built, laid_out, record, touched
from tests.unit.dataset.sample import (
    WORDS,
    Notes,
    classify,
    home,
    note,
    notes,
    quiet,
    small_settings,
    write_policy,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(TREE, POLICY, FOLDER_POLICIES, GRANTS)
def test_no_denied_document_ever_reaches_an_example(
    tmp_path_factory: pytest.TempPathFactory,
    tree: list[tuple[str, str]],
    policy: list[tuple[str, str]],
    folder_policies: dict[str, str],
    grants: list[tuple[str, str, list[str], str, str]],
) -> None:
    place, corpus, listing = laid_out(tmp_path_factory.mktemp("any"), tree, policy, folder_policies, grants)
    documents = [document for document, _ in listing]
    terms = in_force(place, small_settings(), corpus.collections(), documents, datetime.now(UTC)).terms

    def ruled(document: DocumentId) -> Ruling:
        if document.collection == "curated":
            return ruling(document, NoteSaid(), terms)
        front = read_note(corpus.read(document).text).front_matter
        return ruling(document, NoteSaid(said=front.said, broken=front.state == "broken"), terms)

    for target, use in TARGET_USES.items():
        if (dataset := built(place, corpus, listing, target)) is not None:
            everything_is_permitted(dataset, use, ruled)
            assert no_longer_permitted(dataset.manifest, corpus, place, small_settings())[1] == {}


def everything_is_permitted(dataset: Dataset, use: Use, ruled: Callable[[DocumentId], Ruling]) -> None:
    for document, split in touched(dataset):
        assert ("evaluate" if split == "test" else use) in ruled(document).uses
    for row in (*dataset.train, *dataset.development, *dataset.test):
        sources = [ruled(document) for document in (row.origin.document, row.origin.through) if document]
        assert row.origin.classification not in ("sacred", "unclassified")
        assert set(row.origin.consents) == {consent for one in sources for consent in one.consents}


def test_the_words_of_a_denied_document_are_nowhere_in_the_home(tmp_path: Path) -> None:
    place = home(tmp_path)
    corpus = notes(10, **{"elder.md": "---\niaip: {classification: community}\n---\n" + note(500)})
    refresh(corpus.inputs(place), quiet)
    manifest = build("embedding", corpus.inputs(place), quiet)
    assert manifest.denied == {"no consent of a community": 1}
    for path in place.root.rglob("*"):
        assert path.is_dir() or b"500 is about" not in path.read_bytes()


def test_one_more_consent_reads_the_denied_notes_and_only_those_and_a_lost_one_drops_them(tmp_path: Path) -> None:
    place = home(tmp_path)
    corpus = notes(10, **{f"p{n}.md": "---\niaip: {classification: personal}\n---\n" + note(600 + n) for n in range(3)})
    assert refresh(corpus.inputs(place), quiet).excluded == 3
    corpus.read_paths.clear()
    record(place, "ada", "person", ["embed", "evaluate"], "kb")
    again = refresh(corpus.inputs(place), quiet)
    assert (sorted(corpus.read_paths), again.excluded) == (["p0.md", "p1.md", "p2.md"], 0)
    corpus.read_paths.clear()
    (place.consent / "ada.toml").unlink()
    assert refresh(corpus.inputs(place), quiet).excluded == 3
    assert corpus.read_paths == []
    assert b"601 is about" not in place.examples_cache.read_bytes()


def test_every_change_of_consent_makes_another_dataset(tmp_path: Path) -> None:
    place = home(tmp_path)
    corpus = notes(20)
    names = [build("embedding", corpus.inputs(place), quiet).name]
    record(place, "ada", "person", ["embed"], "elsewhere")
    names.append(build("embedding", corpus.inputs(place), quiet).name)
    classify(place, kb="public")
    names.append(build("embedding", corpus.inputs(place), quiet).name)
    assert len(set(names)) == 3


def test_what_may_train_but_not_judge_is_kept_out_of_every_query_that_judges(tmp_path: Path) -> None:
    place = home(tmp_path)
    classify(place, kb="personal")
    record(place, "ada", "person", ["embed"], "kb")
    corpus = notes(60)
    dataset = built(place, corpus, corpus.listing(), "embedding")
    assert dataset is not None and dataset.train
    assert (dataset.test, dataset.query_sets, dataset.documents) == ((), (), ())


def test_a_row_found_through_a_stricter_document_is_as_strict(tmp_path: Path) -> None:
    place = home(tmp_path)
    write_policy(place, '[[rule]]\nplace = "kb"\nclassification = "public"\n')
    corpus = notes(40)
    for number in range(40):
        name = f"note-{number}.md"
        corpus.notes[f"p{number}.md"] = (
            f"---\niaip: {{classification: personal}}\n---\n{note(700 + number)}\n"
            f"[{WORDS[number]} voyage {WORDS[-number]} in winter]({name})\n"
        )
    record(place, "ada", "person", ["embed", "evaluate"], "kb")
    dataset = built(place, corpus, corpus.listing(), "embedding")
    assert dataset is not None
    lent = [row for row in dataset.train if row.origin.through]
    assert lent
    assert {(row.origin.classification, row.origin.consents) for row in lent} == {("personal", ("ada@3",))}
    (own,) = {row.origin.classification for row in dataset.train if row.origin.document.path == "note-1.md"} - {
        "personal"
    } or {"public"}
    assert own == "public"


def test_a_curated_file_is_classified_like_any_document(tmp_path: Path) -> None:
    place = home(tmp_path)
    classify(place, kb="public")
    file = place.curated / "embedding" / "mine.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text('{"query": "how was the third one made", "document": "note-3.md"}\n')
    corpus = notes(30)
    dataset = built(place, corpus, corpus.listing(), "embedding")
    assert dataset is not None
    assert "curated" not in dataset.manifest.counts.generators
    assert dataset.manifest.curated_problems == ("embedding/mine.jsonl: unclassified, so its lines are not used",)
    classify(place, kb="public", curated="public")
    dataset = built(place, corpus, corpus.listing(), "embedding")
    assert dataset is not None and dataset.manifest.counts.generators["curated"] == 1
    (source,) = [source for source in dataset.manifest.sources if source.id.collection == "curated"]
    assert source.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def consented(tmp_path: Path) -> tuple[Home, Notes, Dataset]:
    """A dataset of personal notes that their holder consented to."""
    place = home(tmp_path)
    classify(place, kb="personal")
    record(place, "ada", "person", ["embed", "evaluate"], "kb")
    corpus = notes(30)
    dataset = built(place, corpus, corpus.listing(), "embedding")
    assert dataset is not None
    return place, corpus, dataset


def denied(place: Home, corpus: Notes, dataset: Dataset) -> dict[str, int]:
    return no_longer_permitted(dataset.manifest, corpus, place, small_settings())[1]


def test_a_dataset_stays_permitted_while_nothing_changes(consented: tuple[Home, Notes, Dataset]) -> None:
    assert denied(*consented) == {}


@pytest.mark.parametrize("change", ["consent gone", "consent ended", "classified", "sacred", "log broken", "use gone"])
def test_whatever_takes_a_permission_back_is_seen_at_the_next_gate(
    consented: tuple[Home, Notes, Dataset], change: str
) -> None:
    place, corpus, dataset = consented
    match change:
        case "consent gone":
            (place.consent / "ada.toml").unlink()
        case "consent ended":
            record(place, "ada", "person", ["embed", "evaluate"], "kb", f"until = {date(2025, 1, 1)}")
        case "classified":
            classify(place, kb="community")
        case "sacred":
            corpus.notes["note-4.md"] = "---\niaip: sacred\n---\n" + note(4)
        case "log broken":
            (place.consent / "log.jsonl").write_text("{}\n")
        case "use gone":
            record(place, "ada", "person", ["expand", "evaluate"], "kb")
    found = denied(place, corpus, dataset)
    expected = 1 if change == "sacred" else len(dataset.manifest.sources)
    if change == "use gone":
        assert found == {"no consent to embed": found["no consent to embed"]}
    else:
        assert sum(found.values()) == expected
        assert in_words(found).startswith(f"{expected} document")


def test_a_note_that_is_gone_is_denied_unless_it_was_public(
    tmp_path: Path, consented: tuple[Home, Notes, Dataset]
) -> None:
    place, corpus, dataset = consented
    corpus.notes["note-2.md"] = BadInput("gone", remedy="")
    assert denied(place, corpus, dataset) == {"gone, so that nobody can tell": 1}
    public = home(tmp_path / "public")
    corpus = notes(30)
    found = built(public, corpus, corpus.listing(), "embedding")
    corpus.notes["note-2.md"] = BadInput("gone", remedy="")
    assert found is not None and denied(public, corpus, found) == {}
    classify(public, kb="sacred")
    assert denied(public, corpus, found) == {"sacred": len(found.manifest.sources)}


@pytest.mark.parametrize(
    ("note_says", "curated_is", "public"),
    [
        ("public", "public", True),
        ("personal", "public", False),
        ("sacred", "public", False),
        ("nobody said", "public", False),
        ("public, consent: ada", "public", False),
        ("public", "personal", False),
    ],
)
def test_a_home_is_all_public_only_if_every_note_and_curated_file_is(tmp_path, note_says, curated_is, public) -> None:
    place = home(tmp_path)
    classify(place, kb="public", curated=curated_is)
    (place.curated / "embedding").mkdir(parents=True)
    (place.curated / "embedding" / "mine.jsonl").write_text('{"query": "q", "document": "kb/note-1.md"}\n')
    corpus = notes(3, **{"one.md": f"---\niaip: {{classification: {note_says}}}\n---\n" + note(7)})
    documents = [document for document, _ in corpus.listing()]
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert every_note_is_public(corpus, documents, place, small_settings(), now) is public


def test_a_note_that_cannot_be_read_is_not_known_to_be_public(tmp_path) -> None:
    place = home(tmp_path)
    corpus = notes(3, **{"gone.md": BadInput("gone", remedy="")})
    documents = [document for document, _ in corpus.listing()]
    assert not every_note_is_public(corpus, documents, place, small_settings(), datetime(2026, 1, 2, tzinfo=UTC))
