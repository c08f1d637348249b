"""What can be wrong with what the daemon is given: the message, the record of it, and a search that stays as it was."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("torch")

from config.paths import Home
from daemon.ledger.records import Job
from daemon.system.lock import running_pid
from jobs.adapters.node import find_qmd
from jobs.dataset.build import load
from tests.house import House, keys_of

pytestmark = [
    *(pytest.mark.ml, pytest.mark.qmd, pytest.mark.slow),
    pytest.mark.timeout(180),
    pytest.mark.usefixtures("search_tools"),
]

SETTINGS = """
[watch]
quiet = 0.5
largest_document = 20000
[dataset]
minimum_pairs = 10
[schedule]
new_pairs = 1000000
new_expansions = 1000000
[embedding]
epochs = 1
batch_size = 8
max_tokens = 64
average_weights = [1.0]
"""
THINGS = ("canoe", "snowshoe", "smokehouse", "sawmill", "library", "orchard", "bakery", "ferry", "school", "garden")
MATTERS = ("opening hours", "repairs", "history", "tools needed")


def furnish(home: Path, notes: Path) -> None:
    """Ten good notes, and beside them whatever a folder may hold; three curated lines of which two are of no use; and
    queries enough to judge by."""
    notes.mkdir()
    for thing in THINGS:
        sections = "".join(
            f"\n## {matter.capitalize()}\n\nThe {thing}: all about its {matter}.\n" for matter in MATTERS
        )
        (notes / f"{thing}.md").write_text(f"# The {thing}\n\nEverything known of the {thing}.\n{sections}")
    (notes / "latin.md").write_bytes("# L'été au chalet\n".encode("latin-1"))
    (notes / "large.md").write_text("# Everything\n\n" + "It went on and on. " * 1500)
    (notes / "round").mkdir()
    (notes / "round" / "again").symlink_to(notes)
    curated = home / "curated" / "embedding"
    curated.mkdir(parents=True)
    lines = ('{"query": "who lends the canoe", "document": "canoe.md"}', "not JSON", '{"query": "nothing more"}')
    (curated / "mine.jsonl").write_text("\n".join(lines) + "\n")
    judged = home / "evaluation" / "mine"
    judged.mkdir(parents=True)
    asked = [(f"{number}-{matter}", thing, matter) for number, thing in enumerate(THINGS[:5]) for matter in MATTERS]
    (judged / "queries.jsonl").write_text(
        "".join(
            f'{{"_id": "{name}", "text": "what of the {thing} and its {matter}"}}\n' for name, thing, matter in asked
        )
    )
    relevant = "".join(f"{name}\t{thing}.md\t1\n" for name, thing, _ in asked)
    (judged / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{relevant}")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"), SETTINGS, furnish)
    house.until(lambda: house.books.jobs.counts().get("done", 0) >= 1, 60)
    yield house
    house.stop()


@contextmanager
def settings(house: House, more: str) -> Iterator[None]:
    """Workers read them when they start."""
    file = house.root / "config.toml"
    before = file.read_text()
    file.write_text(before + more)
    try:
        yield
    finally:
        file.write_text(before)


def restart(house: House) -> None:
    house.daemon = house.start()
    house.until(lambda: running_pid(Home(root=house.root).daemon_lock) == house.daemon.pid, 60)


def failed(house: House) -> Job:
    """The job in which a new run failed; what must hold whatever it was is checked here."""
    number = house.begin()
    run = house.end(number, 120)
    job = house.books.jobs.of_run(number)[-1]
    assert (run.state, job.state) == ("failed", "failed"), (run, job)
    assert job.error and job.remedy
    [told] = [alert.body for alert in house.books.alerts.unread() if alert.kind == "failed" and alert.about]
    assert job.error in told and "The live search is untouched" in told and job.remedy in told
    assert house.live() == "v0"
    return job


def test_a_qmd_that_is_not_there_is_named_with_the_setting(house: House) -> None:
    with settings(house, '[qmd]\npackage = "/nowhere/qmd"\n'):
        job = failed(house)
    assert "/nowhere/qmd" in str(job.error)
    assert "make install" in str(job.remedy)


def test_a_qmd_that_breaks_on_its_first_line_fails_the_job_in_time(house: House, tmp_path: Path) -> None:
    broken = tmp_path / "qmd"
    shutil.copytree(find_qmd(""), broken, symlinks=True)
    for script in (broken / "dist").rglob("*.js"):
        script.write_text("throw new Error('half an installation')\n")
    with settings(house, f'[qmd]\npackage = "{broken}"\n'):
        job = failed(house)
    assert job.stage == "baseline" and "qmd" in str(job.remedy).lower()


def test_a_model_file_that_is_no_gguf_is_refused_and_stays_where_it_is(house: House, tmp_path: Path) -> None:
    corrupt = tmp_path / "model.gguf"
    corrupt.write_bytes(b"<html>captive portal</html>")
    configuration = house.root / "releases" / "v0" / "qmd" / "index.yml"
    before = configuration.read_text()
    named = next(line.split(": ")[1] for line in before.splitlines() if "embed:" in line)
    configuration.write_text(before.replace(named, str(corrupt)))
    try:
        job = failed(house)
    finally:
        configuration.write_text(before)
    assert "GGUF" in str(job.error)
    assert corrupt.read_bytes().startswith(b"<html>"), "QMD would have deleted it"


def test_an_index_that_somebody_keeps_locked_ends_the_job_after_a_bounded_wait(house: House) -> None:
    with closing(sqlite3.connect(house.root / "releases" / "v0" / "index" / "index.sqlite")) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        job = failed(house)
    assert job.stage == "baseline" and "locked" in str(job.error)


@pytest.mark.parametrize(
    ("missing", "said"),
    [(("tokenizer.json", "vocab.txt"), "tokenizer"), (("model.safetensors",), "safetensors")],
    ids=["tokenizer", "weights"],
)
def test_a_base_that_lacks_a_part_is_refused_before_anything_is_trained(
    house: House, tmp_path: Path, missing: tuple[str, ...], said: str
) -> None:
    base = tmp_path / "base"
    shutil.copytree(house.root / "base-models" / "all-minilm-l6-v2", base)
    for name in missing:
        (base / name).unlink()
    with settings(house, f'base = "{base}"\n'):
        job = failed(house)
    assert job.stage == "train" and said in str(job.error)


def test_a_quantised_base_is_refused(house: House, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(house.root / "base-models" / "all-minilm-l6-v2", base)
    described = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**described, "quantization_config": {"bits": 4}}))
    with settings(house, f'base = "{base}"\n'):
        job = failed(house)
    assert "quantised" in str(job.error)


def test_a_volume_without_room_makes_the_job_wait_and_says_for_how_much(house: House) -> None:
    """The daemon itself reads this setting, so it is started anew."""
    house.stop()
    with settings(house, f"[disk]\nreserve = {shutil.disk_usage(house.root).free * 2}\n"):
        restart(house)
        number = int(house.types("run", "embedding", "--force").split()[-1])
        house.until(lambda: json.loads(house.types("status", "--json"))["disk"]["waits"] is not None, 60)
        assert "waits for room" in house.types("status")
        assert house.books.jobs.run(number).state == "active", "it waits; it has not failed"
        [waiting] = [job for job in house.books.jobs.of_run(number) if job.state == "queued"]
        house.types("queue", "cancel", str(waiting.id))
        house.stop()
    restart(house)
    assert house.live() == "v0"


def test_odd_notes_and_bad_curated_lines_are_named_and_all_the_rest_is_used(house: House) -> None:
    number = house.begin()
    house.until(lambda: len(house.books.jobs.of_run(number)) > 1, 60)
    [made, following] = house.books.jobs.of_run(number)
    house.types("queue", "cancel", str(following.id))
    sources = load(
        house.root / "datasets" / str((made.result or {})["dataset"]), keys_of(Home(root=house.root))
    ).manifest.sources
    names = {f"{thing}.md" for thing in THINGS}
    assert {source.id.path for source in sources} == names | {"embedding/mine.jsonl"}
    status = json.loads(house.types("status", "--json"))
    assert status["last_scan"]["documents"] == len(THINGS)
    assert status["last_scan"]["left_out"] == {"not-utf-8": 1, "too-large": 1}
    assert [problem.split(": ")[0] for problem in status["curated"]["problems"]] == [
        "curated/embedding/mine.jsonl:2",
        "curated/embedding/mine.jsonl:3",
    ]
    assert "curated  2 lines are not used" in house.types("status")
    assert "not used: curated/embedding/mine.jsonl:2: not JSON" in house.types("why", "run", str(number))


def test_an_empty_folder_ends_the_run_with_what_would_help(house: House, tmp_path: Path) -> None:
    empty = House(tmp_path, SETTINGS, lambda home, notes: notes.mkdir(), neighbour=house)
    try:
        run = empty.end(empty.begin(), 60)
    finally:
        empty.stop()
    assert (run.state, run.outcome) == ("done", "not-enough")
    assert "0 pairs from 0 notes" in str(run.reason) and "write more notes" in str(run.reason)
    assert empty.live() == "v0"
