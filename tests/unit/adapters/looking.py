"""A folder of notes looked at as a scan looks at it."""

from __future__ import annotations

import time
from pathlib import Path

from jobs.adapters.markdown_folders import scan
from jobs.domain.corpus import Collection, DocumentId
from jobs.domain.scan import Known, Scan

LARGEST = 1000
LATER_NS = 10_000_000_000


def collection(root: Path) -> Collection:
    return Collection(name="notes", path=str(root))


def note(path: str) -> DocumentId:
    return DocumentId(collection="notes", path=path)


def look(root: Path, known: dict[DocumentId, Known] | None = None) -> Scan:
    return scan([collection(root)], known or {}, largest=LARGEST, now_ns=time.time_ns() + LATER_NS)


def known_of(found: Scan) -> dict[DocumentId, Known]:
    return {seen.id: seen.known for seen in found.documents}
