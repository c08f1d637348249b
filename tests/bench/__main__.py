"""make bench: every measured claim, as a table and in .bench/results.json.

    python -m tests.bench [PART …] [--data DIR]        PART: light governor confinement dataset speed quality

``speed`` and ``quality`` need retrieval and expansion data, which is not part of the project: a folder
with ``retrieval/scifact/{corpus.jsonl.gz, queries.*.jsonl.gz, qrels.*.tsv}`` and ``qmd-expansion/all.jsonl.gz``.
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

PROJECT = Path(__file__).resolve().parents[2]
RESULTS = PROJECT / ".bench" / "results.json"
NOTES = 10_000


def measure_light(folder: Path, data: Path) -> list[Row]:
    return light.measure(folder)


def measure_confinement(folder: Path, data: Path) -> list[Row]:
    return confinement.measure(folder)


def measure_governor(folder: Path, data: Path) -> list[Row]:
    return governor.measure(folder)


def measure_dataset(folder: Path, data: Path) -> list[Row]:
    from tests.bench.dataset import measure_incremental

    found = measure_incremental(folder, NOTES)
    return [
        Row(
            name=f"one changed note among {NOTES}",
            value=1 / found.one,
            unit="refreshes/s",
            peer="full build",
            peer_value=1 / found.full,
            goal=100.0,
        )
    ]


def measure_speed(folder: Path, data: Path) -> list[Row]:
    from jobs.adapters.base_models import BaseModels
    from tests.bench import embedding as bench_embedding
    from tests.bench import expansion as bench_expansion

    settings = load_settings(folder / "config.toml")
    bases = BaseModels(folder / "bases")
    scifact = bench_embedding.scifact_pairs(data / "retrieval" / "scifact")
    base = bases.resolve(settings.embedding.base, "embedding")
    embedding = bench_embedding.measure_speed(scifact.train, base, settings.embedding, folder / "embedding")
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
    from jobs.adapters.base_models import BaseModels
    from tests.bench import embedding as bench_embedding

    settings = load_settings(folder / "config.toml")
    scifact = bench_embedding.scifact_pairs(data / "retrieval" / "scifact")
    base = BaseModels(folder / "bases").resolve(settings.embedding.base, "embedding")
    found = bench_embedding.measure_quality(
        scifact, base, settings.embedding, folder / "quality", lambda progress: None
    )
    goals = {"all 300 claims": (0.714, found.tuned.every, found.base.every)}
    goals["the 104 of unseen documents"] = (0.690, found.tuned.unseen, found.base.unseen)
    rows = []
    for name, (goal, tuned, before) in goals.items():
        rows.append(Row(name=f"SciFact nDCG@10, {name}", value=tuned, unit="", goal=goal))
        rows.append(
            Row(name=f"SciFact gain, {name}", value=tuned, unit="", peer="untrained base", peer_value=before, goal=1.0)
        )
    return rows


PARTS: dict[str, Callable[[Path, Path], list[Row]]] = {
    "light": measure_light,
    "governor": measure_governor,
    "confinement": measure_confinement,
    "dataset": measure_dataset,
    "speed": measure_speed,
    "quality": measure_quality,
}
NEED_DATA = {"speed", "quality"}


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
