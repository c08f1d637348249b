"""What one document offers for training, whatever the other documents say. This is what the cache keeps."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from jobs.dataset.markdown import Link
from jobs.domain.corpus import Passage
from jobs.domain.examples import ExpansionLine

GENERATOR_VERSION = 1
"""Raised with every change to what is generated from a document: the cache then makes all examples afresh."""

Source = Literal["title", "heading", "alias", "tag"]


class Candidate(Struct, frozen=True, array_like=True):
    """A query and the number of the passage that answers it.

    ``alone`` is empty when the words mean nothing by themselves; ``joined`` has the words of the section or
    note around it in front, and is empty when there are none. Which one is used depends on how common it is.
    """

    alone: str
    joined: str
    passage: int
    source: Source


class Draft(Struct, frozen=True, array_like=True):
    """An expansion of a candidate's query. The lines suit ``alone`` and ``joined`` both."""

    alone: str
    joined: str
    passage: int
    source: Source
    lines: tuple[ExpansionLine, ...]


class Section(Struct, frozen=True, array_like=True):
    """A heading's key (``words.query_key``) and the passage that holds its section."""

    key: str
    passage: int


class Material(Struct, frozen=True, kw_only=True):
    """``title`` is the title as QMD serves it. ``sketch`` compares documents (see sketch.py)."""

    title: str
    language: str
    passages: tuple[Passage, ...]
    sections: tuple[Section, ...]
    candidates: tuple[Candidate, ...]
    links: tuple[Link, ...]
    drafts: tuple[Draft, ...]
    sketch: bytes
