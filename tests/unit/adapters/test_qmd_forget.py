"""An index that forgets: rows, words, vectors and bytes; and everything else stays as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest

from jobs.adapters.glob_patterns import file_patterns
from jobs.adapters.qmd_config import ignoring, read_collections
from jobs.adapters.qmd_forget import contents_of, forget, still_holds, texts_in
from jobs.domain.corpus import DocumentId, text_digest
from jobs.domain.errors import BadInput, ToolFailed
from tests.qmd_index import vector_of, write_index

SECRET = "# Marten\n\nThe ember went over the frozen river to the children.\n"
OTHER = "# Heron\n\nThe heron stands in the shallow water by the reeds.\n"
MARTEN = DocumentId(collection="notes", path="marten.md")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "marten.md").write_text(SECRET)
    (notes / "heron.md").write_text(OTHER)
    write_index(tmp_path / "index.sqlite", notes)
    return tmp_path / "index.sqlite"


def test_what_goes_leaves_no_byte_and_what_stays_is_whole(index: Path) -> None:
    assert texts_in(index, [text_digest(SECRET)]) == {text_digest(SECRET): SECRET}
    found = forget(index, [MARTEN], [])
    assert (found.documents, found.texts, found.vectors, found.answers) == (1, 1, 1, 1)
    content = index.read_bytes()
    for trace in (b"ember", b"frozen", b"marten", vector_of(SECRET), text_digest(SECRET).encode()):
        assert trace not in content
    assert OTHER.encode() in content and vector_of(OTHER) in content
    with closing(sqlite3.connect(index)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM documents_fts WHERE documents_fts MATCH 'heron'").fetchone() == (
            1,
        )
        [(validity, rows)] = database.execute("SELECT validity, rowids FROM vectors_vec_chunks")
        assert sum(byte.bit_count() for byte in validity) == 1 and len(rows) == 64
    assert not still_holds(index, [MARTEN], [text_digest(SECRET)])
    assert forget(index, [MARTEN], [text_digest(SECRET)]).documents == 0, "again is no different"


def test_the_same_text_under_another_name_goes_too(index: Path) -> None:
    with closing(sqlite3.connect(index)) as database:
        database.execute("UPDATE documents SET path = 'renamed.md' WHERE path = 'marten.md'")
        database.commit()
    assert forget(index, [MARTEN], [text_digest(SECRET)]).documents == 1
    assert b"ember" not in index.read_bytes()


def test_a_text_without_a_document_goes_too(index: Path) -> None:
    with closing(sqlite3.connect(index)) as database:
        database.execute("DELETE FROM documents WHERE path = 'marten.md'")
        database.commit()
    assert still_holds(index, [MARTEN], [text_digest(SECRET)])
    assert forget(index, [MARTEN], [text_digest(SECRET)]).texts == 1
    assert b"ember" not in index.read_bytes()


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_in_either_unicode_form(index: Path, form: Literal["NFC", "NFD"]) -> None:
    with closing(sqlite3.connect(index)) as database:
        database.execute("UPDATE documents SET path = ? WHERE path = 'marten.md'", (normalize(form, "été.md"),))
        database.commit()
    document = DocumentId(collection="notes", path="été.md")
    assert contents_of(index, [document]) == {text_digest(SECRET)}
    assert forget(index, [document], []).documents == 1


def test_an_index_in_use_is_told_and_stays_as_it_is(index: Path) -> None:
    with closing(sqlite3.connect(index)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ToolFailed, match="in use by another program"):
            forget(index, [MARTEN], [], patience=0.05)
    assert still_holds(index, [MARTEN], [])


def test_vectors_in_a_shape_that_is_not_known_are_refused_with_nothing_changed(index: Path) -> None:
    with closing(sqlite3.connect(index)) as database:
        database.execute("ALTER TABLE vectors_vec_chunks ADD COLUMN partition00")
        database.commit()
    with pytest.raises(BadInput, match="not known here"):
        forget(index, [MARTEN], [])
    assert still_holds(index, [MARTEN], [])


def test_a_file_that_is_no_index_is_told(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(BadInput, match="cannot be cleaned"):
        forget(tmp_path / "index.sqlite", [MARTEN], [])


@pytest.mark.parametrize(
    "path", ["a.md", "été.md", "a [draft].md", "what?.md", "{x}!(y)+z@.md", "a/b*.md", "!x.md", "a,b.md"]
)
def test_an_ignored_document_is_not_listed_and_its_neighbours_are(tmp_path: Path, path: str) -> None:
    config = tmp_path / "index.yml"
    config.write_text("collections:\n  notes:\n    path: /n # mine\n    ignore: [old/**]\n")
    document = DocumentId(collection="notes", path=path)
    text = ignoring(config.read_text(), [document])
    assert ignoring(text, [document]) == text and "# mine" in text
    config.write_text(text)
    [collection] = read_collections(config)
    patterns = file_patterns(collection.pattern, collection.ignore)
    for form in ("NFC", "NFD"):
        assert not patterns.lists(normalize(form, path), "/n")
    assert not patterns.lists("old/a.md", "/n")
    for other in ("b.md", "a/a.md", "a/bc.md", "x.md", "a d.md", "what.md", "whatx.md"):
        assert patterns.lists(other, "/n")
