"""How long a release stays live once somebody has taken back what it learnt from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

from jobs.domain.artifacts import LiveModel, ReleaseMetadata
from jobs.domain.corpus import DocumentId
from jobs.domain.lineage import Provenance, Source
from jobs.lineage import with_record
from jobs.release_publishing import publish_release
from tests.bench.measure import Row
from tests.withdrawing import NOW, Household

GOAL = 2.0
TIMES = 5


def measure(folder: Path, notes: int, releases: int) -> list[Row]:
    """Seconds from the question to "not live", every release with its own record of all notes; the slowest of five."""
    house = Household.furnished(folder / "built", notes=notes)
    _releases(house, notes, releases)
    slowest = 0.0
    house.books.database.close()
    for turn in range(TIMES):
        slowest = max(slowest, _withdrawn(folder / f"turn-{turn}", house.home.root))
    name = f"withdrawal of one among {notes} notes in {releases} releases, to not live"
    return [Row(name=name, value=slowest, unit="s", goal=GOAL, better="lower")]


def _releases(house: Household, notes: int, count: int) -> None:
    text = (house.releases.current / "qmd" / "index.yml").read_text("utf-8")
    for number in range(1, count + 1):
        content = f"weights {number}".encode()
        gguf = house.releases.models / f"small-{sha256(content).hexdigest()[:12]}.gguf"
        gguf.write_bytes(content)
        target = "embedding" if number % 2 else "expansion"
        model = LiveModel(base="small", gguf=str(gguf), sha256=sha256(content).hexdigest())
        live = house.releases.release(house.releases.live() or "v0")
        named, papers = with_record(_record(target, number, model, notes), live)
        metadata = ReleaseMetadata(
            name=f"v{number}",
            created_at=NOW,
            targets={**live.metadata.targets, target: model},
            run=number,
            target=target,
            sources=named,
        )
        publish_release(house.releases, metadata, text, Path.touch, papers)
        house.releases.switch(metadata.name)
        house.releases.confirm(metadata.name)


def _record(target: str, number: int, model: LiveModel, notes: int) -> Provenance:
    """Of all notes but the first in the first half of the releases: one of those goes live again."""
    sources = tuple(
        Source(
            id=DocumentId(collection="notes", path=f"n{note}.md"),
            sha256=sha256(f"{note}".encode()).hexdigest(),
            classification="public",
            examples=3,
            spans=((0, 400), (400, 400), (800, 300)),
        )
        for note in range(int(number <= 25), notes)
    )
    return Provenance(
        target=target,
        run=number,
        model=model.sha256,
        dataset=f"{number:016x}",
        merkle_root="",
        examples=3 * len(sources),
        consent="",
        query_sets=(),
        sources=sources,
    )


def _withdrawn(place: Path, home: Path) -> float:
    """Seconds from typing the command to another release being live. What the command goes on with is cut off."""
    _copy(home, place)
    current = place / "releases" / "current"
    before = current.readlink()
    words = ("--home", str(place), "withdraw", "--document", "notes/n0.md", "--yes")
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "daemon.cli", *words], stdout=subprocess.DEVNULL) as typed:
        while current.readlink() == before and typed.poll() is None:
            time.sleep(0.005)
        took = time.perf_counter() - began
        typed.kill()
    assert str(current.readlink()) == "v25"
    return took


def _copy(home: Path, place: Path) -> None:
    """Releases by hard links: nothing writes into their files here."""
    shutil.copytree(home, place, symlinks=True, ignore=shutil.ignore_patterns("releases"))
    shutil.copytree(home / "releases", place / "releases", symlinks=True, copy_function=os.link)
