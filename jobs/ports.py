"""What the stages need from the outside, each at most five methods. Adapters implement them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from config.settings import EmbeddingRecipe, ExpansionRecipe
from jobs.domain.artifacts import Parity, Progress, Quantisation, SearchModels, TrainedModel
from jobs.domain.corpus import Collection, Document, DocumentId
from jobs.domain.examples import Expansion, JudgedQuery, Pair, QuerySet
from jobs.domain.gates import Answer, QueryScore
from jobs.domain.recipe import Lesson

Report = Callable[[Progress], None]
ShouldStop = Callable[[], bool]


class Corpus(Protocol):
    """The documents of the knowledge base that may be read for training."""

    def collections(self) -> Sequence[Collection]: ...

    def read(self, document: DocumentId) -> Document:
        """Raises BadInput if it is gone, too large, binary or not UTF-8."""
        ...


class TokenCounter(Protocol):
    """How the embedding model that will serve counts a text."""

    @property
    def digest(self) -> str:
        """Another one may count otherwise."""
        ...

    def count(self, text: str) -> int:
        """The tokens of the text alone. Raises BadInput if the model's tokenizer cannot be read."""
        ...


class EmbeddingTrainer(Protocol):
    """Fine-tunes an embedding model on pairs."""

    def train(
        self, lesson: Lesson[EmbeddingRecipe, Pair], work: Path, report: Report, should_stop: ShouldStop
    ) -> TrainedModel:
        """Trains in ``work`` (checkpoints in ``work/checkpoints``), resuming exactly from the newest whole
        checkpoint found there. The same inputs give the same weights, interrupted or not.

        Raises Stopped, with a checkpoint published, soon after ``should_stop()`` is true.
        """
        ...


class ExpansionTrainer(Protocol):
    """Fine-tunes a generative model on expansions, by LoRA, and merges the result into its base."""

    def train(
        self, lesson: Lesson[ExpansionRecipe, Expansion], work: Path, report: Report, should_stop: ShouldStop
    ) -> TrainedModel:
        """As EmbeddingTrainer.train."""
        ...


class Exporter(Protocol):
    """Turns a model in Hugging Face layout into a GGUF and proves that it is the same model."""

    def tool_version(self) -> str:
        """Changes whenever the converter, the quantiser or the checking library changes."""
        ...

    def export(self, model: Path, quantisation: Quantisation, gguf: Path) -> None:
        """Writes ``gguf``. Raises BadInput for a quantised base or a missing tokenizer, ToolFailed otherwise."""
        ...

    def embedding_parity(self, model: Path, gguf: Path, quantisation: Quantisation, passages: Sequence[str]) -> Parity:
        """Compares token ids, pooling, cosine and top-10 overlap on the passages."""
        ...

    def generation_parity(self, model: Path, gguf: Path, quantisation: Quantisation, queries: Sequence[str]) -> Parity:
        """Compares token ids and greedy next tokens on the queries."""
        ...


class SearchArm(Protocol):
    """One shadow search engine with its own configuration and index, its models loaded once."""

    def index(self, on_progress: Callable[[int, int], None], *, reread: bool, afresh: bool) -> int:
        """Embeds what has no vector yet; returns the number of passages with a vector.

        ``reread``: first read the collections' folders again; else the index's own documents stay as they
        are, so that two arms search the same text. ``afresh``: drop every vector first.
        """
        ...

    def ask(self, queries: Sequence[JudgedQuery], how: str, limit: int) -> Iterator[Answer]:
        """Searches for each query, in order. ``how`` is ``lexical`` (BM25), ``vector`` (the embedding model
        alone), ``plain`` (BM25 and vectors fused, no expansion) or ``hybrid`` (with expansion, no reranking)."""
        ...

    def close(self) -> None: ...


class SearchEngine(Protocol):
    """QMD: its configuration, its indexes, and arms to ask."""

    def version(self) -> str: ...

    def models(self, configuration: Path) -> SearchModels:
        """What the configuration names. Raises BadInput, with the line, if it cannot be read."""
        ...

    def configured(self, configuration: str, models: SearchModels) -> str:
        """The text of a configuration with other models and everything else as it was. Pure."""
        ...

    def open_arm(self, configuration: Path, index: Path, models: SearchModels) -> SearchArm:
        """Starts a search process of its own on that index. Raises ToolFailed naming a model that is not here."""
        ...

    def refresh(self, configuration: Path, index: Path, queries: Sequence[str]) -> list[str]:
        """Updates a live index incrementally and asks it the queries; returns what is wrong, in words."""
        ...


class Scorer(Protocol):
    """Retrieval metrics per query."""

    def score(self, query_set: QuerySet, answers: Sequence[Answer]) -> tuple[QueryScore, ...]: ...
