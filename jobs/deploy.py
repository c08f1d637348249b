"""The deploy stage: the promoted candidate becomes a release, live on trial, confirmed or taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from jobs.consent.book import ConsentBook
from jobs.dataset.build import Dataset
from jobs.dataset.learnt import denial, inquiry
from jobs.dataset.permission import REBUILD, in_words, no_longer_permitted, sources_by_class
from jobs.dataset.stage import built
from jobs.domain.artifacts import ExportedModel, Gain, LiveModel, Making, ReleaseMetadata, SearchModels, TrainedModel
from jobs.domain.examples import DatasetManifest, Target
from jobs.domain.gates import DECISIVE_METRIC, SetComparison, Verdict
from jobs.domain.lineage import Provenance, provenance
from jobs.domain.results import BaselineResult, DeployResult, ValidationResult, asked
from jobs.domain.retention import ADOPTED
from jobs.index_file import copy_index
from jobs.lineage import BILL, records_in, with_record
from jobs.publish import write_file
from jobs.release_publishing import publish_release
from jobs.releases import WITHDRAWN, Release
from jobs.still_live import require_still_live
from jobs.wire import Done, JobSpec
from jobs.workshop import Workshop


def run(spec: JobSpec, workshop: Workshop) -> Done:
    """The result is a DeployResult. An unhealthy release is rolled back here and the run ends with that word.

    Raises Refused if another release went live since the baseline.
    """
    assert spec.target is not None and spec.run is not None
    require_still_live(spec, workshop.releases)
    validation = msgspec.convert(spec.earlier["validate"], ValidationResult)
    dataset = built(spec, workshop)
    name = _published(spec, validation, dataset, workshop)
    queries = dataset.trial_queries(workshop.settings.release.trial_queries)
    return try_out(name, queries, workshop, lambda: _switched(spec, name, dataset.manifest, workshop))


def try_out(name: str, queries: Sequence[str], workshop: Workshop, switch: Callable[[], Done | None]) -> Done:
    """Live on trial, then confirmed or taken back. A release that was judged and taken back before is left alone.

    ``switch`` makes it live, or says how the run ends where it may not be.
    """
    releases = workshop.releases
    if (reason := releases.left_because(name)) is not None:
        return _taken_back(name, (), f"{name} was {reason}; {releases.live()} stays live")
    if refusal := switch():
        return refusal
    workshop.phase(f"{name} is live on trial")
    live = releases.directory(name)
    problems = workshop.search.refresh(live / "qmd" / "index.yml", live / "index" / "index.sqlite", queries)
    if problems:
        back = releases.take_back(name, "found unhealthy")
        return _taken_back(
            name, tuple(problems), f"{name} was not healthy ({'; '.join(problems)}); {back} is live again"
        )
    if not releases.confirm(name):
        return _taken_back(name, (), f"{name} was taken back during its trial; {releases.live()} stays live")
    return Done(result=msgspec.to_builtins(DeployResult(release=name, live=True)))


def _taken_back(name: str, problems: tuple[str, ...], reason: str) -> Done:
    result = DeployResult(release=name, live=False, problems=problems)
    return Done(result=msgspec.to_builtins(result), ends_run=f"rolled-back: {reason}")


def _switched(spec: JobSpec, name: str, manifest: DatasetManifest, workshop: Workshop) -> Done | None:
    """Makes the release live if everything it was made from is still permitted, with consent held still meanwhile.

    Its own model and those it takes over alike. Else it is withdrawn: it can never be live, nor be rolled back to.
    """
    releases, book = workshop.releases, ConsentBook(workshop.home.consent)
    with book.held():
        reason = _denial(name, manifest, workshop)
        if not reason:
            require_still_live(spec, releases)  # publishing took its time
            releases.switch(name)
            return None
        if releases.live() == name:  # switched by an attempt that was cut off
            releases.take_back(name, "no longer permitted")
        write_file(releases.directory(name) / WITHDRAWN, reason.encode())
    book.note_once("refuse", f"release {name}", {"reason": reason}, datetime.now(UTC))
    result = DeployResult(release=name, live=False, problems=(reason,))
    return Done(result=msgspec.to_builtins(result), ends_run=f"refused: {reason}; {name} does not go live. {REBUILD}")


def _denial(name: str, manifest: DatasetManifest, workshop: Workshop) -> str:
    _, denied = no_longer_permitted(manifest, workshop.corpus, workshop.home, workshop.settings)
    return in_words(denied) if denied else denial(workshop.releases.release(name), inquiry(workshop))


def _published(spec: JobSpec, validation: ValidationResult, dataset: Dataset, workshop: Workshop) -> str:
    """The name of this run's release, published now or by an attempt that was cut off."""
    for release in workshop.releases.all():
        if release.metadata.run == spec.run:
            return release.metadata.name
    assert spec.target is not None
    releases, verdict = workshop.releases, validation.verdict
    live_name = releases.live()
    assert live_name is not None
    live = releases.release(live_name)
    # A new index is made for an embedding model, and the verdict on it heard no other: an expansion model that may no
    # longer go live is left behind. One for expansion was judged with the embedding model: it is refused at the switch.
    leaves = spec.target == "embedding" and bool(denial(live, inquiry(workshop), ["expansion"]))
    if leaves:
        live = _without_expansion(live, releases.release(ADOPTED).metadata.targets)
    exported = msgspec.convert(spec.earlier["export"], ExportedModel)
    trained = msgspec.convert(spec.earlier["train"], TrainedModel)
    model = LiveModel(base=workshop.base_model(spec.target).name, gguf=exported.gguf, sha256=exported.sha256)
    record = _provenance(spec, exported, dataset)
    sources, papers = with_record(record, live)
    metadata = ReleaseMetadata(
        name=releases.next_name(),
        created_at=datetime.now(UTC),
        targets={**live.metadata.targets, spec.target: model},
        run=spec.run,
        target=spec.target,
        dataset=dataset.manifest.name,
        gain=_gain(verdict),
        tools={"qmd": workshop.search.version(), "exporter": workshop.exporter().tool_version()},
        training=trained.facts,
        sources=sources,
        made={**live.metadata.made, spec.target: _making(record, dataset.manifest, spec)},
    )
    text = (releases.current / "qmd" / "index.yml").read_text("utf-8")
    configured = workshop.search.configured(text, _models(spec.target, exported.gguf, workshop, own_expansion=leaves))
    described = {BILL: workshop.bill_of_materials(metadata, records_in(sources, papers))}
    workshop.phase(f"publishing {metadata.name}")
    # The candidate's shadow index has its vectors already, so it travels with the release.
    index, papers = Path(validation.index), papers | described
    publish_release(releases, metadata, configured, lambda path: copy_index(index, path), papers)
    return metadata.name


