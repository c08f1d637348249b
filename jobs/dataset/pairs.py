"""Queries that a note answers, and the passages that answer them: from its title, headings, aliases and tags."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

from jobs.dataset.markdown import Heading, Note, plain
from jobs.dataset.material import Candidate, Section, Source
from jobs.dataset.words import content_words, query_key, words_of
from jobs.domain.corpus import Passage

LONGEST_QUERY = 200
_FEWEST_LETTERS = 20
_FEWEST_BODY_WORDS = 8
_ENOUGH_WORDS = 2
_TITLE_PASSAGES = 2
_FAIR_LENGTH = 1500
"""A section is where most of its first so many characters are."""

_NUMBERING = re.compile(
    r"^(?:(?:step|part|chapter|étape|partie|chapitre|kapitel)\s+\d+[.:)]?|(?:\d+(?:\.\d+)*|[IVX]+)[.):])\s+(?=\S)",
    re.IGNORECASE,
)
_EDGES = " \t:;,.!?#*_-–—|/\\>=~•→"
_VERSION = re.compile(r"^v?\d+(?:\.\d+)+\S*|^\d{4}-\d\d-\d\d")

_GENERIC_HEADINGS = (
    "readme|index|changelog|change log|changes|history|release notes|license|licence|contributing|contributors|"
    "code of conduct|security|support|contact|author|authors|maintainers|acknowledgements|acknowledgments|credits|"
    "thanks|sponsors|backers|donate|funding|community|resources|references|links|further reading|see also|related|"
    "related projects|table of contents|contents|toc|introduction|intro|overview|about|summary|description|"
    "abstract|background|motivation|why|what|how|goals|features|highlights|requirements|prerequisites|install|"
    "installation|installing|getting started|get started|quick start|quickstart|setup|set up|usage|use|api|"
    "api reference|reference|example|examples|basic usage|advanced usage|basic example|more examples|options|"
    "arguments|parameters|params|properties|methods|events|returns|return value|configuration|config|settings|"
    "notes|note|warning|tip|tips|info|caveats|limitations|known issues|todo|faq|questions|troubleshooting|"
    "testing|tests|test|running tests|run tests|development|build|building|documentation|docs|benchmarks|benchmark|"
    "performance|performance results|compatibility|browser support|conclusion|recap|next steps|technical details|"
    "results|discussion|methods|materials|data|details|more|more info|misc|other|others|general|basics|steps|"
    "added|changed|fixed|removed|deprecated|fixes|breaking changes|new features|bug fixes|untitled|home|main|"
    "vue d'ensemble|aperçu|présentation|sommaire|table des matières|exemple|exemples|utilisation|prérequis|"
    "remarque|remarques|note|notes|astuce|attention|résumé|récapitulatif|pour résumer|en résumé|liens|voir aussi|"
    "références|à propos|contexte|conclusion|étapes suivantes|détails techniques|démarrage|démarrage rapide|"
    "einleitung|übersicht|zusammenfassung|beispiel|beispiele|verwendung|siehe auch|inhalt|here|this page|link|"
    "click here|read more|learn more|more information|docs page|source|ici|cette page|lire la suite|en savoir plus"
)
_GENERIC = frozenset(map(query_key, _GENERIC_HEADINGS.split("|")))

_BOILERPLATE_HEADINGS = (
    "license|licence|contents|table of contents|toc|related|related projects|see also|contributors|contributing|"
    "author|authors|maintainers|team members|emeritus|credits|thanks|acknowledgements|acknowledgments|sponsors|"
    "backers|donate|code of conduct|links|changelog|history|release notes|todo|more info|more information|footnotes|"
    "sommaire|table des matières|liens|voir aussi|remerciements|licences|auteurs|inhalt|siehe auch|lizenz"
)
_BOILERPLATE = frozenset(map(query_key, _BOILERPLATE_HEADINGS.split("|")))


def candidates(note: Note, name: str, title: str, passages: Sequence[Passage]) -> Iterator[Candidate]:
    """Every query the note itself offers. ``name`` is its path, ``title`` its title as QMD extracts it.

    A query is at most 200 characters and its passage has something to read.
    """
    subject = subject_of(note, name, title)
    readable = [number for number, passage in enumerate(passages) if _is_readable(passage.text)]
    for number in readable[:_TITLE_PASSAGES]:
        yield from _candidate(subject, "", number, "title")
    if not readable:
        return
    others = {query_key(alias): alias for alias in (plain(note.front_matter.title), *note.front_matter.aliases)}
    for key, alias in others.items():
        if key != query_key(subject):
            yield from _candidate(alias, "", readable[0], "alias")
    for tag in dict.fromkeys(note.front_matter.tags):
        yield from _candidate(re.sub(r"[/_-]+", " ", tag), "", readable[0], "tag")
    for heading, context in with_context(note.headings, subject):
        number = passage_of(heading, passages)
        if _says_something(heading, passages[number]):
            yield from _candidate(heading.text, context, number, "heading")


def sections(note: Note, passages: Sequence[Passage]) -> Iterator[Section]:
    """Where each heading's section is, for links that name a heading."""
    for heading in note.headings:
        yield Section(key=query_key(heading.text), passage=passage_of(heading, passages))


