"""make bench: every measured claim, as a table and in .bench/results.json.

    python -m tests.bench [PART …] [--data DIR]        PART: a name in PARTS, at the end of this file

Some parts need retrieval and expansion data, which is not part of the project: a folder with
``retrieval/{scifact,piaf-fr}/{corpus.jsonl.gz, queries.*.jsonl.gz, qrels.*.tsv}`` and ``qmd-expansion/all.jsonl.gz``.
A part whose data is not there is left out, and said so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from config.load import load_settings
from tests.bench import confinement, governor, light
from tests.bench.measure import Row, record, show
from tests.bench.retrieval_sets import RetrievalSet, asked_less, cut, pairs_of, read_set

PROJECT = Path(__file__).resolve().parents[2]
RESULTS = PROJECT / ".bench" / "results.json"
NOTES = 10_000
RELEASES = 50
LOOP_ARTICLES = 1_500
FRENCH_QUESTIONS = 809


def measure_light(folder: Path, data: Path) -> list[Row]:
    return light.measure(folder)


def measure_confinement(folder: Path, data: Path) -> list[Row]:
    return confinement.measure(folder)


def measure_governor(folder: Path, data: Path) -> list[Row]:
    return governor.measure(folder)


def measure_dataset(folder: Path, data: Path) -> list[Row]:
    from tests.bench.dataset import measure_incremental, measure_through_daemon

    measured = {
        "scan and examples": measure_incremental(folder / "called", NOTES),
        "from its save to the end of its job, quiet time apart": measure_through_daemon(folder / "daemon", NOTES),
    }
    return [
        Row(
            name=f"one changed note among {NOTES}: {what}",
            value=1 / found.one,
            unit="a second",
            peer="full build",
            peer_value=1 / found.full,
            goal=100.0,
        )
        for what, found in measured.items()
    ]


def measure_growth(folder: Path, data: Path) -> list[Row]:
    from tests.bench import growth

    return growth.measure(folder)


def measure_overhead(folder: Path, data: Path) -> list[Row]:
    from tests.bench import overhead

    return overhead.measure(folder)


def measure_consent(folder: Path, data: Path) -> list[Row]:
    from tests.bench import consent

    return consent.measure(folder, NOTES)


def measure_withdrawal(folder: Path, data: Path) -> list[Row]:
    from tests.bench import withdrawal

    return withdrawal.measure(folder, NOTES, RELEASES)


def measure_sealing(folder: Path, data: Path) -> list[Row]:
    from tests.bench import sealing

    return sealing.measure(folder)


def measure_page(folder: Path, data: Path) -> list[Row]:
    from tests.bench import page

    return page.measure(folder)


def measure_speed(folder: Path, data: Path) -> list[Row]:
    from jobs.adapters.base_models import BaseModels
    from tests.bench import embedding as bench_embedding
    from tests.bench import expansion as bench_expansion

    settings = load_settings(folder / "config.toml")
    bases = BaseModels(folder / "bases")
    train, _ = pairs_of(read_set(data / "retrieval" / "scifact", "en"))
    base = bases.resolve(settings.embedding.base, "embedding")
    embedding = bench_embedding.measure_speed(train, base, settings.embedding, folder / "embedding")
    rows = [
        Row(
            name="embedding training",
            value=embedding.product,
            unit="pairs/s",
            peer="sentence-transformers fit, float32, shuffled",
            peer_value=embedding.plain,
            goal=2.5,
        )
    ]
    expansions = bench_expansion.expansions(data / "qmd-expansion" / "all.jsonl.gz", 64)
    small = bases.resolve(settings.expansion.base, "expansion")
    for library, found in bench_expansion.measure_speed(
        small, settings.expansion, expansions, folder / "expansion"
    ).items():
        rows.append(
            Row(
                name=f"expansion LoRA by {library}",
                value=found.product,
                unit="tokens/s",
                peer=f"raw {library} loop",
                peer_value=found.raw,
                goal=0.95,
            )
        )
    return rows


def measure_quality(folder: Path, data: Path) -> list[Row]:
    return _quality(read_set(data / "retrieval" / "scifact", "en"), folder, {"all": 0.714, "unseen": 0.690})


def measure_french(folder: Path, data: Path) -> list[Row]:
    return _quality(_french(data), folder, {})


def _french(data: Path) -> RetrievalSet:
    """PIAF with as many training questions as SciFact has: all of them would take an evening."""
    return asked_less(read_set(data / "retrieval" / "piaf-fr", "fr"), FRENCH_QUESTIONS)


def _quality(whole: RetrievalSet, folder: Path, goals: dict[str, float]) -> list[Row]:
    from jobs.adapters.base_models import BaseModels
    from tests.bench.embedding import measure_quality

    settings = load_settings(folder / "config.toml")
    base = BaseModels(folder / "bases").resolve(settings.embedding.base, "embedding")
    found = measure_quality(whole, base, settings, folder / "quality", lambda progress: None)
    print(f"  {whole.name}: {found.plan.reason}; {found.trained.facts}", file=sys.stderr)
    measured = {
        "all": (found.base.every, found.plain.every, found.tuned.every),
        "unseen": (found.base.unseen, found.plain.unseen, found.tuned.unseen),
    }
    counts = {"all": len(whole.test_questions), "unseen": len(whole.unseen())}
    rows = []
    for part, (before, plain, tuned) in measured.items():
        name = f"{whole.name} nDCG@10, {part} ({counts[part]} questions)"
        if part in goals:
            rows.append(Row(name=name, value=tuned, unit="", goal=goals[part]))
        for peer, value in (("untrained base", before), ("plain recipe: questions alone, fit, float32", plain)):
            rows.append(
                Row(name=f"{name} against the {peer}", value=tuned, unit="", peer=peer, peer_value=value, goal=1.0)
            )
    return rows


def measure_loop(folder: Path, data: Path) -> list[Row]:
    return _loop(cut(read_set(data / "retrieval" / "scifact", "en"), LOOP_ARTICLES), folder)


def measure_french_loop(folder: Path, data: Path) -> list[Row]:
    return _loop(_french(data), folder)


def _loop(whole: RetrievalSet, folder: Path) -> list[Row]:
    from tests.bench.loop import measure_loop

    found = measure_loop(whole, folder / "house", lambda stage: print(f"  {stage}", file=sys.stderr, flush=True))
    print(f"  {found.outcome}: {found.reason}", file=sys.stderr)
    name = f"whole loop through QMD, {len(whole.articles)} articles of {whole.name}, nDCG@10"
    return [Row(name=name, value=found.candidate, unit="", peer="base", peer_value=found.current, goal=1.0)]


def measure_switching(folder: Path, data: Path) -> list[Row]:
    from tests.crash.hammer import hammer

    found = hammer(folder, readers=4, switches=100)
    told = f"{found.tally.reads} searches, 4 readers, {found.switches} switches"
    return [
        Row(name=f"failed: {told}", value=float(found.tally.errors), unit="", goal=0.0, better="lower"),
        Row(name="answers that mix releases", value=float(found.tally.mixed), unit="", goal=0.0, better="lower"),
        Row(
            name="the same, opened as QMD opens: index, then configuration, each through the link",
            value=float(found.tally.crossed),
            unit="",
            goal=0.0,  # a switch may come between the two: only QMD could open them together
            better="lower",
        ),
        Row(name="slowest switch among readers", value=found.slowest_switch, unit="s", goal=1.0, better="lower"),
    ]


PARTS: dict[str, Callable[[Path, Path], list[Row]]] = {
    "light": measure_light,
    "governor": measure_governor,
    "confinement": measure_confinement,
    "dataset": measure_dataset,
    "growth": measure_growth,
    "overhead": measure_overhead,
    "switching": measure_switching,
    "consent": measure_consent,
    "withdrawal": measure_withdrawal,
    "sealing": measure_sealing,
    "page": measure_page,
    "speed": measure_speed,
    "quality": measure_quality,
    "french": measure_french,
    "loop": measure_loop,
    "french-loop": measure_french_loop,
}
NEED_DATA = {"speed", "quality", "french", "loop", "french-loop"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", default=list(PARTS))
    parser.add_argument("--data", type=Path, help="folder of data sets")
    options = parser.parse_args()
    rows: list[Row] = []
    for part in options.parts:
        if part in NEED_DATA and not (options.data and (options.data / "retrieval").is_dir()):
            print(f"{part}: left out, it needs a folder of data sets (make bench DATA=folder)", file=sys.stderr)
            continue
        print(f"measuring {part} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="iaip-bench-") as folder:
            measured = PARTS[part](Path(folder), options.data)
        record(measured, RESULTS)
        rows += measured
    print(show(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
