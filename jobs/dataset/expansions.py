"""Expansions made without a language model: keywords, sentences and a telling sentence from the section itself.

The shape follows what QMD's own fine-tuning rewards (its ``finetune/reward.py``): ``lex`` lines are short and
keep a word of the query, ``vec`` lines are whole sentences, the ``hyde`` line is 50 to 200 characters long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from jobs.dataset.lint import lint
from jobs.dataset.markdown import Heading, Note
from jobs.dataset.material import Candidate, Draft
from jobs.dataset.pairs import passage_of, tidied
from jobs.dataset.terms import key_terms, sentences, shared_words, spread_of, telling_words, terms_of
from jobs.dataset.words import query_key
from jobs.domain.corpus import Passage
from jobs.domain.examples import ExpansionKind, ExpansionLine

HYDE_SHORTEST, HYDE_LONGEST = 50, 200
_VEC_SHORTEST, _VEC_LONGEST = 20, 160
_VEC_LINES = 2
_LEX_LONGEST = 60
_FEWEST_LEX = 2
_TERMS = 10
_NEAR = 6
"""How many sections before and after may lend a sentence."""
_QUERY_WORDS_KEPT = 3


class _Part(Struct, frozen=True, kw_only=True):
    """A section's own prose, ready to draw on."""

    key: str
    passage: int
    sentences: list[str]
    terms: Counter[str]


def drafts(
    text: str, note: Note, found: Sequence[Candidate], passages: Sequence[Passage], subject: str
) -> Iterator[Draft]:
    """An expansion for each title, alias or heading whose section has enough prose to make one."""
    parts = _parts(text, note, passages)
    spread = spread_of([part.terms for part in parts])
    expanded: set[str] = set()
    for candidate in found:
        query = candidate.alone or candidate.joined
        if candidate.source == "tag" or query in expanded:
            continue
        expanded.add(query)
        number = _part_of(candidate, parts)
        if number is None:
            continue
        terms = key_terms(parts[number].terms, spread, len(parts), _TERMS)
        around = parts[max(0, number - _NEAR) : number + _NEAR + 1]
        if lines := _lines(query, terms, parts[number], around, subject):
            yield Draft(candidate.alone, candidate.joined, candidate.passage, candidate.source, lines)


def _parts(text: str, note: Note, passages: Sequence[Passage]) -> list[_Part]:
    first = note.headings[0].start if note.headings else len(text)
    opening = Heading(text="", depth=0, start=note.body, body=note.body, end=max(first, note.body))
    return [
        _Part(
            key=query_key(tidied(heading.text)),
            passage=passage_of(heading, passages),
            sentences=sentences(text[heading.body : heading.end]),
            terms=terms_of(text[heading.body : heading.end]),
        )
        for heading in (opening, *note.headings)
    ]


def _part_of(candidate: Candidate, parts: Sequence[_Part]) -> int | None:
    """The number of the heading's own section; for a title or alias the first section that says anything."""
    if candidate.source != "heading":
        return next((number for number, part in enumerate(parts) if part.sentences), None)
    key = query_key(candidate.alone or candidate.joined)
    fitting = (
        number
        for number, part in enumerate(parts)
        if part.key and part.passage == candidate.passage and key.endswith(part.key)
    )
    return next(fitting, None)


def _lines(
    query: str, terms: Sequence[str], part: _Part, around: Sequence[_Part], subject: str
) -> tuple[ExpansionLine, ...]:
    """Empty when the section and its neighbours cannot fill all three kinds."""
    words = [word.lower() for word in telling_words(query)]
    hyde = _telling(words, part.sentences, HYDE_SHORTEST, HYDE_LONGEST)[:1]
    if not words or not hyde:
        return ()
    near = [*part.sentences, *(sentence for other in around for sentence in other.sentences)]
    vec = [text for text in _telling(words, near, _VEC_SHORTEST, _VEC_LONGEST) if text != hyde[0]][:_VEC_LINES]
    lex = _keywords(query, [term for term in terms if not shared_words(words, term)], subject)
    if not vec or len(lex) < _FEWEST_LEX:
        return ()
    return lint(query, [*_of_kind("lex", lex), *_of_kind("vec", vec), *_of_kind("hyde", hyde)]).lines


def _telling(words: Sequence[str], texts: Sequence[str], shortest: int, longest: int) -> list[str]:
    """The sentences of that many characters that speak of the query, those with most of its words first."""
    fitting = dict.fromkeys(text for text in texts if shortest <= len(text) <= longest and shared_words(words, text))
    return sorted(fitting, key=lambda text: -shared_words(words, text))


def _keywords(query: str, terms: Sequence[str], subject: str) -> list[str]:
    """The query's words with the section's key terms, and with the note's subject where the query lacks it."""
    kept = telling_words(query)[:_QUERY_WORDS_KEPT]
    missing = [word for word in telling_words(subject) if not shared_words([word.lower()], query)]
    made = [
        [*kept, *terms[:1]],
        [*kept[:2], *terms[1:3]] if len(terms) > 1 else [],
        [*missing[:2], *kept] if missing else [],
    ]
    texts = (" ".join(words) for words in made if len(words) > 1)
    return [text for text in texts if len(text) <= _LEX_LONGEST and query_key(text) != query_key(query)]


def _of_kind(kind: ExpansionKind, texts: Sequence[str]) -> Iterator[ExpansionLine]:
    return (ExpansionLine(kind=kind, text=text) for text in texts)
