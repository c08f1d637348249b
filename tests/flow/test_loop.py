"""The whole loop on real parts, once undisturbed and once with a kill -9 in every stage: the same verdict."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")

from config.paths import Home
from daemon.ledger.records import Run
from jobs.canary import CanaryResult
from jobs.domain.gates import Verdict
from jobs.wire import STAGE_ORDER
from tests.house import House

pytestmark = [
    *(pytest.mark.ml, pytest.mark.qmd, pytest.mark.slow),
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("search_tools"),
]

SETTINGS = """
[watch]
quiet = 0.5
[dataset]
minimum_pairs = 40
most_test_queries = 40
test_share = 0.4
[schedule]
new_pairs = 1000000
new_expansions = 1000000
[embedding]
epochs = 1
batch_size = 16
learning_rate = 3e-4
max_tokens = 64
checkpoint_steps = 10
curated_repeats = 4
average_weights = [0.5, 1.0]
"""
JUDGED_OF_FIVE = 2
# A language nobody taught the base model: the owner's questions are in it, the notes are not.
THINGS = {
    "canoe": "bolurak", "snowshoe": "tefimo", "smokehouse": "garuni", "sawmill": "pedolak", "library": "wixuri",
    "orchard": "nomsate", "bakery": "kiruvo", "ferry": "zatelu", "school": "hobrine", "garden": "lumikas",
}  # fmt: skip
PLACES = {
    "north shore": "dravo", "river mouth": "quilem", "old village": "suntar",
    "winter camp": "fegri", "east ridge": "yoplan", "long portage": "cembu",
}  # fmt: skip
MATTERS = ("opening hours", "repairs", "history", "who to ask", "tools needed", "weather limits", "costs", "safety")


def furnish(home: Path, notes: Path) -> None:
    """Sixty notes about things in places; questions in another language for some to learn from, for others to judge."""
    notes.mkdir()
    chance = random.Random(7)
    curated, questions, qrels = [], [], ["query-id\tcorpus-id\tscore"]
    words = [f"{a}{b}" for a in ("bir", "ced", "mar", "tol", "wen", "sha") for b in ("ka", "lin", "dor", "mu", "ten")]
    for number, (thing, place) in enumerate(itertools.product(THINGS, PLACES)):
        sections = "".join(
            f"\n## {matter.capitalize()}\n\n"
            f"The {thing} at {place} concerns {' '.join(chance.choices(words, k=12))} and {matter}.\n"
            for matter in chance.sample(MATTERS, 3)
        )
        name = f"{thing}-{place.replace(' ', '-')}.md"
        (notes / name).write_text(f"# The {thing} at the {place}\n\nAbout {thing} and {place}.\n{sections}")
        for turn, asked in enumerate((f"{THINGS[thing]} {PLACES[place]}", f"{PLACES[place]} {THINGS[thing]}")):
            if number % 5 < JUDGED_OF_FIVE:
                questions.append({"_id": f"{number}-{turn}", "text": asked})
                qrels.append(f"{number}-{turn}\t{name}\t1")
            else:
                curated.append({"query": asked, "document": name})
    write_lines(home / "curated" / "embedding" / "questions.jsonl", map(json.dumps, curated))
    write_lines(home / "evaluation" / "questions" / "queries.jsonl", map(json.dumps, questions))
    write_lines(home / "evaluation" / "questions" / "qrels.tsv", qrels)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Verdict, House]:
    house = House(tmp_path_factory.mktemp("undisturbed"), SETTINGS, furnish)
    number = house.begin()
    ended = house.end(number)
    house.stop()
    assert (ended.state, ended.outcome) == ("done", "promoted"), ended.reason
    return ended, house.verdict(number), house


def test_a_run_ends_in_a_verdict_with_every_answer_stored(undisturbed: tuple[Run, Verdict, House]) -> None:
    run, verdict, house = undisturbed
    assert verdict.outcome in ("promote", "reject", "cannot-tell")
    answers = house.books.results.answers(run.id)
    asked = {(answer.query_set, answer.query) for answer in answers}
    assert len(answers) == 3 * len(asked), "three arms answered every query"
    assert verdict.parity.problems == ()
    [canary] = Home(root=house.root).stages.glob("canary-*/result.json")
    assert msgspec.json.decode(canary.read_bytes(), type=CanaryResult).parity.problems == ()


def test_the_promoted_model_answers_and_one_command_takes_it_back(undisturbed: tuple[Run, Verdict, House]) -> None:
    _, verdict, house = undisturbed
    [asked] = [each for each in verdict.sets if each.name == "questions"]
    assert asked.comparisons[0].delta > 0.5, "the owner's language was learnt"
    assert house.live() == "v1"
    house.types("rollback")
    assert house.live() == "v0"
    house.types("rollback", "--to", "v1")
    assert house.live() == "v1"


def test_a_kill_of_daemon_and_worker_in_every_stage_ends_in_the_same_verdict(
    undisturbed: tuple[Run, Verdict, House], tmp_path: Path
) -> None:
    _, expected, neighbour = undisturbed
    house = House(tmp_path, SETTINGS, furnish, neighbour=neighbour)
    number = house.begin()
    unharmed = house.kill_everything_in_turn(number)
    ended = house.end(number)
    house.stop()
    assert (ended.state, ended.outcome) == ("done", "promoted"), ended.reason
    assert unharmed == []
    assert [job.stage for job in house.books.jobs.of_run(number)] == list(STAGE_ORDER)
    assert sets_of(house.verdict(number)) == sets_of(expected)
    assert house.live() == "v1", "and there is one release, not one an attempt"


def sets_of(verdict: Verdict) -> object:
    """All that a verdict says of quality; times differ from run to run."""
    return msgspec.to_builtins(verdict.sets)
