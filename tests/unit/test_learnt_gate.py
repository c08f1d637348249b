"""What a release learnt from decides whether it may go live: by its own model, by one it takes over, by a rollback."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.cli.root import Context
from jobs import deploy, train
from jobs.dataset import learnt
from jobs.domain.errors import Refused
from jobs.domain.lineage import Material, releases_touched
from jobs.domain.recipe import Plan
from jobs.lineage import read_lineage
from jobs.release_publishing import publish_release
from jobs.wire import JobSpec
from jobs.withdrawal.asking import Asked, records_meant
from jobs.withdrawal.stopping import begin, foreseen
from tests.learnt import Learnt, document

STORY, SONG = "elders/story.md", "elders/song.md"


@pytest.fixture
def house(tmp_path: Path) -> Learnt:
    """A community's notes among public ones, used with its consent."""
    found = Learnt(tmp_path)
    found.write(*(f"open/{number}.md" for number in range(5)), STORY, SONG)
    found.classify(notes__open="public", notes__elders="community")
    found.consent("council", "community", "notes/elders")
    return found


def sacred(house: Learnt) -> None:
    house.classify(notes__open="public", notes__elders="sacred")


def marked(house: Learnt) -> None:
    """In the note alone, which its folder calls public."""
    path = house.notes / "open/3.md"
    path.write_text(f"---\niaip: sacred\n---\n{path.read_text('utf-8')}")


def expired(house: Learnt) -> None:
    house.consent("council", "community", "notes/elders", condition="until = 2020-01-01\n")


def revoked(house: Learnt) -> None:
    (house.home.consent / "council.toml").unlink()


def excluded(house: Learnt) -> None:
    house.home.config_file.write_text('[watch]\nexcluded_folders = ["elders"]\n')


def rolls_back(house: Learnt, to: str | None = None) -> str:
    """As the command does, on a home without a ledger."""
    context = Context(house.home)
    return learnt.roll_back(context.releases, to, context.inquiry())


def may_go_live(house: Learnt, name: str) -> str:
    return learnt.denial(house.releases.release(name), Context(house.home).inquiry())


@pytest.mark.parametrize("change", [sacred, marked, expired, revoked, excluded])
def test_no_rollback_leads_to_what_was_learnt_from_and_may_no_longer_be(
    house: Learnt, change: Callable[[Learnt], None]
) -> None:
    house.learn()
    house.releases.roll_back("v0")
    change(house)
    with pytest.raises(Refused, match=r"^v1 cannot go live: \d documents? may no longer be used: .+; v0") as no:
        rolls_back(house, "v1")
    assert house.releases.live() == "v0" and "--to v0" in no.value.remedy


def test_a_rollback_to_what_may_be_used_goes_on_and_the_owners_own_files_ask_nothing(house: Learnt) -> None:
    house.learn()
    house.learn("expansion")
    house.write("open/9.md")
    assert rolls_back(house) == "v1"
    sacred(house)
    (house.home.config_file).write_text("not = [ toml")
    assert rolls_back(house) == "v0"


def test_a_note_that_is_gone_stands_as_it_last_said(house: Learnt) -> None:
    """Deleting a note takes nothing back; what is said of its place since does."""
    house.write("said.md", text="---\niaip: {classification: public}\n---\n" + "# A word\n\nSaid in public once.\n" * 9)
    house.learn()
    for path in (STORY, "open/1.md", "said.md"):
        (house.notes / path).unlink()
    assert may_go_live(house, "v1") == ""
    sacred(house)
    assert may_go_live(house, "v1") == "2 documents may no longer be used: 2 sacred"


def test_a_lost_record_is_never_taken_for_none(house: Learnt) -> None:
    house.learn()
    house.releases.roll_back("v0")
    (house.releases.directory("v1") / "sources/embedding.json").write_text("{}")
    with pytest.raises(Refused, match="record of what its embedding model learnt from is lost"):
        rolls_back(house, "v1")


def test_words_that_raise_are_looked_for_in_notes_that_did_not_change(house: Learnt) -> None:
    house.learn()
    text = (house.home.consent / "policy.toml").read_text("utf-8")
    word = (house.notes / "open/2.md").read_text("utf-8").split()[1]
    house.policy(f'{text}\n[[raise]]\nwords = ["{word}"]\nclassification = "sacred"\n')
    assert "sacred" in may_go_live(house, "v1")