def _provenance(spec: JobSpec, exported: ExportedModel, dataset: Dataset) -> Provenance:
    assert spec.run is not None
    judged_by = asked(msgspec.convert(spec.earlier["baseline"], BaselineResult), dataset.query_sets)
    rows = (*dataset.train, *dataset.development, *dataset.test)
    return provenance(dataset.manifest, rows, dataset.documents, judged_by, run=spec.run, model=exported.sha256)


def _making(record: Provenance, manifest: DatasetManifest, spec: JobSpec) -> Making:
    trained = msgspec.convert(spec.earlier["train"], TrainedModel)
    return Making(
        run=record.run,
        dataset=record.dataset,
        merkle_root=record.merkle_root,
        base=trained.base,
        weights=trained.weights,
        intensity=msgspec.convert(spec.earlier["baseline"], BaselineResult).plan.intensity,
        recipe=trained.recipe,
        tools=trained.tools,
        consent=record.consent,
        consents=tuple(sorted({consent for source in record.sources for consent in source.consents})),
        attributions=tuple(sorted({name for source in record.sources for name in source.attribution})),
        classes=sources_by_class(manifest.sources),
    )


def _without_expansion(live: Release, own: Mapping[str, LiveModel]) -> Release:
    """The live release as a new one takes it over that goes on with the owner's ``own`` expansion model, if any."""
    told = live.metadata
    kept = {target: model for target, model in told.targets.items() if target != "expansion"}
    metadata = msgspec.structs.replace(
        told,
        targets=kept | {target: model for target, model in own.items() if target == "expansion"},
        sources={target: named for target, named in told.sources.items() if target != "expansion"},
        made={target: making for target, making in told.made.items() if target != "expansion"},
    )
    return msgspec.structs.replace(live, metadata=metadata)


def _models(target: Target, gguf: str, workshop: Workshop, *, own_expansion: bool) -> SearchModels:
    """The live configuration's with the candidate."""
    models = workshop.search.models(workshop.releases.current / "qmd" / "index.yml")
    if own_expansion:
        adopted = workshop.search.models(workshop.releases.directory(ADOPTED) / "qmd" / "index.yml")
        models = msgspec.structs.replace(models, generate=adopted.generate)
    return msgspec.structs.replace(models, **{"embed" if target == "embedding" else "generate": gguf})


def _gain(verdict: Verdict) -> Gain | None:
    primary: SetComparison | None = next((s for s in verdict.sets if s.kind == "primary"), None)
    if primary is None:
        return None
    decisive = next(c for c in primary.comparisons if c.metric == DECISIVE_METRIC)
    return Gain(metric=decisive.metric, delta=decisive.delta, low=decisive.low, high=decisive.high)
