"""iaipctl export-bundle: public material alone leaves, and only by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.cli import bundling
from daemon.cli.__main__ import main
from daemon.ledger.books import open_books
from jobs.consent.book import ConsentBook
from jobs.dataset.bundle import Bundle, BundleManifest, bundle
from jobs.domain.corpus import CURATED, DocumentId
from jobs.domain.examples import SPLITS, Expansion, Pair, SourceDocument
from jobs.domain.lineage import merkle_root
from tests.learnt import Learnt

FOLDERS = ("a", "b", "c")
CLASSES = ("public", "personal", "community", "sacred", "")
GIVEN = "iaip: {classification: public, attribution: Nokomis}\n"


class House(Learnt):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        open_books(self.home.ledger).database.close()

    def exports(self, folder: Path, *words: str) -> int:
        return main(["--home", str(self.home.root), "export-bundle", str(folder), *words])


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Public notes, one of them with a name to be named; a person's; a sacred one; one that nobody classified."""
    found = House(tmp_path / "house")
    found.write(*(f"a/open-{number}.md" for number in range(6)))
    found.write("a/given.md", text=f"---\n{GIVEN}---\n" + (found.notes / "a/open-1.md").read_text("utf-8"))
    found.write("b/closed-1.md", "b/closed-2.md", "c/sacred.md", "unsaid.md")
    found.classify(notes__a="public", notes__b="personal", notes__c="sacred", curated="public")
    found.consent("mireille", "person", "notes/b")
    return found


def rows_of(folder: Path) -> list[Pair | Expansion]:
    def lines(target: str) -> bytes:
        return b"".join((folder / target / f"{split}.jsonl").read_bytes() for split in SPLITS)

    pairs, expansions = msgspec.json.Decoder(Pair), msgspec.json.Decoder(Expansion)
    return [*pairs.decode_lines(lines("embedding")), *expansions.decode_lines(lines("expansion"))]


def named_in(folder: Path) -> set[DocumentId]:
    """Every document that the rows and the list of sources name."""
    found = {
        document
        for row in rows_of(folder)
        for document in (row.origin.document, row.origin.through, *row.relevant)
        if document
    }
    listed = msgspec.json.Decoder(SourceDocument).decode_lines((folder / "sources.jsonl").read_bytes())
    assert found <= {source.id for source in listed}
    return found | {source.id for source in listed}


