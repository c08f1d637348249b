"""Saying what folders are: what is shown is what is done, and no word is made weaker by accident."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.consent.classifying import Move, Preview, Standing, classify, preview, settled_place
from jobs.consent.coverage import Coverage, covered
from jobs.domain.consent import CLASSES, Classification
from jobs.domain.corpus import Collection
from jobs.domain.errors import BadInput, Refused
from tests.unit.dataset.sample import Notes, home, small_settings, write_policy

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TEXT = "# A note\n\nSome words.\n"


class Steward:
    """A folder of notes that nobody classified yet."""

    def __init__(self, root: Path) -> None:
        self.root = root / "kb"
        for path in ("open/a.md", "open/b.md", "council/c.md", "own/d.md", "Été/e.md"):
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(TEXT)
        names = [path.relative_to(self.root).as_posix() for path in sorted(self.root.rglob("*.md"))]
        self.corpus = Notes(dict.fromkeys(names, TEXT), root=str(self.root))
        self.home = home(root)
        write_policy(self.home, "")

    def coverage(self) -> Coverage:
        documents = [document for document, _ in self.corpus.listing()]
        return covered(self.corpus, documents, self.home, small_settings(), NOW)

    def looks(self, word: Classification, *folders: str) -> Preview:
        settings, collections = small_settings(), self.corpus.collections()
        return preview(folders, word, self.coverage(), self.home, settings, collections, NOW)

    def says(self, word: Classification, *folders: str) -> Preview:
        seen = self.looks(word, *folders)
        classify(seen, self.home, self.corpus.collections(), "a steward", NOW)
        return seen


@pytest.fixture
def steward(tmp_path: Path) -> Steward:
    return Steward(tmp_path)


def test_many_folders_are_classified_at_once_and_as_they_were_shown(steward: Steward) -> None:
    seen = steward.says("public", "kb/open", "kb/own")
    waits, free = Standing(classification="unclassified"), Standing(classification="public")
    assert seen.moves == (Move(documents=3, was=waits, becomes=free),)
    assert seen.freed == 0, "a word where there was none frees nothing that somebody kept"
    found = steward.coverage()
    assert found.classes() == {"public": (3, 0), "unclassified": (0, 2)}
    assert [document.ruling for document in found.documents] == [d.ruling for d in seen.after.documents]


def test_looking_changes_nothing(steward: Steward) -> None:
    before = {path.name: path.read_bytes() for path in steward.home.consent.iterdir()}
    steward.looks("sacred", "kb")
    assert {path.name: path.read_bytes() for path in steward.home.consent.iterdir()} == before


def test_a_freer_word_for_the_same_folder_is_counted_as_such(steward: Steward) -> None:
    steward.says("community", "kb/council")
    assert steward.looks("public", "kb/council").freed == 1
    assert steward.looks("sacred", "kb/council").freed == 0
    assert steward.looks("public", "kb").freed == 0, "the stricter word about the folder inside still wins"


def test_sacred_is_lifted_by_no_command(steward: Steward) -> None:
    steward.says("sacred", "kb/council")
    with pytest.raises(Refused, match="no command lifts that"):
        steward.looks("public", "kb/council")


def test_what_was_changed_since_it_was_shown_is_not_done(steward: Steward) -> None:
    seen = steward.looks("public", "kb/open")
    steward.says("sacred", "kb/open")
    with pytest.raises(Refused, match="changed meanwhile"):
        classify(seen, steward.home, steward.corpus.collections(), "a steward", NOW)
    assert steward.coverage().classes()["sacred"] == (0, 2)


def test_a_policy_changed_by_hand_comes_first(steward: Steward) -> None:
    (steward.home.consent / "policy.toml").write_text('[[rule]]\nplace = "kb"\nclassification = "sacred"\n')
    with pytest.raises(Refused, match="changed by hand"):
        steward.looks("public", "kb/open")


def test_what_is_shown_has_a_name_of_its_own(steward: Steward) -> None:
    names = {steward.looks(word, folder).digest for word in ("public", "sacred") for folder in ("kb/open", "kb/own")}
    assert len(names) == 4
    assert steward.looks("public", "kb/open").digest in names


@pytest.mark.parametrize(
    "name",
    ["", "..", "/etc", "~nobody-of-this-name/x", "kb/nowhere", "other/open", "kb/\0", "x" * 5000],
)
def test_a_place_outside_the_notes_is_refused(
    steward: Steward, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere" / "here")
    with pytest.raises(BadInput):
        settled_place(name, steward.corpus.collections())


def test_a_place_is_settled_where_it_really_lies(steward: Steward, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(steward.root, target_is_directory=True)
    through = [Collection(name="kb", path=str(tmp_path / "link"))]
    assert settled_place("kb/open", through) == str(steward.root / "open")
    assert settled_place(str(tmp_path / "link" / "open"), through) == str(steward.root / "open")
    assert settled_place("curated/", through) == "curated"
    accented = settled_place("kb/Été", through)
    assert unicodedata.normalize("NFC", accented) == unicodedata.normalize("NFC", str(steward.root / "Été"))


standings = st.builds(
    Standing, classification=st.sampled_from([*CLASSES, "unclassified"]), reason=st.sampled_from(["", "out of season"])
)


@given(standings, standings)
def test_only_a_step_down_from_a_word_that_somebody_said_frees(was: Standing, becomes: Standing) -> None:
    order = ["public", "personal", "community", "sacred"]
    named = "unclassified" not in (was.classification, becomes.classification)
    lower = named and order.index(becomes.classification) < order.index(was.classification)
    assert Move(documents=1, was=was, becomes=becomes).frees is lower
