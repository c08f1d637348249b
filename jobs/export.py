"""The export stage: merged model → GGUF in its content-addressed place, with parity measured on real passages."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from jobs.dataset.build import Dataset
from jobs.dataset.stage import built
from jobs.domain.artifacts import BaseModel, ExportedModel, Parity, Quantisation, TrainedModel
from jobs.domain.corpus import digest
from jobs.domain.errors import ParityFailed
from jobs.domain.examples import Split
from jobs.domain.prompts import embedding_document
from jobs.publish import publish_file
from jobs.sealing import plain_inside
from jobs.wire import Done, JobSpec
from jobs.workshop import STAYS_PLAIN, Workshop, once

PARITY_PASSAGES = 100
PARITY_QUERIES = 10
PARITY_SPLITS: tuple[Split, ...] = ("test", "development", "train")


def run(spec: JobSpec, workshop: Workshop) -> Done:
    """The result is an ExportedModel. Raises ParityFailed when the file is not the model that was trained."""
    assert spec.target is not None
    trained = msgspec.convert(spec.earlier["train"], TrainedModel)
    dataset = built(spec, workshop)
    base = workshop.base_model(spec.target)
    quantisation = workshop.recipe(spec.target).quantisation
    inputs = digest(trained.directory, str(trained.final_loss), workshop.exporter().tool_version(), quantisation)
    exported = once(
        workshop.home.stages / f"export-{inputs}",
        ExportedModel,
        lambda directory: _export(base, trained, quantisation, dataset, directory, workshop),
        run=spec.run,
    )
    return Done(result=msgspec.to_builtins(exported))


def _export(
    base: BaseModel,
    trained: TrainedModel,
    quantisation: Quantisation,
    dataset: Dataset,
    directory: Path,
    workshop: Workshop,
) -> ExportedModel:
    model = Path(trained.directory)
    draft = directory / "draft.gguf"
    draft.unlink(missing_ok=True)
    workshop.phase(f"converting to {quantisation}")
    with plain_inside(model.parent, dataset.consents(), workshop.keys, STAYS_PLAIN):
        workshop.exporter().export(model, quantisation, draft)
        workshop.rest_if_told()
        workshop.phase("comparing the file with the trained model")
        parity = _parity(base, model, draft, quantisation, dataset, workshop)
    if parity.problems:
        draft.unlink()
        raise ParityFailed(
            f"the exported {base.kind} model does not compute what was trained: {'; '.join(parity.problems)}",
            remedy="the live search is untouched; choose another quantisation or base in config.toml and run again",
        )
    sha256 = _sha256(draft)
    final = workshop.releases.models / f"{base.stem}-{sha256[:12]}.gguf"
    publish_file(draft, final)
    return ExportedModel(gguf=str(final), sha256=sha256, quantisation=quantisation, parity=parity)


def _parity(
    base: BaseModel, model: Path, gguf: Path, quantisation: Quantisation, dataset: Dataset, workshop: Workshop
) -> Parity:
    """On what was kept back and, where that is too little, on what was trained on: the file is compared, not judged."""
    exporter = workshop.exporter()
    if base.kind == "embedding":
        pairs = (pair for split in PARITY_SPLITS for pair in dataset.pairs(split))
        passages = dict.fromkeys((pair.title, pair.passage) for pair in pairs)
        texts = [embedding_document(title, text, base.stem) for title, text in list(passages)[:PARITY_PASSAGES]]
        return exporter.embedding_parity(model, gguf, quantisation, texts)
    queries = [row.query for split in PARITY_SPLITS for row in dataset.expansions(split)][:PARITY_QUERIES]
    return exporter.generation_parity(model, gguf, quantisation, queries)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