def test_public_notes_alone_are_in_it_and_the_rest_is_counted(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert house.exports(tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert "left out: " in printed.out and "to be named: Nokomis" in printed.out and "Nothing was sent" in printed.err
    assert {document.path.split("/")[0] for document in named_in(tmp_path / "out")} == {"a"}
    manifest = msgspec.json.decode((tmp_path / "out/manifest.json").read_bytes(), type=BundleManifest)
    assert manifest.left_out == {"personal": 2, "sacred": 1, "unclassified": 1}
    assert manifest.documents == 7 and manifest.attributions == ("Nokomis",)
    assert "Nokomis\n    notes/a/given.md" in (tmp_path / "out/ATTRIBUTION.txt").read_text()
    content = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    for word in (b"closed", b"sacred.md", b"unsaid", b"mireille"):
        assert word not in content


def test_the_digests_are_right(house: House, tmp_path: Path) -> None:
    assert house.exports(tmp_path / "out") == 0
    lines = (tmp_path / "out/SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    files = {path.relative_to(tmp_path / "out"): path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert set(sums) == {str(name) for name in files} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    manifest = json.loads((tmp_path / "out/manifest.json").read_bytes())
    for target, part in manifest["parts"].items():
        lines_of = [(tmp_path / "out" / target / f"{split}.jsonl").read_bytes().splitlines() for split in SPLITS]
        assert merkle_root(line for found in lines_of for line in found) == part["merkle_root"]
        assert part["recipe"]["base"]


def test_the_consent_log_tells_of_it(house: House, tmp_path: Path) -> None:
    assert house.exports(tmp_path / "out") == 0
    entry = ConsentBook(house.home.consent).chain().entries[-1]
    manifest = json.loads((tmp_path / "out/manifest.json").read_bytes())
    assert (entry.action, entry.subject) == ("use", f"bundle {manifest['name']}")
    assert entry.detail["documents"] == "7 public" and "2 personal" in entry.detail["left out"]
    assert ConsentBook(house.home.consent).chain().problem == ""


def test_a_folder_with_something_in_it_is_refused_and_an_empty_one_is_taken(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("x")
    entries = len(ConsentBook(house.home.consent).chain().entries)
    assert house.exports(full) == 5
    assert house.exports(full / "mine.txt") == 5
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert house.exports(tmp_path / "link") == 5
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    assert len(ConsentBook(house.home.consent).chain().entries) == entries, "nothing left, so nothing is said"
    (tmp_path / "empty").mkdir()
    assert house.exports(tmp_path / "empty") == 0
    assert (tmp_path / "empty/manifest.json").is_file()


def test_with_a_broken_log_nothing_leaves(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = ConsentBook(house.home.consent).log
    log.write_bytes(log.read_bytes().replace(b"public", b"Public", 1))
    assert house.exports(tmp_path / "out") == 5
    assert "the consent log is broken" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_word_that_comes_while_it_is_made_counts(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bundle

    def slowly(*arguments: Any) -> Bundle:
        found = made(*arguments)
        house.classify(notes__a="sacred")
        return found

    monkeypatch.setattr(bundling, "bundle", slowly)
    assert house.exports(tmp_path / "out") == 5
    assert "changed meanwhile" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_with_nothing_public_nothing_is_written(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.classify(notes="personal")
    assert house.exports(tmp_path / "out") == 1
    assert "nothing to carry elsewhere" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_sacred_folder_that_was_renamed_a_moment_ago_stays_at_home(house: House, tmp_path: Path) -> None:
    house.classify(notes="public", notes__c="sacred")
    assert house.exports(tmp_path / "before") == 0
    (house.notes / "c").rename(house.notes / "seniors")
    assert house.exports(tmp_path / "after") == 0
    assert "seniors/sacred.md" not in {document.path for document in named_in(tmp_path / "after")}


def test_a_note_that_was_called_sacred_since_stays_at_home(house: House, tmp_path: Path) -> None:
    assert house.exports(tmp_path / "before") == 0
    path = house.notes / "a/open-1.md"
    path.write_text("---\niaip: sacred\n---\n" + path.read_text("utf-8"), "utf-8")
    assert house.exports(tmp_path / "after") == 0
    asked = DocumentId(collection="notes", path="a/open-1.md")
    assert asked in named_in(tmp_path / "before") and asked not in named_in(tmp_path / "after")


@pytest.mark.parametrize("word", ["public", "personal", "sacred"])
def test_lines_of_a_curated_file_are_in_it_if_the_file_is_public(house: House, tmp_path: Path, word: str) -> None:
    file = house.home.curated / "embedding/mine.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(
        '{"query": "who mends nets", "document": "a/open-1.md"}\n'
        '{"query": "when does the ice go", "document": "The ice on the lake goes in April, they say."}\n'
    )
    house.classify(notes__a="public", curated=word)
    house.consent("keeper", "person", "curated")
    assert house.exports(tmp_path / "out") == 0
    asked = {row.query for row in rows_of(tmp_path / "out")}
    assert ({"who mends nets", "when does the ice go"} <= asked) == (word == "public")
    assert any(one.collection == CURATED for one in named_in(tmp_path / "out")) == (word == "public")


def test_the_answer_is_a_contract(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert house.exports(tmp_path / "out", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "iaip.export-bundle/1" and answer["folder"] == str(tmp_path / "out")
    assert answer["manifest"] == json.loads((tmp_path / "out/manifest.json").read_bytes())


LINKS = "".join(f"\nSee [the story of {name}]({name}/n{number}.md).\n" for name in FOLDERS for number in range(2))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(*[st.sampled_from(CLASSES)] * 3),
    st.lists(st.sampled_from(["", "iaip: public", "iaip: sacred", "iaip: exclude", "a: ["]), min_size=6, max_size=6),
    st.sampled_from(CLASSES),
)
def test_whatever_the_classes_no_closed_document_is_named(
    tmp_path_factory: pytest.TempPathFactory, classes: tuple[str, ...], marks: list[str], curated: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    house = House(folder / "house")
    for number, mark in enumerate(marks):
        name = f"{FOLDERS[number % 3]}/n{number // 3}.md"
        house.write(name)
        path = house.notes / name
        path.write_text((f"---\n{mark}\n---\n" if mark else "") + path.read_text("utf-8") + LINKS, "utf-8")
    mine = house.home.curated / "embedding/mine.jsonl"
    mine.parent.mkdir(parents=True)
    mine.write_text("".join(f'{{"query": "about {name}", "document": "{name}/n0.md"}}\n' for name in FOLDERS))
    places = {f"notes__{name}": word for name, word in zip(FOLDERS, classes, strict=True) if word}
    house.classify(**places, **({"curated": curated} if curated else {}))
    house.consent("ada", "person", "notes")
    code = house.exports(folder / "out")
    assert code in (0, 1), "made, or nothing public to make it of"
    if code == 1:
        assert not (folder / "out").exists()
        return
    open_notes = {
        DocumentId(collection="notes", path=f"{FOLDERS[number % 3]}/n{number // 3}.md")
        for number, mark in enumerate(marks)
        if mark in ("", "iaip: public") and (classes[number % 3] or ("public" if mark else "")) == "public"
    }
    named = named_in(folder / "out")
    assert {document for document in named if document.collection == "notes"} <= open_notes
    assert curated == "public" or not any(document.collection == CURATED for document in named)