def subject_of(note: Note, name: str, title: str) -> str:
    """What the note is about, in a few words: its title, else its file's name, else its folder's."""
    stem, folder = name.rsplit("/", 1)[-1].rsplit(".", 1)[0], name.split("/")[-2] if "/" in name else ""
    for words in (
        plain(title),
        plain(note.front_matter.title),
        re.sub(r"[-_]+", " ", stem),
        re.sub(r"[-_]+", " ", folder),
    ):
        tidy = tidied(words)
        if content_words(tidy) and not is_generic(tidy):
            return tidy
    return ""


def with_context(headings: Sequence[Heading], subject: str) -> Iterator[tuple[Heading, str]]:
    """Each heading but the title's, with the nearest words around it that say what it is about."""
    above: list[Heading] = []
    for heading in headings:
        above = [other for other in above if other.depth < heading.depth]
        if query_key(tidied(heading.text)) != query_key(subject):
            telling = (tidied(other.text) for other in reversed(above))
            yield heading, next((words for words in telling if stands_alone(words)), subject)
        above.append(heading)


def passage_of(heading: Heading, passages: Sequence[Passage]) -> int:
    """The number of the passage that holds most of the section's beginning; the earlier one of equals."""
    end = min(heading.end, heading.start + _FAIR_LENGTH)
    last = bisect_left(passages, end, key=_start)
    first = max(0, bisect_right(passages, heading.start, key=_start) - 2)

    def shared(number: int) -> int:
        passage = passages[number]
        return min(end, passage.start + len(passage.text)) - max(heading.start, passage.start)

    return max(range(first, max(last, first + 1)), key=lambda number: (shared(number), -number))


def _start(passage: Passage) -> int:
    return passage.start


def tidied(text: str) -> str:
    """A heading without its number and the marks at its ends."""
    return _NUMBERING.sub("", text.strip(_EDGES)).strip(_EDGES)


def is_generic(text: str) -> bool:
    """A heading that any note may have, or a bare version or date."""
    key = query_key(text)
    return not key or key in _GENERIC or key.rstrip(" 0123456789") in _GENERIC or bool(_VERSION.match(text))


def is_boilerplate(text: str) -> bool:
    """The heading of a section nobody searches for."""
    return query_key(text) in _BOILERPLATE


def stands_alone(text: str) -> bool:
    """Whether the words make a query without their context."""
    return len(content_words(text)) >= _ENOUGH_WORDS and not is_generic(text)


def _candidate(words: str, context: str, passage: int, source: Source) -> Iterator[Candidate]:
    query = tidied(words)
    if is_boilerplate(query):
        return
    if not (content_words(query) or (context and is_generic(query) and words_of(query))) or _VERSION.match(query):
        return
    alone = query if stands_alone(query) or (source != "heading" and not is_generic(query)) else ""
    known = set(words_of(query.lower()))
    joined = f"{context} {query}" if not set(words_of(context.lower())) <= known else ""
    alone, joined = (text if len(text) <= LONGEST_QUERY else "" for text in (alone, joined))
    if alone or joined:
        yield Candidate(alone, joined, passage, source)


def _is_readable(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= _FEWEST_LETTERS


def _says_something(heading: Heading, passage: Passage) -> bool:
    """A section of its own words, not only the headings under it."""
    own = passage.text[max(0, heading.body - passage.start) : max(0, heading.end - passage.start)]
    return sum(1 for _, _ in pairwise(words_of(own))) >= _FEWEST_BODY_WORDS - 1
