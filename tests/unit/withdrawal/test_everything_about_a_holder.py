"""`iaipctl consent export`: everything about one holder, also once the agreement is over, and of nobody else."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from daemon.cli import consent_export
from daemon.cli.result import DONE, NOT_FOUND, Result
from tests.story import ADA, SECRET
from tests.withdrawing import Household

HOLDER = "  ada   NANIBUSH "


def export(house: Household, holder: str, folder: Path) -> Result:
    house.books.database.close()
    return consent_export.run(argparse.Namespace(holder=holder, folder=folder), house.context())


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_all_that_was_agreed_done_and_made_is_there(house: Household, tmp_path: Path) -> None:
    house.consent("ben.toml", ADA.format(folder="notes/n1.md").replace("Ada Nanibush", "Ben Kwe"))
    told = export(house, HOLDER, tmp_path / "out")
    assert (told.code, told.data["records"], told.data["withdrawals"]) == (DONE, ["ada"], 0)
    assert files(tmp_path / "out" / "records") == {"ada.toml", "imported/2-ada.toml"}
    assert [row["document"] for row in rows(tmp_path / "out", "documents")] == [f"notes/{SECRET}"]
    assert [(row["place"], row["classifications"]) for row in rows(tmp_path / "out", "rules")] == [
        ("notes", ["public"]),
        ("notes/elders", ["personal"]),
    ]
    used = {(row["target"], *sorted(row["releases"])) for row in rows(tmp_path / "out", "uses")}
    assert ("embedding", "v2", "v3") in used
    assert {entry["subject"] for entry in rows(tmp_path / "out", "log")} >= {"ada.toml"}
    assert not any("Ben" in path.read_text("utf-8") for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_what_a_folder_says_of_itself_is_there_and_who_is_to_be_named(house: Household, tmp_path: Path) -> None:
    (house.notes / "elders" / ".iaip.toml").write_text('attribution = "Elders of the river"\n', "utf-8")
    export(house, HOLDER, tmp_path / "out")
    assert [row["attribution"] for row in rows(tmp_path / "out", "documents")] == [["Elders of the river"]]
    [own] = [row for row in rows(tmp_path / "out", "rules") if "file" in row]
    assert (own["place"], own["attribution"]) == ("notes/elders", ["Elders of the river"])


def test_what_releases_learnt_is_told_when_the_datasets_are_gone(house: Household, tmp_path: Path) -> None:
    for path in house.home.datasets.glob("*/manifest.json"):
        path.unlink()
    export(house, "ada", tmp_path / "out")
    assert {row["document"] for row in rows(tmp_path / "out", "uses")} == {f"notes/{SECRET}"}


@pytest.mark.parametrize("asked", [("--person", "Ada Nanibush"), ("--document", f"notes/{SECRET}")])
def test_after_a_withdrawal_the_agreement_and_the_receipt_are_there(
    house: Household, tmp_path: Path, asked: tuple[str, str]
) -> None:
    house.types(*asked, "--yes")
    told = export(house, HOLDER, tmp_path / "out")
    assert (told.code, told.data["withdrawals"]) == (DONE, 1)
    found = files(tmp_path / "out")
    assert {"receipts/w1.json", "receipts/w1.txt", "records/imported/2-ada.toml"} <= found
    assert ("records/withdrawn/w1-ada.toml" in found) is (asked[0] == "--person")
    assert any(entry["action"] == "withdraw" for entry in rows(tmp_path / "out", "log"))


def test_a_record_that_waits_for_its_import_and_one_under_a_broken_log_are_there(
    house: Household, tmp_path: Path
) -> None:
    (house.home.consent / "zed.toml").write_text(ADA.format(folder="notes").replace("Ada Nanibush", "Zed"))
    assert export(house, "zed", tmp_path / "waiting").code == DONE
    (house.home.consent / "log.jsonl").write_text("damaged\n")
    assert export(house, "Zed", tmp_path / "broken").code == DONE
    assert files(tmp_path / "broken" / "records") == {"zed.toml"}


def test_nobody_of_that_name_is_said(house: Household, tmp_path: Path) -> None:
    assert export(house, "Nobody", tmp_path / "out").code == NOT_FOUND
    assert not (tmp_path / "out").exists()
