"""One note in, its material out. Pure: the same text and the same count of tokens always give the same."""

from __future__ import annotations

from jobs.dataset.expansions import drafts
from jobs.dataset.markdown import Note
from jobs.dataset.material import Material
from jobs.dataset.pairs import candidates, sections, subject_of
from jobs.dataset.passages import CountTokens, cut, title
from jobs.dataset.sketch import sketch
from jobs.dataset.words import language_of
from jobs.domain.corpus import Document


def material(document: Document, note: Note, count_tokens: CountTokens | None = None) -> Material:
    """All that ``document`` offers. ``note`` is what was read of its text; for ``count_tokens`` see ``cut``."""
    text = document.text
    passages = cut(text, count_tokens)
    heading = title(text, document.id.path)
    found = tuple(candidates(note, document.id.path, heading, passages))
    subject = subject_of(note, document.id.path, heading)
    return Material(
        title=heading,
        language=language_of(text[note.body :]),
        passages=passages,
        sections=tuple(sections(note, passages)),
        candidates=found,
        links=tuple(dict.fromkeys(note.links)),
        drafts=tuple(drafts(text, note, found, passages, subject)),
        sketch=sketch(text[note.body :]),
    )
