"""Where the tokens can be counted, passages are cut as the model is served them; another tokenizer cuts anew."""

from __future__ import annotations

from pathlib import Path

from jobs.dataset.build import build, load
from jobs.dataset.cache import opened
from jobs.dataset.passages import MOST_TOKENS
from jobs.dataset.refresh import refresh
from tests.house import keys_of
from tests.unit.dataset.making import rows
from tests.unit.dataset.sample import Notes, home, note, notes, quiet


class EveryCharacter:
    """Counts a token a character."""

    def __init__(self, digest: str) -> None:
        self.digest = digest

    def count(self, text: str) -> int:
        return len(text)


def dense() -> Notes:
    return notes(20, **{f"dense-{number}.md": note(500 + number, sections=12) for number in range(3)})


def test_no_row_has_a_passage_of_more_tokens_than_qmd_serves(tmp_path: Path) -> None:
    place, corpus = home(tmp_path), dense()
    tokens = EveryCharacter("a")
    without = build("embedding", corpus.inputs(place), quiet)
    counted = build("embedding", corpus.inputs(place, tokens=tokens), quiet)
    longest = [
        max(row.origin.length for row in rows(load(place.datasets / one.name, keys_of(place))))
        for one in (without, counted)
    ]
    assert longest[0] > MOST_TOKENS >= longest[1]


def test_examples_are_made_anew_for_another_tokenizer_and_only_then(tmp_path: Path) -> None:
    place, corpus = home(tmp_path), dense()

    def regenerated(tokens: EveryCharacter | None) -> int:
        return refresh(corpus.inputs(place, tokens=tokens), quiet).regenerated

    assert [regenerated(EveryCharacter(digest)) for digest in "aab"] == [23, 0, 23]
    assert [regenerated(None), regenerated(None)] == [23, 0]
    with opened(place.examples_cache, keys_of(place)) as cache:
        assert any(len(passage.text) > MOST_TOKENS for one in cache.everything() for passage in one.material.passages)
