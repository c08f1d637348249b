"""What somebody means by a document, a consent or a person; accents in either Unicode form, present or gone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from unicodedata import normalize

from msgspec import Struct

from jobs.consent.book import ConsentBook
from jobs.consent.files import POLICY, read_record
from jobs.consent.withdrawals import Journal
from jobs.domain.corpus import CURATED, Collection, DocumentId, text_digest
from jobs.domain.errors import BadInput
from jobs.domain.places import exact_parts, folded
from jobs.domain.withdrawal import EndedRecord, What, denied_by, name_key

ME = "me"


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be withdrawn. ``contents`` are the SHA-256s of the document's known texts."""

    what: What
    name: str
    documents: tuple[DocumentId, ...] = ()
    contents: tuple[str, ...] = ()
    records: tuple[EndedRecord, ...] = ()


def document_meant(
    name: str, collections: Sequence[Collection], known: Iterable[DocumentId], here: Path
) -> DocumentId | None:
    """The document that a path or ``collection/path`` names; none if there is no such file and never was.

    ``known``: documents that were met before, also such that are gone. A file counts wherever a collection's
    folder holds it, whether or not the collection lists it.
    """
    candidates = list(dict.fromkeys(_candidates(name, collections, here)))
    roots = {collection.name: Path(collection.path) for collection in collections}
    for document in candidates:
        if document.collection in roots and (spelled := _on_disk(roots[document.collection], document.path)):
            return DocumentId(collection=document.collection, path=normalize("NFC", spelled))
    keys = {name_key(document) for document in candidates}
    return next((document for document in known if name_key(document) in keys), None)


def content_now(document: DocumentId, collections: Sequence[Collection]) -> str | None:
    """The SHA-256 of the document's bytes, whatever they are; none if there is no file."""
    root = next((collection.path for collection in collections if collection.name == document.collection), None)
    spelled = None if root is None else _on_disk(Path(root), document.path)
    if root is None or spelled is None:
        return None
    try:
        return hashlib.sha256(Path(root, spelled).read_bytes()).hexdigest()
    except OSError:
        return None


def records_meant(what: What, name: str, folder: Path) -> tuple[EndedRecord, ...]:
    """Every wording of the record of that name or of that holder's records: in force, before that, or waiting to be.

    A wording that was withdrawn already is not among them. Also where the log is broken: then the files tell.
    """
    book = ConsentBook(folder)
    chain = book.chain()
    gone = denied_by(chain, Journal(folder).all()).records
    imported = {(entry.subject, entry.text) for entry in chain.entries if entry.action == "import"}
    texts = imported | set(book.files().items())
    found = {
        EndedRecord(record=file.removesuffix(".toml"), sha256=text_digest(text))
        for file, text in texts
        if file != POLICY and text and _is_meant(what, name, file, text) and text_digest(text) not in gone
    }
    return tuple(sorted(found, key=lambda ended: (ended.record, ended.sha256)))


def _is_meant(what: What, name: str, file: str, text: str) -> bool:
    wanted = folded(name.strip())
    if what == "consent":
        return folded(file.removesuffix(".toml")) == wanted.removesuffix(".toml")
    try:
        holder = folded(read_record(text, file).holder.strip())
    except BadInput:
        return False
    return holder == wanted or (wanted == ME and holder.endswith(f"({ME})"))


def _candidates(name: str, collections: Sequence[Collection], here: Path) -> Iterable[DocumentId]:
    """An absolute path, one from here, and one from a collection: what a name may stand for."""
    given = Path(name).expanduser()
    spelled = given if given.is_absolute() else here / given
    for path in (os.path.abspath(spelled), os.path.realpath(spelled)):  # noqa: PTH100 - without following links
        parts = exact_parts(path)
        for collection in collections:
            for root in (exact_parts(collection.path), exact_parts(os.path.realpath(collection.path))):
                if parts[: len(root)] == root and len(parts) > len(root):
                    yield DocumentId(collection=collection.name, path="/".join(parts[len(root) :]))
    first, *rest = exact_parts(name) or ("",)
    if rest and not given.is_absolute() and (first == CURATED or first in {one.name for one in collections}):
        yield DocumentId(collection=first, path="/".join(rest))


def _on_disk(root: Path, path: str) -> str | None:
    """The file's path as the disk spells it, in whatever Unicode form; none if there is no such file."""
    folder, spelled = root, []
    for part in exact_parts(path):
        try:
            names = {normalize("NFC", entry): entry for entry in os.listdir(folder)}  # noqa: PTH208 - names alone
        except OSError:
            return None
        if part not in names:
            return None
        spelled.append(names[part])
        folder = folder / names[part]
    return "/".join(spelled) if folder.is_file() else None
