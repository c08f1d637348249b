"""The heavy process: reads one JobSpec from stdin, does that stage, writes Events to stdout.

The composition root: every adapter is plugged in here. Standard input stays open as the lifeline: orders
come down it, and when it closes, the daemon is gone and the worker leaves, from training with a checkpoint.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO

from config.load import ConfigurationError, load_settings
from config.paths import Home, QmdFiles, runtime_directory
from config.settings import Settings
from jobs.adapters.aead import AesGcm
from jobs.adapters.macos_keychain import keychain_here
from jobs.adapters.markdown_folders import MarkdownFolders
from jobs.adapters.node import find_converter, find_node, find_qmd
from jobs.adapters.qmd import Qmd
from jobs.adapters.qmd_config import read_collections, with_collections_of
from jobs.adapters.qmd_process import QmdTools
from jobs.adapters.token_counter import token_counter
from jobs.dataset.learnt import Inquiry, may_go_live
from jobs.domain.artifacts import BaseModel, ReleaseMetadata
from jobs.domain.errors import DiskFull, IaipError, Stopped
from jobs.domain.examples import Target
from jobs.domain.full_disk import is_disk_full
from jobs.domain.lineage import Provenance
from jobs.domain.wordless import wordless
from jobs.heavy_slot import heavy_slot
from jobs.keys import Keys
from jobs.lifeline import Lifeline
from jobs.pipeline import run_stage
from jobs.ports import EmbeddingTrainer, ExpansionTrainer, Exporter, Scorer
from jobs.releases import Releases
from jobs.wire import LIGHT_STAGES, Event, Failed, JobSpec, Phase, decode_spec, encode
from jobs.workshop import Workshop


def assemble(spec: JobSpec, events: BinaryIO, lifeline: Lifeline) -> Workshop:
    home = Home(root=Path(spec.home))
    settings = load_settings(home.config_file)
    releases_root = home.releases
    live = QmdFiles(config=releases_root / "current/qmd/index.yml", index=releases_root / "current/index/index.sqlite")
    corpus = MarkdownFolders(read_collections(live.config), settings.watch.largest_document)
    by = Inquiry(home=home, settings=lambda: settings, corpus=lambda: corpus)

    def base_model(target: Target) -> BaseModel:
        from jobs.adapters.base_models import BaseModels  # no job needs it that only reads notes

        recipe = settings.embedding if target == "embedding" else settings.expansion
        return BaseModels(home.base_models).resolve(recipe.base, target)

    return Workshop(
        home=home,
        settings=settings,
        keys=Keys(home.keys, AesGcm(), keychain_here()),
        corpus=corpus,
        token_counter=lambda: token_counter(home.base_models, settings.embedding.base),
        releases=Releases(releases_root, with_collections_of, may_go_live(by)),
        search=Qmd(lambda: QmdTools.find(settings.qmd)),
        scorer=_scorer,
        base_model=cache(base_model),
        embedding_trainer=_embedding_trainer,
        expansion_trainer=_expansion_trainer,
        exporter=cache(lambda: llama_cpp_exporter(settings)),
        bill_of_materials=_bill_of_materials,
        emit=partial(tell, events),
        should_stop=lifeline.should_stop,
    )


def _scorer() -> Scorer:
    from jobs.adapters.ir_metrics import IrMeasures

    return IrMeasures()


def _embedding_trainer() -> EmbeddingTrainer:
    from jobs.adapters.sentence_transformers import SentenceTransformersTrainer

    return SentenceTransformersTrainer()


def _expansion_trainer() -> ExpansionTrainer:
    """MLX where its accelerator is, torch elsewhere."""
    if sys.platform == "darwin" and os.uname().machine == "arm64":
        from jobs.adapters.mlx_lora import mlx_trainer

        return mlx_trainer()
    from jobs.adapters.peft_lora import peft_trainer

    return peft_trainer()


def llama_cpp_exporter(settings: Settings) -> Exporter:
    from jobs.adapters.llama_cpp import LlamaCppExporter

    return LlamaCppExporter(
        converter=find_converter(),
        node=find_node(settings.qmd.node),
        qmd_package=find_qmd(settings.qmd.package),
        gate=settings.gate,
    )


def _bill_of_materials(release: ReleaseMetadata, records: Mapping[str, Provenance]) -> bytes:
    from jobs.adapters.cyclonedx_bom import bill_of_materials

    return bill_of_materials(release, records)


def tell(events: BinaryIO, event: Event) -> None:
    events.write(encode(event))
    events.flush()


def _slot(spec: JobSpec, events: BinaryIO, lifeline: Lifeline) -> AbstractContextManager[None]:
    if spec.stage in LIGHT_STAGES:
        return nullcontext()

    def waits(holder: str) -> None:
        named = f" (process {holder})" if holder else ""
        tell(events, Phase(text=f"waiting for another heavy job of this user{named}"))

    return heavy_slot(runtime_directory(os.environ), lifeline.should_stop, waits)


def main() -> int:
    os.umask(0o077)
    events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Libraries print as they like: only events may reach the daemon's pipe.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    spec = decode_spec(sys.stdin.buffer.readline())
    lifeline = Lifeline(sys.stdin.buffer, spec.stage)
    try:
        with _slot(spec, events, lifeline):
            outcome: Event = run_stage(spec, assemble(spec, events, lifeline))
    except Exception as error:
        if (failed := _in_words(error)) is None:
            raise
        outcome = failed
    tell(events, outcome)
    return 0 if not isinstance(outcome, Failed) else 1


def _in_words(error: Exception) -> Failed | None:
    """What a person is told; none for what nobody foresaw. A full disk comes as an error of whatever writes."""
    if isinstance(error, IaipError):
        kind = "stopped" if isinstance(error, Stopped) else type(error).__name__
        return Failed(message=error.message, remedy=error.remedy, kind=kind)
    if isinstance(error, ConfigurationError):
        return Failed(message=str(error), remedy="`iaipctl config check`", kind="BadInput")
    if is_disk_full(error):
        return _in_words(DiskFull())
    if isinstance(error, ImportError):
        told = f"{error.name} is not installed, and this job needs it"
        return Failed(message=told, remedy="`iaipctl doctor trainers`", kind="ToolFailed")
    if isinstance(error, OSError):
        return Failed(
            message=f"the system refused: {error.strerror or error}",
            remedy="look at free disk space and permissions, then `iaipctl queue retry`",
            kind="OSError",
        )
    return None


if __name__ == "__main__":
    code = 70
    try:
        code = main()
    except Exception as error:  # noqa: BLE001 - the boundary of the process: the log gets the place, the daemon the code
        print(wordless(error), file=sys.stderr)
    sys.stderr.flush()
    os._exit(code)  # the lifeline's thread waits in a read that an orderly shutdown would wait for
