"""Words, and the language they are in. A stop-word count is enough for whole notes, and says so when it isn't."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

STOP_WORDS = {
    "en": "the of and to in is that it for was with as be on by this are or from at which not have an has but you "
    "were they their its if will can all when there been would what who so your about into than them these some "
    "how do does should may also only other such no more my our we he she his her i me up out then just any",
    "fr": "le la les de des du et un une est dans que qui pour pas sur au aux avec ce cette ces par plus son sa ses "
    "se ne il elle ils elles nous vous on ou où mais sont être avoir fait comme tout leur leurs si même aussi peut "
    "votre vos notre nos je tu me te lui dont sans sous entre après avant ainsi donc car très cela ceci d l qu n s c",
    "de": "der die das und ist in zu den von mit nicht ein eine auf für im dem des sich auch es an werden aus er hat "
    "dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis "
    "mehr durch man kann wenn ich wir ihr",
    "es": "el la los las de del que y en un una es por con no para se su al lo como más pero sus le ya o este sí "
    "porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les ni",
    "it": "il lo la i gli le di del della che e in un una è per con non si su al come più ma sono anche nel dei "
    "alla delle questo questa ha se da o ci sua suo quando dalla nella essere",
    "pt": "o a os as de do da dos das que e em um uma é por com não para se na no ao como mais mas foi seu sua ou "
    "ser quando muito há nos já está também só pelo pela até isso ela entre era depois sem mesmo",
    "nl": "de het een en van ik te dat die in is niet op aan met als voor zijn er maar om hem dan zou of wat mijn "
    "men dit zo door over ze zich bij ook tot je mij uit der daar haar naar heb hoe heeft hebben deze",
}
_SETS = {language: frozenset(words.split()) for language, words in STOP_WORDS.items()}
ANY_STOP_WORD = frozenset().union(*_SETS.values())

# In French an elided word (l', d', qu') is one of its own.
_WORD = re.compile(r"(?:[cdjlmnst]|(?:jus|lors|puis)?qu)(?=['’])|[^\W_]+(?:[-.'’_][^\W_]+)*", re.IGNORECASE)
_PLAIN_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
)
_READ = 6000
_FEWEST_HITS = 4
_MOST_PER_WORD = 3
_SMALLEST_SHARE = 0.1
_CLEARER_THAN_SECOND = 1.4
_SCRIPT_SHARE = 0.2
_SHORTEST_CONTENT_WORD = 3


def language_of(text: str) -> str:
    """The language's two letters, or ``und`` when the text is too short or mixed to tell."""
    sample = text[:_READ]
    letters = sum(map(str.isalpha, sample)) or 1
    for language, script in _SCRIPTS:
        if len(script.findall(sample)) / letters > _SCRIPT_SHARE:
            return language
    words = Counter(word for word in _PLAIN_WORD.findall(sample.lower()) if len(word) > 1)
    ranked = sorted(((_evidence(words, known), name) for name, known in _SETS.items()), reverse=True)
    (most, language), (second, _) = ranked[0], ranked[1]
    share = sum(words[word] for word in _SETS[language]) / (words.total() or 1)
    clear = most >= _FEWEST_HITS and share >= _SMALLEST_SHARE and most >= _CLEARER_THAN_SECOND * second
    return language if clear else "und"


def _evidence(words: Counter[str], known: frozenset[str]) -> int:
    """Stop words found, none of them counted often: one may be a name or an abbreviation in another language."""
    return sum(min(words[word], _MOST_PER_WORD) for word in known if word in words)


def words_of(text: str) -> list[str]:
    """The words in their own spelling; ``user's``, ``read-only`` and ``index.html`` are one word each."""
    return _WORD.findall(text)


def content_words(text: str) -> list[str]:
    """The words that carry meaning: no stop words, nothing under three letters unless a capital or a digit marks it."""
    return [word for word in words_of(text) if is_content_word(word)]


def is_content_word(word: str) -> bool:
    lower = word.lower()
    if lower in ANY_STOP_WORD or lower.endswith(("n't", "n’t")) or not any(map(str.isalpha, word)):
        return False
    if len(word) >= _SHORTEST_CONTENT_WORD or not word.isascii():
        return True
    return len(word) > 1 and (word.isupper() or any(map(str.isdigit, word)))


def query_key(text: str) -> str:
    """Equal for queries that ask for the same words in the same order."""
    return " ".join(words_of(unicodedata.normalize("NFKC", text).casefold()))
