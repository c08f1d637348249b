"""The receipt of a withdrawal: it verifies anywhere, and says what is still there."""

from __future__ import annotations

from pathlib import Path

import msgspec

from daemon.cli.result import DONE, FAILED
from tests.story import SECRET, sentences
from tests.withdrawing import Household


def test_a_receipt_verifies_anywhere_and_one_that_was_changed_does_not(house: Household) -> None:
    done = house.types("--document", f"notes/{SECRET}", "--yes")
    receipt = Path(done.data["receipt"])
    assert house.types("--verify", str(receipt)).data["sound"]
    signed = msgspec.json.decode(receipt.read_bytes())
    assert signed["receipt"]["verified"] and signed["receipt"]["strings"] > 0
    assert not any(sentence in receipt.read_text() for sentence in sentences())
    text = receipt.with_suffix(".txt").read_text("utf-8")
    assert "RECEIPT OF WITHDRAWAL w1" in text and "REÇU DE RETRAIT w1" in text
    assert (house.home.signing_key.stat().st_mode & 0o777, receipt.stat().st_mode & 0o777) == (0o600, 0o600)
    signed["receipt"]["live"] = "v9"
    forged = house.folder / "forged.json"
    forged.write_bytes(msgspec.json.encode(signed))
    assert not house.types("--verify", str(forged)).data["sound"]


def test_what_is_still_there_is_said_in_the_receipt(house: Household) -> None:
    """Somebody quoted the note in a file of their own inside the home: it is theirs, and it is named."""
    mine = house.home.curated / "embedding" / "mine.jsonl"
    mine.parent.mkdir(parents=True)
    mine.write_text(msgspec.json.encode({"query": "a", "document": " ".join(sentences())}).decode() + "\n")
    done = house.types("--document", f"notes/{SECRET}", "--yes")
    assert (done.code, done.data["found_again"]) == (FAILED, ("curated/embedding/mine.jsonl",))
    assert "NOT verified by content" in Path(done.data["receipt"]).with_suffix(".txt").read_text("utf-8")


def test_a_sentence_that_another_note_says_too_is_no_trace(house: Household) -> None:
    house.write("n0.md", f"# Another\n\n{sentences()[0]}\n")
    house.look()
    assert house.learns() == "v4"
    done = house.types("--document", f"notes/{SECRET}", "--yes")
    assert (done.code, done.data["found_again"]) == (DONE, ())
