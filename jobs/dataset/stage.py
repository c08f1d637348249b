"""Notes → examples. With a run: the target's dataset; without: the cache kept fresh, and how much is new."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import msgspec

from jobs.consent.book import ConsentBook
from jobs.consent.log import ConsentLog, broken
from jobs.dataset.build import Dataset, Inputs, build, load, refresh
from jobs.dataset.permission import sources_by_class
from jobs.domain.corpus import DocumentId
from jobs.domain.errors import NotEnough
from jobs.domain.examples import DatasetManifest
from jobs.domain.results import DatasetResult
from jobs.domain.sealing import consents_of
from jobs.wire import Done, JobSpec
from jobs.workshop import Workshop


def run(spec: JobSpec, workshop: Workshop) -> Done:
    documents = [(DocumentId(collection=c, path=p), sha256) for c, p, sha256 in spec.documents]
    inputs = Inputs(
        corpus=workshop.corpus,
        documents=documents,
        home=workshop.home,
        settings=workshop.settings,
        keys=workshop.keys,
        tokens=workshop.token_counter(),
    )
    report = partial(workshop.phase, "reading notes")
    if spec.target is None:
        workshop.phase("refreshing examples")
        return Done(result=msgspec.to_builtins(refresh(inputs, report)))
    try:
        manifest = build(spec.target, inputs, report)
    except NotEnough as word:
        return Done(result={}, ends_run=f"not-enough: {word.message}; {word.remedy}")
    _note_use(manifest, workshop)
    result = DatasetResult(dataset=manifest.name, rows=manifest.counts.rows, curated_problems=manifest.curated_problems)
    return Done(result=msgspec.to_builtins(result))


def built(spec: JobSpec, workshop: Workshop) -> Dataset:
    """The dataset that an earlier stage of the run built. Raises as ``load``, and Refused while the consent log is
    broken if not all of it is public, what queries are judged by included: a matter for `queue retry` once it is whole.
    """
    name = msgspec.convert(spec.earlier["dataset"], DatasetResult).dataset
    dataset, chain = load(workshop.home.datasets / name, workshop.keys), ConsentLog(workshop.home.consent).chain()
    judges = consents_of((one.classification, one.consents) for one in dataset.documents)
    if chain.problem and (dataset.consents() or judges):
        raise broken(chain)
    return dataset


def _note_use(manifest: DatasetManifest, workshop: Workshop) -> None:
    """In the consent log: what was made of how many documents, and by which grants. Once a dataset."""
    consents = sorted({consent for source in manifest.sources for consent in source.consents})
    detail = {
        "target": manifest.target,
        "revision": manifest.consent,
        "documents": ", ".join(f"{number} {name}" for name, number in sources_by_class(manifest.sources).items()),
        "consents": ", ".join(consents),
    }
    ConsentBook(workshop.home.consent).note_once("use", f"dataset {manifest.name}", detail, datetime.now(UTC))
