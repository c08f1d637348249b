"""Expansions made without a language model: keywords, sentences and a telling sentence from the section itself.

The shape follows what QMD's own fine-tuning rewards (its ``finetune/reward.py``): ``lex`` lines are short and
keep a word of the query, ``vec`` lines are whole sentences, the ``hyde`` line is 50 to 200 characters long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from jobs.dataset.lint import lint
from jobs.dataset.markdown import Heading, Note
from jobs.dataset.material import Candidate, Draft
from jobs.dataset.pairs import passage_of, tidied
from jobs.dataset.terms import Counter, key_terms, query_words, sentences, shared_words, terms_of
from jobs.dataset.words import query_key
from jobs.domain.corpus import Passage
from jobs.domain.examples import ExpansionLine

HYDE_SHORTEST, HYDE_LONGEST = 50, 200
_VEC_LONGEST = 160
_LEX_LONGEST = 60
_TERMS = 8
_FEWEST_TERMS = 2
_QUERY_WORDS_KEPT = 3


class _Part(Struct, frozen=True, kw_only=True):
    """A section's own prose, ready to draw on."""

    key: str
    passage: int
    sentences: list[str]
    terms: Counter[str]


def drafts(text: str, note: Note, found: Sequence[Candidate], passages: Sequence[Passage], subject: str) -> Iterator[Draft]:
    """An expansion for each title, alias or heading whose section has enough prose to make one."""
    parts = _parts(text, note, passages)
    whole = [sentence for part in parts for sentence in part.sentences]
    expanded: set[str] = set()
    for candidate in found:
        query = candidate.alone or candidate.joined
        if candidate.source == "tag" or query in expanded:
            continue
        expanded.add(query)
        part = _part_of(candidate, parts)
        if part is not None and (lines := _lines(query, part, parts, whole, subject)):
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


def _part_of(candidate: Candidate, parts: Sequence[_Part]) -> _Part | None:
    """The heading's own section; for a title or alias the first section that says anything."""
    if candidate.source == "heading":
        key = query_key(candidate.alone or candidate.joined)
        return next((part for part in parts if part.key and key.endswith(part.key) and part.passage == candidate.passage), None)
    return next((part for part in parts if part.sentences), None)


def _lines(query: str, part: _Part, parts: Sequence[_Part], whole: Sequence[str], subject: str) -> tuple[ExpansionLine, ...]:
    """Empty when the section cannot fill all three kinds."""
    words = query_words(query)
    hyde = _best(words, part.sentences, HYDE_SHORTEST, HYDE_LONGEST, ())
    if not words or not hyde:
        return ()
    terms = [term for term in key_terms(part.terms, (p.terms for p in parts if p is not part), _TERMS + len(words)) if not shared_words(words, term)]
    near = [*part.sentences, *whole]
    vec = [sentence for sentence in (_best(words, near, len("x" * 20), _VEC_LONGEST, (hyde,)), _topic(query, subject)) if sentence]
    lex = list(_keywords(query, terms[:_TERMS], subject))
    if len(terms) < _FEWEST_TERMS or not lex or not vec:
        return ()
    texts = [*(("lex", line) for line in lex), *(("vec", line) for line in vec), ("hyde", hyde)]
    return lint(query, [ExpansionLine(kind=kind, text=line) for kind, line in texts]).lines  # type: ignore[arg-type]
