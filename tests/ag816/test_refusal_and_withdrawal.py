"""AG-816, refusal and withdrawal: a no is heard at every point, at any time, without a reason, and it holds.

Authority and consent, and provenance carried, are answered by the files beside this one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.cli.grammar import parser_of
from daemon.cli.result import DONE
from jobs.consent.book import ConsentBook
from jobs.consent.withdrawals import Journal
from jobs.domain.errors import Refused
from jobs.withdrawal.receipts import REMAINS, check
from tests.story import SECRET, STORY, sentences
from tests.withdrawing import Household


def test_silence_is_a_no(house: Household) -> None:
    """What nobody classified or consented to is never learnt from."""
    house.write("elders/unasked.md", STORY.replace("marten", "wolverine"))
    (house.home.consent / "ada.toml").unlink()
    dataset = house.dataset()
    assert dataset is not None and "wolverine" not in repr((dataset.train, dataset.development, dataset.test))


def test_a_no_needs_no_reason_and_no_permission() -> None:
    """The command asks who or what, and nothing else."""
    command = parser_of(("withdraw",)).parse_args(["withdraw", "--person", "Ada Nanibush"])
    assert set(vars(command)) - {"home", "json"} == {"document", "consent", "person", "verify", "yes"}


def test_a_no_to_one_document_leaves_the_rest_of_a_consent(house: Household) -> None:
    house.write("elders/another.md", STORY.replace("marten", "wolverine").replace("ember", "song"))
    house.look()
    house.types("--document", f"notes/{SECRET}", "--yes")
    house.look()
    dataset = house.dataset()
    assert dataset is not None
    assert "elders/another.md" in {source.id.path for source in dataset.manifest.sources}


@pytest.mark.parametrize(
    "words", [("--document", f"notes/{SECRET}"), ("--consent", "ada"), ("--person", "Ada Nanibush")]
)
def test_a_withdrawal_reaches_the_weights(house: Household, words: tuple[str, str]) -> None:
    learnt = {Path(m.gguf) for name in ("v2", "v3") for m in house.releases.release(name).metadata.targets.values()}
    kept = {Path(model.gguf) for model in house.releases.release("v1").metadata.targets.values()}
    assert house.types(*words, "--yes").code == DONE
    assert all(path.exists() for path in kept) and not any(path.exists() for path in learnt - kept)


def test_a_withdrawn_model_cannot_come_back_by_any_way(house: Household) -> None:
    house.types("--consent", "ada", "--yes")
    for name in ("v2", "v3"):
        for way in (house.releases.roll_back, house.releases.switch, house.releases.way_back):
            with pytest.raises(Refused, match="was withdrawn and can never be live again"):
                way(name)
    assert [r.state for r in house.releases.all()][2:] == ["withdrawn", "withdrawn"]


def test_a_no_outlasts_a_rename_an_edit_of_the_policy_and_a_restored_log(house: Household) -> None:
    before = {name: (house.home.consent / name).read_bytes() for name in ("log.jsonl", "head")}
    house.types("--document", f"notes/{SECRET}", "--yes")
    (house.notes / SECRET).rename(house.notes / "renamed.md")
    house.consent("policy.toml", '[[rule]]\nplace = "notes"\nclassification = "public"\n')
    dataset = house.dataset()
    assert dataset is not None and dataset.manifest.denied == {"withdrawn": 1}
    for name, content in before.items():
        (house.home.consent / name).write_bytes(content)
    assert "marten" not in repr(house.dataset())


def test_nothing_is_unlearnt_by_approximation(house: Household) -> None:
    """Learning anew is a whole run from its first stage, on a dataset that is built again."""
    done = house.types("--consent", "ada", "--yes")
    for run in done.data["runs"]:
        assert [job.stage for job in house.books.jobs.of_run(run)] == ["dataset"]


def test_a_withdrawal_works_when_the_consent_log_does_not(house: Household) -> None:
    (house.home.consent / "log.jsonl").write_text("damaged\n")
    assert ConsentBook(house.home.consent).chain().problem
    assert house.types("--consent", "ada", "--yes").data["live"] == "v0", "nobody can tell what v1 may be used for"


def test_who_withdraws_is_given_a_receipt_they_can_check_themselves(house: Household) -> None:
    done = house.types("--person", "Ada Nanibush", "--yes")
    found = check(Path(done.data["receipt"]), house.context().signer)
    assert found.sound and found.receipt is not None
    receipt = found.receipt
    assert receipt.verified and receipt.lineage_absent and receipt.strings > 0
    assert (receipt.consents, receipt.releases, receipt.remains) == (("ada",), ("v2", "v3"), REMAINS)
    assert not [place for sentence in sentences() for place in house.holding(sentence)]


def test_it_says_openly_what_cannot_be_undone(house: Household) -> None:
    done = house.types("--person", "Ada Nanibush", "--yes")
    text = Path(done.data["receipt"]).with_suffix(".txt").read_text("utf-8")
    for words in ("Copies that somebody made", "Backups", "Time Machine", "Les sauvegardes", "exporté ou partagé"):
        assert words in text


def test_the_notes_are_their_owners_and_are_never_deleted(house: Household) -> None:
    house.types("--person", "Ada Nanibush", "--yes")
    house.types("--document", f"notes/{SECRET}", "--yes")
    assert (house.notes / SECRET).read_text("utf-8") == STORY


def test_a_new_yes_is_a_new_agreement(house: Household) -> None:
    said = (house.home.consent / "ada.toml").read_text()
    house.types("--consent", "ada", "--yes")
    (house.home.consent / "ada.toml").write_text(said)
    assert ConsentBook(house.home.consent).import_changes("a test", house.now()) == []
    house.consent("ada.toml", said.replace("2025-01-01", "2026-02-02"))
    dataset = house.dataset()
    assert dataset is not None and dataset.manifest.denied == {}
    assert [one.records[0].record for one in Journal(house.home.consent).all()] == ["ada"]
