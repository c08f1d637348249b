"""What was made under which consent: datasets and releases on disk, with the sources they stand on."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from daemon.cli.root import Context
from jobs.domain.artifacts import ReleaseState
from jobs.domain.examples import DatasetManifest


class UsedDataset(Struct, frozen=True, kw_only=True):
    """A dataset and the releases that a model trained on it is part of, with their states."""

    manifest: DatasetManifest
    releases: dict[str, ReleaseState]

    @property
    def is_live(self) -> bool:
        return any(state in ("live", "trial") for state in self.releases.values())

    def consents(self) -> list[str]:
        return sorted({consent for source in self.manifest.sources for consent in source.consents})


def used_datasets(context: Context) -> list[UsedDataset]:
    """Every dataset that is still on disk, by name. One that cannot be read is left out: no release needs it."""
    found = context.releases.all()
    trained = {
        (release.metadata.target, release.metadata.targets[release.metadata.target].sha256): release.metadata.dataset
        for release in found
        if release.metadata.target and release.metadata.target in release.metadata.targets
    }
    places: dict[str, dict[str, ReleaseState]] = {}
    for release in found:
        for target, model in release.metadata.targets.items():
            if dataset := trained.get((target, model.sha256)):
                places.setdefault(dataset, {})[release.metadata.name] = release.state
    manifests = [
        manifest for path in sorted(context.home.datasets.glob("*/manifest.json")) if (manifest := _read(path))
    ]
    return [UsedDataset(manifest=manifest, releases=places.get(manifest.name, {})) for manifest in manifests]


def _read(path: Path) -> DatasetManifest | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=DatasetManifest)
    except (OSError, msgspec.DecodeError):
        return None