def test_an_expansion_model_that_may_no_longer_be_used_is_left_behind(house: Learnt) -> None:
    house.learn("expansion")
    sacred(house)
    assert house.learn("embedding") == "v2"
    told = house.releases.release("v2").metadata
    assert told.targets.keys() == told.sources.keys() == told.made.keys() == {"embedding"}
    assert may_go_live(house, "v2") == "" != may_go_live(house, "v1")


def test_an_embedding_model_that_may_no_longer_be_used_keeps_a_release_from_going_live(house: Learnt) -> None:
    house.learn("embedding")
    sacred(house)
    done = house.deployed("expansion")
    assert done.ends_run is not None and "refused: 2 documents may no longer be used: 2 sacred" in done.ends_run
    assert (house.releases.live(), house.releases.release("v2").state) == ("v1", "withdrawn")
    assert house.learn("embedding") == "v3", "the way out"
    assert house.learn("expansion") == "v4"
    assert may_go_live(house, "v4") == ""


@pytest.mark.parametrize("what", ["document", "consent"])
def test_a_withdrawal_during_a_deployment_is_not_undone(
    house: Learnt, what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The new release takes a model over from the live one, which stops while its index is copied."""
    house.learn("expansion")
    for path in (STORY, SONG):
        (house.notes / path).rename(tmp_path / Path(path).name)
    asked = Asked(what="document", name=STORY, documents=(document(STORY),))
    if what == "consent":
        asked = Asked(what="consent", name="council", records=records_meant("consent", "council", house.home.consent))

    def slowly(*arguments: Any) -> Path:
        begin(asked, house.home, house.releases, by="a test", now=datetime.now(UTC))
        return publish_release(*arguments)

    monkeypatch.setattr(deploy, "publish_release", slowly)
    done = house.deployed("embedding")
    assert done.ends_run is not None and "withdrawn" in done.ends_run
    assert (house.releases.live(), house.releases.release("v2").state) == ("v0", "withdrawn")
    material = Material(documents=frozenset(asked.documents), consents=frozenset({"council"} - {asked.what}))
    assert "v2" in {one.release for one in releases_touched(read_lineage(house.releases), material)}


def made_sacred_since(house: Learnt) -> None:
    """v1 learnt what is sacred by now, v2 did not."""
    house.learn()
    sacred(house)
    assert house.learn() == "v2"
    assert may_go_live(house, "v1") != "" and may_go_live(house, "v2") == ""


def test_a_withdrawal_makes_nothing_live_that_learnt_what_is_sacred_by_now(house: Learnt) -> None:
    made_sacred_since(house)
    public = document("open/0.md")
    asked = Asked(what="document", name="open/0.md", documents=(public,))
    seen = foreseen(asked, house.releases)
    begin(asked, house.home, house.releases, by="a test", now=datetime.now(UTC))
    assert house.releases.live() == seen.goes_live == "v0"


def test_a_trial_that_fails_or_is_interrupted_goes_back_past_what_may_not_be_live(house: Learnt) -> None:
    made_sacred_since(house)
    (house.releases.directory("v2") / "TRIAL").touch()
    assert house.releases.recover() == "v2" and house.releases.live() == "v0"
    house.releases.switch("v2")
    assert house.releases.take_back("v2", "found unhealthy") == "v0"


def test_a_consent_that_was_withdrawn_stays_so_for_what_was_learnt_under_it(house: Learnt) -> None:
    """Though a new agreement allows the same notes again."""
    house.learn()
    asked = Asked(what="consent", name="council", records=records_meant("consent", "council", house.home.consent))
    begin(asked, house.home, house.releases, by="a test", now=datetime.now(UTC))
    (house.releases.directory("v1") / "WITHDRAWN").unlink()
    house.consent("council", "community", "notes/elders", condition="until = 2099-01-01\n")
    assert may_go_live(house, "v1") == "2 documents may no longer be used: 2 withdrawn"
    assert house.learn() == "v2" and may_go_live(house, "v2") == ""


def test_an_expansion_model_is_not_trained_in_vain(house: Learnt) -> None:
    """It would go live with an embedding model that may not; after the dataset's own gate has nothing against it."""
    house.learn("embedding")
    sacred(house)
    plan = msgspec.to_builtins(Plan(intensity="firm", reason="a test"))
    earlier = {"dataset": house.built("expansion").result, "baseline": {"plan": plan}}
    spec = JobSpec(job=1, run=9, stage="train", target="expansion", home=str(house.home.root), earlier=earlier)
    done = train.run(spec, house.workshop())
    assert done.ends_run is not None and "`iaipctl run embedding` makes one without them first" in done.ends_run
