"""Notes → examples. With a run: the target's dataset; without: the cache kept fresh, and how much is new."""

from __future__ import annotations

import msgspec

from jobs.dataset.build import build, refresh
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import NotEnough
from jobs.domain.results import DatasetResult
from jobs.wire import Done, JobSpec
from jobs.workshop import Workshop


def run(spec: JobSpec, workshop: Workshop) -> Done:
    documents = [(DocumentId(collection=c, path=p), sha256) for c, p, sha256 in spec.documents]
    if spec.target is None:
        workshop.phase("refreshing examples")
        fresh = refresh(
            workshop.corpus,
            documents,
            workshop.home,
            workshop.settings,
            lambda done, total: workshop.phase("reading notes", done, total),
        )
        return Done(result=msgspec.to_builtins(fresh))
    try:
        manifest = build(
            spec.target,
            workshop.corpus,
            documents,
            workshop.home,
            workshop.settings,
            lambda done, total: workshop.phase("reading notes", done, total),
        )
    except NotEnough as word:
        return Done(result={}, ends_run=f"not-enough: {word.message}; {word.remedy}")
    result = DatasetResult(dataset=manifest.name, rows=manifest.counts.rows)
    return Done(result=msgspec.to_builtins(result))
