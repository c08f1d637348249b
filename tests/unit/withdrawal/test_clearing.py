"""What is cleared at all scales and under all keys: nothing is overlooked because it is sealed, or there is much."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec

from daemon.cli.result import DONE
from jobs.dataset.build import load
from jobs.domain.corpus import DocumentId
from jobs.domain.examples import KnownDocument
from jobs.domain.withdrawal import Holding, Meant, Withdrawal
from jobs.publish import write_file
from jobs.sealing import Sealing, is_sealed, sealed_under
from tests.house import keys_of
from tests.unit.dataset.sample import note
from tests.withdrawing import Household


def test_a_note_that_only_judges_leaves_the_sealed_list_of_another_dataset(house: Household) -> None:
    """The other dataset stands on another consent, so it stays, readable and sealed as it was."""
    judge = DocumentId(collection="notes", path="elders/judge.md")
    house.write(judge.path, "# The judge\n\nOnly asked for, never learnt from.\n")
    listed = next(path for path in sorted(house.home.datasets.glob("*/documents.jsonl")) if is_sealed(path))
    manifest = load(listed.parent, keys_of(house.home)).manifest
    assert judge not in {source.id for source in manifest.sources}
    work = Sealing(keys_of(house.home))
    content = listed.read_bytes()
    line = msgspec.json.encode(KnownDocument(id=judge, sha256="f" * 64, consents=("ada@2",))) + b"\n"
    write_file(listed, work.sealed(work.opened(content) + line, sealed_under(content)))
    assert judge in {known.id for known in load(listed.parent, keys_of(house.home)).documents}
    done = house.types("--document", str(judge), "--yes")
    assert (done.code, done.data["done"]) == (DONE, True), done.talk
    assert is_sealed(listed) and sealed_under(listed.read_bytes()) == sealed_under(content)
    left = load(listed.parent, keys_of(house.home))
    assert judge not in {known.id for known in left.documents} and left.documents


def test_a_run_that_is_cancelled_for_it_is_begun_again_though_no_release_came_of_it(house: Household) -> None:
    house.write("elders/new.md", note(99))
    house.look()
    dataset = house.dataset()
    assert dataset is not None and "notes/elders/new.md" in dataset.trained_on()
    started = house.books.jobs.start_run("embedding", cause="test", forced=False, now=house.now())
    assert started is not None
    house.finishes(started[1].id, {"dataset": dataset.manifest.name, "rows": {}})
    done = house.types("--document", "notes/elders/new.md", "--yes")
    assert (done.code, done.data["releases"]) == (DONE, ())
    assert house.books.jobs.run(started[0].id).state == "cancelled"
    [anew] = (house.books.jobs.run(number) for number in done.data["runs"])
    assert (anew.target, anew.cause, anew.state) == ("embedding", "withdrawal", "active")


def test_the_time_to_ask_of_everything_does_not_grow_with_how_much_is_withdrawn() -> None:
    """A consent over nine thousand notes, asked of the thousand others: the names are made ready once."""
    names = tuple(DocumentId(collection="notes", path=f"folder/n{number}.md") for number in range(9_000))
    one = Withdrawal(id="w1", asked_at=datetime.now(UTC), by="a test", what="consent", name="c", documents=names)
    others = [Holding(id=DocumentId(collection="notes", path=f"open/n{n}.md"), sha256=str(n)) for n in range(1_000)]
    began = time.perf_counter()
    meant = Meant(one)
    assert not any(map(meant.holds, others)) and all(meant.holds(Holding(id=name, sha256="")) for name in names[:50])
    assert time.perf_counter() - began < 1.0, "43 seconds when the names were made ready for each"
