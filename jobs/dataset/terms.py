"""Key terms and good sentences of a stretch of prose."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from jobs.dataset.markdown import paragraphs
from jobs.dataset.words import content_words, is_content_word, words_of

_SENTENCE_END = re.compile(r"(?<=[.!?…。])[\"'”’)»]*\s+(?=[\"'“‘(«]?[A-ZÀ-ÖØ-Þ0-9])")
_NO_END = re.compile(
    r"\b(?:e\.g|i\.e|etc|vs|cf|Dr|Mr|Mrs|Ms|M|Mme|Prof|St|No|Fig|al|approx|ex|p\. ex)\.$", re.IGNORECASE
)
_ODD = re.compile(r"[{}|<>\\=$^]|\(\)|https?:|::|/\w+/|\.\.\.?$|…$|:$")
_ADVERB = re.compile(r".{3}ly$|(?:al|el|iv|qu|us|eus|mm|tt|pl|mpl|at|èr|rn)ement$|(?:a|e)mment$|^maintenant$|^ensuite$")
_NOT_A_LETTER = re.compile(r"[^\w ]|[\d_]")
_FILE_NAME = re.compile(r"\.(?:js|ts|py|md|json|ya?ml|html)$")
_FEWEST_WORDS = 5
_LETTERS = 0.72
_LONGEST_TERM = 30
_FAIR_TERM = 10
_LONGEST_SECTION = 20_000
_PHRASE_WEIGHT = 1.6
_WEAK_WORDS = (
    "example examples following case way ways thing things lot need needs want use used using uses user users make "
    "makes see also new first last like get set one two now value values note called same different between example "
    "default case time way will because here there where when while without within might must let know work works "
    "working want however instead already still even many much well each every both always never something anything "
    "exemple exemples cas utiliser utilise utilisant faire fait peut peuvent dire chose choses ici aussi toujours "
    "permet permettre doit deux alors quand ceci suivant suivante mêmes valeur code line lines"
)
"""Words that fit any note, so that sharing one says little."""
_WEAK = frozenset(_WEAK_WORDS.split())


def sentences(text: str) -> list[str]:
    """The whole sentences of a Markdown text that read well by themselves, in order."""
    found = (sentence for paragraph in paragraphs(text[:_LONGEST_SECTION]) for sentence in _split(paragraph))
    return list(dict.fromkeys(sentence for sentence in found if _reads_well(sentence)))


def terms_of(text: str) -> Counter[str]:
    """How often each content word, and each phrase of two that occurs more than once, stands in the prose.

    Words are in the spelling in which they came first; a phrase is its two words with a space.
    """
    spelling: dict[str, str] = {}
    counts: Counter[str] = Counter()
    phrases: Counter[str] = Counter()
    for paragraph in paragraphs(text[:_LONGEST_SECTION]):
        words = words_of(paragraph)
        for word in words:
            if _is_term(word):
                counts[spelling.setdefault(word.lower(), word)] += 1
        for one, two in pairwise(words):
            if _is_term(one) and _is_term(two) and one.lower() != two.lower() and f"{one} {two}" in paragraph:
                phrases[f"{spelling[one.lower()]} {spelling[two.lower()]}"] += 1
    counts.update({phrase: number for phrase, number in phrases.items() if number > 1})
    return counts


def spread_of(sections: Sequence[Counter[str]]) -> Counter[str]:
    """In how many sections each term stands."""
    return Counter(term for section in sections for term in section)


def key_terms(own: Counter[str], spread: Counter[str], sections: int, most: int) -> list[str]:
    """The terms that set ``own``, one of ``sections``, apart: by frequency and log inverse section frequency."""

    def weight(term: str) -> float:
        rarity = math.log(1 + sections / spread[term])
        phrase = _PHRASE_WEIGHT if " " in term else 1.0
        return (1 + math.log(own[term])) * rarity * phrase * math.sqrt(min(len(term), _FAIR_TERM))

    chosen: list[str] = []
    for term in sorted(own, key=lambda term: (-weight(term), term)):
        if not any(_overlap(term, other) for other in chosen):
            chosen.append(term)
        if len(chosen) == most:
            break
    return chosen


def shared_words(query: Sequence[str], text: str) -> int:
    """How many of the query's lower-case content words occur in the text, as substrings."""
    lower = text.lower()
    return sum(word in lower for word in query)


def telling_words(query: str) -> list[str]:
    """The query's content words, each once, without those that say little (``example``, ``use``) if others are left."""
    words = {word.lower(): word for word in reversed(content_words(query))}
    telling = [word for lower, word in reversed(words.items()) if lower not in _WEAK]
    return telling or list(reversed(words.values()))


def _split(paragraph: str) -> Iterator[str]:
    held = ""
    for piece in _SENTENCE_END.split(paragraph):
        held = f"{held} {piece}".strip()
        if not _NO_END.search(held):
            yield held
            held = ""
    if held:
        yield held


def _reads_well(sentence: str) -> bool:
    if len(sentence.split()) < _FEWEST_WORDS or _ODD.search(sentence):
        return False
    if len(_NOT_A_LETTER.findall(sentence)) > (1 - _LETTERS) * len(sentence):
        return False
    return sentence[0].isalnum() or sentence[0] in "\"'“‘(«ÀÉÈ"


@lru_cache(maxsize=100_000)
def _is_term(word: str) -> bool:
    lower = word.lower()
    return (
        is_content_word(word)
        and lower not in _WEAK
        and len(word) <= _LONGEST_TERM
        and not _ADVERB.search(lower)
        and not _FILE_NAME.search(lower)
    )


def _overlap(term: str, other: str) -> bool:
    one, two = term.lower(), other.lower()
    return one in two or two in one or one.rstrip("s") == two.rstrip("s")
