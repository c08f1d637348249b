"""iaipctl lineage, with no daemon: from a note to the releases, and from a release to its notes."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.__main__ import main
from jobs.domain.examples import JudgedQuery, QuerySet
from jobs.lineage import BILL
from jobs.release_withdrawal import bury, withdraw
from tests.learnt import Learnt

ACCENTED = "Écoles/été à Nédélec.md"


class House(Learnt):
    """With a person who types."""

    def types(self, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
        code = main(["--home", str(self.home.root), *words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    def reads(self, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
        found, out, _ = self.types(capsys, *words, "--json")
        assert found == code, out
        answer: dict[str, Any] = json.loads(out)
        assert answer["schema"] == "iaip.lineage/1"
        return answer


@pytest.fixture
def house(tmp_path: Path) -> House:
    """v1: embedding, v2: expansion; eight public notes, four of a person's own."""
    found = House(tmp_path)
    found.write(*(f"open-{number}.md" for number in range(7)), ACCENTED)
    found.write(*(f"mine/closed-{number}.md" for number in range(4)))
    found.classify(notes="public", notes__mine="personal", curated="public")
    found.consent("ada", "person", "notes/mine")
    assert (found.learn("embedding"), found.learn("expansion")) == ("v1", "v2")
    return found


def test_a_note_leads_to_every_release_and_index(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    found = house.reads(capsys, "lineage", "document", "notes/mine/closed-1.md")
    assert found["present"] is True
    models = {one["target"]: one for one in found["models"]}
    assert models["embedding"]["releases"] == {"v1": "previous", "v2": "live"}, "v2 carries it on"
    assert models["expansion"]["releases"] == {"v2": "live"}
    [source] = [one for one in models["embedding"]["sources"] if one["document"] == "notes/mine/closed-1.md"]
    assert source["sha256"] == found["sha256"] and source["consents"] == ["ada@2"] and source["examples"] > 0
    text = (house.notes / "mine/closed-1.md").read_text("utf-8")
    assert source["spans"] and all(start >= 0 and start + length <= len(text) for start, length in source["spans"])
    assert [(one["release"], one["documents"], one["vectors"]) for one in found["indexes"]] == [
        ("v1", 1, 2),
        ("v2", 1, 2),
    ]
    assert {one["dataset"] for one in found["datasets"]} == {one["dataset"] for one in found["models"]}
    assert all(len(one["merkle_root"]) == 64 and len(one["weights"]) == 64 for one in found["models"])


def test_a_release_leads_back_to_its_notes(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    found = house.reads(capsys, "lineage", "release", "v2")
    assert found["state"] == "live" and found["unaccounted"] == []
    assert found["index"] == {"documents": 12, "vectors": 24, "answers": 1}
    for model in found["models"]:
        record, made = model["record"], model["made"]
        assert (record["run"], record["model"], record["dataset"]) == (made["run"], model["sha256"], made["dataset"])
        assert made["tools"] == {"torch": "2.13.0"} and made["recipe"]["epochs"] == 2
        assert made["consents"] == ["ada@2"]
        assert "mine/closed-1.md" in {source["id"]["path"] for source in record["sources"]}
    assert {model["target"]: model["made"]["run"] for model in found["models"]} == {"embedding": 1, "expansion": 2}


def test_both_are_told_in_words(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = house.types(capsys, "lineage", "document", str(house.notes / "mine/closed-1.md"))
    assert code == 0
    for words in ("embedding, learnt in run 1", "allowed by ada@2", "v1 (previous), v2 (live)", "Merkle root"):
        assert words in out
    code, out, _ = house.types(capsys, "lineage", "release", "v2")
    assert code == 0 and "← run 2, trained firm, with torch 2.13.0" in out and "8 public" in out


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_are_found_in_either_form(house: House, capsys: pytest.CaptureFixture[str], form: Any) -> None:
    typed = unicodedata.normalize(form, f"notes/{ACCENTED}")
    assert len(house.reads(capsys, "lineage", "document", typed)["models"]) == 2


def test_a_path_from_here_is_a_path(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(house.notes / "mine")
    assert len(house.reads(capsys, "lineage", "document", "closed-1.md")["models"]) == 2


def test_a_note_that_is_gone_is_still_told(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    (house.notes / "mine/closed-1.md").unlink()
    found = house.reads(capsys, "lineage", "document", "notes/mine/closed-1.md")
    assert found["present"] is False and len(found["models"]) == 2 and len(found["indexes"]) == 2


def test_a_note_that_had_another_name_is_found_by_its_text(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    (house.notes / "mine/closed-1.md").rename(house.notes / "mine/new name.md")
    found = house.reads(capsys, "lineage", "document", "notes/mine/new name.md")
    assert {one["document"] for made in found["models"] for one in made["sources"]} == {"notes/mine/closed-1.md"}
    assert len(found["indexes"]) == 2


def test_a_note_edited_since_says_which_text_was_learnt(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.write("mine/closed-1.md", text="# Anew\n")
    code, out, _ = house.types(capsys, "lineage", "document", "notes/mine/closed-1.md")
    assert code == 0 and "as it was then" in out


def test_a_note_that_nothing_learnt_from_is_said_so(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.write("later.md")
    found = house.reads(capsys, "lineage", "document", "notes/later.md")
    assert found["present"] is True and found["models"] == found["indexes"] == found["datasets"] == []
    assert (
        "No model that a release carries learnt from it"
        in house.types(capsys, "lineage", "document", "notes/later.md")[1]
    )


@pytest.mark.parametrize("path", ["/etc/passwd", "notes/never-was.md", "../elsewhere.md", "nobody/there.md", ""])
def test_a_path_outside_the_notes_is_not_found(house: House, capsys: pytest.CaptureFixture[str], path: str) -> None:
    code, out, err = house.types(capsys, "lineage", "document", path)
    assert code == 6 and out == "" and "in none of your collections" in err


@pytest.mark.parametrize("name", ["v9", "v", "current", "models", "../v1"])
def test_a_release_that_is_not_there_is_not_found(house: House, capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, err = house.types(capsys, "lineage", "release", name)
    assert code == 6 and out == "" and f"there is no release {name}" in err


def test_what_was_adopted_was_made_from_nothing(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = house.types(capsys, "lineage", "release", "v0")
    assert code == 0 and "nothing was made from your notes" in out
    code, _, err = house.types(capsys, "lineage", "release", "v0", "--bom")
    assert code == 6 and "no bill of materials" in err


def test_a_lost_record_is_said_loudly_on_both_ways(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("v1", "v2"):
        (house.releases.directory(name) / "sources/embedding.json").write_text("{}")
    code, _, err = house.types(capsys, "lineage", "release", "v1")
    assert code == 1 and "nobody can say what it derives from" in err
    found = house.reads(capsys, "lineage", "document", "notes/open-1.md")
    assert [one["release"] for one in found["unaccounted"]] == ["v1", "v2"]


def test_a_release_that_was_withdrawn_says_so_and_is_no_unknown(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    withdraw(house.releases, ["v2"], "a test")
    assert house.releases.live() == "v1" and bury(house.releases, "v2")
    code, out, _ = house.types(capsys, "lineage", "release", "v2")
    assert code == 0 and "v2 was withdrawn" in out
    found = house.reads(capsys, "lineage", "document", "notes/open-1.md")
    assert found["unaccounted"] == [] and [one["releases"] for one in found["models"]] == [{"v1": "live"}]


def test_the_bill_of_materials_is_printed_as_it_stands_and_names_no_closed_note(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = house.types(capsys, "lineage", "release", "v2", "--bom")
    assert code == 0 and json.loads(out) == json.loads((house.releases.directory("v2") / BILL).read_bytes())
    assert "open-1.md" in out and "closed" not in out and "ada@" not in out


def test_a_dataset_that_no_release_came_of_is_told(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.write("later.md")
    built = house.built()
    found = house.reads(capsys, "lineage", "document", "notes/later.md")
    assert [one["dataset"] for one in found["datasets"]] == [built.result["dataset"]]
    assert (
        f"also in dataset {built.result['dataset']}" in house.types(capsys, "lineage", "document", "notes/later.md")[1]
    )


def test_a_note_that_only_judged_is_told_as_such(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.write("mine/short.md", text="# Short\n\nA few words only, and no more than these.\n")
    asked = JudgedQuery(id="1", text="short", relevant={"notes/mine/short.md": 1})
    house.learn(judged_by=(QuerySet(name="mine", kind="curated", queries=(asked,)),))
    found = house.reads(capsys, "lineage", "document", "notes/mine/short.md")
    [source] = [one for made in found["models"] for one in made["sources"]]
    assert "evaluate" in source["uses"] and source["consents"] == ["ada@2"]


def test_curated_lines_and_their_file_are_sources(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    file = house.home.curated / "embedding" / "mine.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(
        '{"query": "who mends nets", "document": "open-1.md"}\n'
        '{"query": "when does the ice go", "document": "The ice on the lake goes in April, the elders say."}\n'
    )
    house.learn("embedding")
    for asked in ("curated/embedding/mine.jsonl", str(file)):
        found = house.reads(capsys, "lineage", "document", asked)
        [model] = found["models"]
        assert model["releases"] == {"v3": "live"}
        names = {one["document"] for one in model["sources"]}
        assert "curated/embedding/mine.jsonl" in names
        assert any(name.startswith("curated/embedding/mine.jsonl#") for name in names)
