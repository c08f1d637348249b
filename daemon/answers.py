"""What the daemon says of itself to whoever asks at its socket."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from config.version import VERSION
from daemon.installed import Installed
from daemon.socket import Health, Question
from daemon.system.folders import probe_folder
from jobs.domain.corpus import Collection
from jobs.releases import Releases


@dataclass(frozen=True, kw_only=True)
class Answers:
    home: Path
    releases: Releases
    collections: Callable[[], Sequence[Collection]]
    started_at: datetime
    installed: Callable[[], Installed]

    def answer(self, question: Question) -> Any:
        """Whether this process can read the notes' folders, what it finds installed, or that it is well."""
        if question.ask == "folders":
            return {collection.name: probe_folder(collection.path) for collection in self.collections()}
        if question.ask == "installed":
            return self.installed()
        return Health(
            version=VERSION,
            pid=os.getpid(),
            nonce=question.nonce,
            home=str(self.home),
            live=self.releases.live(),
            started_at=self.started_at,
        )
