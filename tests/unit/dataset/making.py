"""Makes a dataset from notes and reads it again, with the files that its owner curates."""

from __future__ import annotations

import json
from pathlib import Path

from jobs.dataset.build import Dataset, build, load
from jobs.dataset.refresh import Refreshed, refresh
from jobs.domain.examples import Expansion, Pair, Target
from tests.house import keys_of
from tests.unit.dataset.sample import Notes, excluding, home, quiet, small_settings


def built(folder: Path, corpus: Notes, target: Target = "embedding", **dataset: int | float) -> Dataset:
    place = home(folder)
    manifest = build(target, corpus.inputs(place, small_settings(**dataset)), quiet)
    return load(place.datasets / manifest.name, keys_of(place))


def fresh(folder: Path, corpus: Notes, *excluded: str) -> Refreshed:
    return refresh(corpus.inputs(home(folder), excluding(*excluded)), quiet)


def rows(dataset: Dataset) -> list[Pair | Expansion]:
    return [*dataset.train, *dataset.development, *dataset.test]


def curate(folder: Path, name: str, *lines: object) -> None:
    path = home(folder).curated / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
