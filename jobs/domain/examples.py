"""Training rows with their lineage, and the sets and splits made of them."""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct

from jobs.domain.consent import Classification, NoteSaid, Use
from jobs.domain.corpus import DocumentId, digest

Target = Literal["embedding", "expansion"]
ExpansionKind = Literal["lex", "vec", "hyde"]
Generator = Literal["title", "heading", "link", "alias", "tag", "curated", "key-terms"]
Split = Literal["train", "development", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


class Origin(Struct, frozen=True, kw_only=True):
    """Where a row comes from. A curated row names its file as ``document.path``."""

    document: DocumentId
    sha256: str
    start: int
    length: int
    generator: Generator
    through: DocumentId | None = None
    """What lent the query: the document whose link leads here, or a curated file."""
    classification: Classification = "unclassified"
    """The strictest of all that the row was made from."""
    consents: tuple[str, ...] = ()
    """The grants that allowed it, as ``record@revision``."""


class Pair(Struct, frozen=True, kw_only=True):
    """A query and a passage that answers it. ``title`` is the passage's document title as QMD extracts it.

    ``query`` and ``passage`` are raw text: the serving prompts are put on by the trainer.
    ``relevant`` are the documents a search for the query should find.
    """

    query: str
    title: str
    passage: str
    relevant: tuple[DocumentId, ...]
    language: str
    origin: Origin


class ExpansionLine(Struct, frozen=True, kw_only=True):
    kind: ExpansionKind
    text: str


class Expansion(Struct, frozen=True, kw_only=True):
    """A query and the lines QMD's expansion model should answer it with."""

    query: str
    lines: tuple[ExpansionLine, ...]
    language: str
    origin: Origin
    relevant: tuple[DocumentId, ...] = ()


Row = Pair | Expansion


def row_digest(row: Row) -> str:
    """Names a row by its note and by what is learned from it: in other words, or of another note, it is another row."""
    lines = [row.passage] if isinstance(row, Pair) else [f"{line.kind}: {line.text}" for line in row.lines]
    return digest(type(row).__name__, str(row.origin.document), row.query, *lines)


class JudgedQuery(Struct, frozen=True, kw_only=True):
    """A query with its relevant documents (grade ≥ 1), as the gate asks it."""

    id: str
    text: str
    relevant: dict[str, int]
    """``str(DocumentId)`` → grade."""
    language: str = "und"
    must_pass: bool = False
    seen: bool = False
    """Whether a relevant document is a source of training rows."""


OWN_SET = "judged"
"""Where judgements of queries go that came from no folder of the owner's."""


class QuerySet(Struct, frozen=True, kw_only=True):
    """A named set of judged queries. ``kind`` curated: the owner's own; held-out: made from documents kept back."""

    name: str
    kind: Literal["curated", "held-out"]
    queries: tuple[JudgedQuery, ...]


class KnownDocument(Struct, frozen=True, kw_only=True):
    """A document that may be asked for when a dataset was built, whether or not it gave rows."""

    id: DocumentId
    sha256: str
    classification: Classification = "unclassified"
    consents: tuple[str, ...] = ()
    attribution: tuple[str, ...] = ()


class DatasetCounts(Struct, frozen=True, kw_only=True):
    """How many rows of each split, generator and language, and how many source lines were dropped and why."""

    rows: dict[str, int]
    generators: dict[str, int]
    languages: dict[str, int]
    dropped: dict[str, int]


class SourceDocument(Struct, frozen=True, kw_only=True):
    """A document that rows were made from, found through or lead to, what it said of itself then, what allowed it.

    ``uses`` are what this dataset puts it to; ``rows`` were made from it or found through it. The document of a
    curated line without a note of its own names its file and the text; its file is a source as well.
    """

    id: DocumentId
    sha256: str
    rows: int
    uses: tuple[Use, ...] = ()
    said: NoteSaid = NoteSaid()
    classification: Classification = "unclassified"
    consents: tuple[str, ...] = ()
    attribution: tuple[str, ...] = ()


class DatasetManifest(Struct, frozen=True, kw_only=True):
    """What a dataset directory holds. ``name`` is the digest of its rows and of the consent they stand on."""

    name: str
    target: Target
    generator_version: int
    seed: int
    counts: DatasetCounts
    sources: tuple[SourceDocument, ...]
    excluded: int
    curated_problems: tuple[str, ...]
    """``file:line: what is wrong`` for every curated line that was left out."""
    consent: str = ""
    """The consent revision the dataset was built under."""
    reading: str = ""
    """How the sources' texts were read (``Terms.reading``)."""
    denied: dict[str, int] = {}
    """The excluded documents by reason."""
    merkle_root: str = ""
    """Over the lines of the three splits' rows, in the order train, development, test (domain/lineage.py)."""
