"""What QMD would drop from an expansion, so that no model is trained to say it.

QMD 2.8.3 (src/llm.ts, ``expandQuery``) keeps a line only if it has a known kind and shares a word of the
query as a substring, and (src/store.ts) throws away what merely repeats the query.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from jobs.dataset.passages import SPACE
from jobs.domain.examples import ExpansionLine

_NOT_A_TERM = re.compile(f"[^a-z0-9{SPACE}]")
_CHAT_MARKS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>", "<start_of_turn>", "<end_of_turn>")


class Linted(Struct, frozen=True, kw_only=True):
    """``dropped`` has one reason a line that was left out."""

    lines: tuple[ExpansionLine, ...]
    dropped: tuple[str, ...]


def lint(query: str, lines: Sequence[ExpansionLine]) -> Linted:
    """The lines that QMD would serve, in order, each once."""
    kept: list[ExpansionLine] = []
    dropped: list[str] = []
    terms = query_terms(query)
    for line in lines:
        tidy = ExpansionLine(kind=line.kind, text=line.text.strip(SPACE))
        reason = "repeated line" if tidy in kept else _fault(query, terms, tidy.text)
        if reason:
            dropped.append(reason)
        else:
            kept.append(tidy)
    return Linted(lines=tuple(kept), dropped=tuple(dropped))


def query_terms(query: str) -> list[str]:
    """The words QMD looks for. Letters beyond a to z part words: ``château`` gives ``ch`` and ``teau``."""
    return [term for term in re.split(f"[{SPACE}]+", _NOT_A_TERM.sub(" ", query.lower())) if term]


def shares_term(terms: Sequence[str], text: str) -> bool:
    """Whether QMD would find one of the query's terms in the text; true when the query has none."""
    lower = text.lower()
    return not terms or any(term in lower for term in terms)


def _fault(query: str, terms: Sequence[str], text: str) -> str:
    if not text:
        return "empty line"
    if "\n" in text or "\r" in text:
        return "line break inside a line"
    if any(mark in text for mark in _CHAT_MARKS):
        return "chat marks in a line"
    if text == query:
        return "line repeats the query"
    return "" if shares_term(terms, text) else "line shares no word with its query"
