"""What sealing costs: a large file, a dataset of personal notes beside one of public notes, what a training leaves."""

from __future__ import annotations

import os
import shutil
import time
from itertools import pairwise
from pathlib import Path

from config.load import load_settings
from config.paths import Home
from jobs.adapters.markdown_folders import MarkdownFolders, scan
from jobs.dataset.build import Inputs, build, load
from jobs.domain.corpus import Collection
from jobs.sealing import Sealing, plain_inside
from tests.bench.dataset import write_notes
from tests.bench.measure import Row
from tests.house import keys_of
from tests.unit.dataset.sample import classify, write_consent

PART = 1 << 28
NOTES = 1_000
TURNS = 2
RECORD = """
schema = "iaip.consent/1"
holder = "{name}"
kind = "person"
contact = "x"
language = "en"
agreed = 2026-01-01
[[grant]]
uses = ["embed", "expand", "evaluate"]
folders = ["bench"]
"""
CONSENTS = ("one", "two", "three")
TRAINING = {"model.safetensors": 91, "a/weights": 91, "a/optimizer": 182, "b/weights": 91, "b/optimizer": 182}
"""MB that a training of all-minilm-l6-v2 leaves: the model, and two checkpoints with the optimizer's moments."""


def measure(folder: Path) -> list[Row]:
    """Processor time, which is what sealing adds; a rewritten and synced file costs as much as copying it besides."""
    home = Home(root=folder / "home")
    Sealing(keys_of(home)).sealed(b"", keys_of(home).ids(CONSENTS))  # loads the library
    sealing, opening = _large_file(folder / "large", home)
    taken = [(_dataset(folder / f"{n}p", "public"), _dataset(folder / f"{n}s", "personal")) for n in range(TURNS)]
    public, personal = map(min, zip(*taken, strict=True))
    rested, woken = _training(folder / "train", home)
    told = f"{sum(TRAINING.values())} MB, what a training leaves"
    return [
        Row(name="seal one GiB, processor time", value=sealing, unit="s", goal=4.0, better="lower"),
        Row(name="open one GiB, processor time", value=opening, unit="s", goal=4.0, better="lower"),
        Row(
            name=f"dataset of {NOTES} personal notes under {len(CONSENTS)} consents",
            value=personal,
            unit="s",
            peer="public notes",
            peer_value=public,
            goal=1.1,
            better="lower",
        ),
        Row(name=f"seal {told}", value=rested, unit="s", goal=10.0, better="lower"),
        Row(name=f"open {told}", value=woken, unit="s", goal=10.0, better="lower"),
    ]


def _large_file(file: Path, home: Home) -> tuple[float, float]:
    """Seconds of the processor for a GiB: to seal it and to open it."""
    keys = keys_of(home)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as target:
        for _ in range(PART >> 24):
            target.write(os.urandom(1 << 24))
    ids = keys.ids(CONSENTS)
    moments = [time.process_time()]
    Sealing(keys).seal_file(file, ids)
    moments.append(time.process_time())
    Sealing(keys).open_file(file)
    moments.append(time.process_time())
    file.unlink()
    first, second = (after - before for before, after in pairwise(moments))
    scale = (1 << 30) / PART
    return first * scale, second * scale


def _dataset(folder: Path, word: str) -> float:
    """Seconds of the processor to read the notes, make their examples, publish the dataset and read it again."""
    collections = [Collection(name="bench", path=str(write_notes(folder, NOTES)))]
    home = Home(root=folder / "home")
    classify(home, bench=word)
    for name in CONSENTS:
        write_consent(home, f"{name}.toml", RECORD.format(name=name))
    settings = load_settings(home.config_file)
    corpus = MarkdownFolders(collections, settings.watch.largest_document)
    seen = scan(collections, {}, largest=settings.watch.largest_document, now_ns=time.time_ns() + 3600 * 10**9)
    listing = [(document.id, document.known.sha256) for document in seen.documents]
    began = time.process_time()
    inputs = Inputs(corpus=corpus, documents=listing, home=home, settings=settings, keys=keys_of(home))
    manifest = build("embedding", inputs, lambda done, total: None)
    dataset = load(home.datasets / manifest.name, keys_of(home))
    ended = time.process_time()
    assert dataset.consents() == (() if word == "public" else tuple(sorted(CONSENTS)))
    return ended - began


def _training(folder: Path, home: Home) -> tuple[float, float]:
    for name, megabytes in TRAINING.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.urandom(1_000_000) * megabytes)
    moments = [time.process_time()]
    with plain_inside(folder, CONSENTS, keys_of(home), ()):
        moments.append(time.process_time())
    moments.append(time.process_time())
    with plain_inside(folder, CONSENTS, keys_of(home), ()):
        moments.append(time.process_time())
    shutil.rmtree(folder)
    return moments[2] - moments[1], moments[3] - moments[2]
