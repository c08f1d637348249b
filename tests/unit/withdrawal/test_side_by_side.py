"""The command, the daemon and a deployment at the same moment: whoever comes first, the withdrawal is whole."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.cli.result import DONE
from jobs.consent.book import ConsentBook
from jobs.consent.withdrawals import Journal
from jobs.domain.corpus import DocumentId, text_digest
from jobs.domain.withdrawal import STEPS, Withdrawal
from jobs.lineage import read_lineage
from jobs.release_publishing import publish_release
from jobs.withdrawal import stopping
from jobs.withdrawal.asking import Asked, records_meant
from tests.story import ADA, SECRET, STORY
from tests.unit.withdrawal.aftermath import all_gone, states
from tests.withdrawing import Household

ASKED = Asked(
    what="document",
    name=f"notes/{SECRET}",
    documents=(DocumentId(collection="notes", path=SECRET),),
    contents=(text_digest(STORY),),
)


def begins(house: Household) -> Withdrawal:
    return stopping.begin(ASKED, house.home, house.releases, by="a test", now=datetime.now(UTC))


def test_the_daemon_that_reads_an_entry_while_it_is_begun_loses_none_of_its_releases(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry is written before its releases are known: finding them takes seconds in a big home."""
    read_meanwhile: list[Withdrawal] = []
    real = read_lineage

    def slowly(*arguments: Any) -> Any:
        read_meanwhile.extend(Journal(house.home.consent).open())
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("jobs.withdrawal.stopping.read_lineage", slowly)
        begins(house)
    [half] = read_meanwhile
    assert half.releases == () and half.done == ()
    finished = house.withdrawer().finish(half)
    assert (finished.releases, finished.targets, finished.found_again) == (("v2", "v3"), ("embedding",), ())
    assert (finished.live_before, finished.live, len(finished.runs)) == ("v3", "v1", 1)
    assert states(house) == {"v0": "previous", "v1": "live", "v2": "withdrawn", "v3": "withdrawn"}
    all_gone(house)


def test_a_release_that_is_published_after_the_others_stopped_stops_as_well(house: Household) -> None:
    """A deployment that was at work took its models over from a release that has stopped since."""
    former, directory = house.releases.release("v3"), house.releases.directory("v3")
    papers = {one.file: (directory / one.file).read_bytes() for one in former.metadata.sources.values()}
    one = begins(house)
    late = msgspec.structs.replace(former.metadata, name="v4", run=None)
    publish_release(house.releases, late, "collections: {}\n", Path.touch, papers)
    finished = house.withdrawer().finish(one)
    assert (finished.releases, finished.found_again) == (("v2", "v3", "v4"), ())
    assert states(house)["v4"] == "withdrawn" and house.releases.live() == "v1"
    all_gone(house)


def test_a_release_that_was_refused_before_is_cleared_too(house: Household) -> None:
    """It could not go live any more, but it holds what was learnt."""
    (house.releases.directory("v2") / "WITHDRAWN").write_text("1 document may no longer be used: 1 sacred")
    done = house.types("--document", f"notes/{SECRET}", "--yes")
    assert (done.code, done.data["releases"]) == (DONE, ("v2", "v3"))
    all_gone(house)


def test_one_that_ended_with_something_left_is_started_over_by_the_same_command(house: Household) -> None:
    ended = Withdrawal(
        id="w1",
        asked_at=datetime.now(UTC),
        by="a test",
        what="document",
        name=ASKED.name,
        documents=ASKED.documents,
        contents=ASKED.contents,
        denied=True,
        live_before="v3",
        done=STEPS,
        lineage_left=("releases/v2",),
        found_again=("releases/v2",),
    )
    Journal(house.home.consent).write(ended)
    done = house.types("--document", f"notes/{SECRET}", "--yes")
    assert (done.code, done.data["id"], done.data["releases"]) == (DONE, "w1", ("v2", "v3")), done.text
    assert len(Journal(house.home.consent).all()) == 1
    all_gone(house)


def test_a_new_agreement_of_the_same_name_is_not_set_aside_when_releases_are_stopped_again(house: Household) -> None:
    agreed_again = ADA.format(folder="notes/elders").replace("2025", "2026")
    asked = Asked(what="consent", name="ada", records=records_meant("consent", "ada", house.home.consent))
    one = stopping.begin(asked, house.home, house.releases, by="a test", now=datetime.now(UTC))
    file = house.home.consent / "ada.toml"
    assert not file.exists()
    house.consent("ada.toml", agreed_again)
    assert house.withdrawer().finish(one).found_again == ()
    assert file.read_text("utf-8") == agreed_again and ConsentBook(house.home.consent).changes() == {}
