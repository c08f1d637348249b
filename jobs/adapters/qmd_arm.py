"""The SearchArm port: real QMD on one index, all its collections searched, its models loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unicodedata import normalize

from jobs.adapters.qmd_index import index_facts
from jobs.adapters.qmd_models import context_environment, find_model, in_use, require_model
from jobs.adapters.qmd_process import Finished, QmdProcess, QmdTools, Request
from jobs.domain.artifacts import SearchModels
from jobs.domain.errors import ToolFailed
from jobs.domain.examples import JudgedQuery
from jobs.domain.gates import Answer

WAYS = ("lexical", "vector", "plain", "hybrid")
# QMD samples expansions; both arms of a comparison draw with the same seed.
_SEED = 7
# Texts that QMD may leave without vectors, as a share: one hopeless note must not stop the others.
_MOST_FAILED = 0.01


class _Open(Request, frozen=True, kw_only=True, tag="open"):
    qmd: str
    node_llama_cpp: str
    configuration: str
    index: str
    models: SearchModels
    files: dict[str, str]
    """Every model's address in ``models`` that is on this machine → its file."""
    seed: int


class _Update(Request, frozen=True, kw_only=True, tag="update"):
    pass


class _Embed(Request, frozen=True, kw_only=True, tag="embed"):
    afresh: bool


class _Prepare(Request, frozen=True, kw_only=True, tag="prepare"):
    how: str


class _Ask(Request, frozen=True, kw_only=True, tag="ask"):
    how: str
    text: str
    limit: int


class QmdArm:
    """QMD on the index at ``index`` with the collections of ``configuration`` and with ``models``.

    The configuration is only read. The embedding model must be here; the expansion model only when it is asked.
    Raises ToolFailed naming a model that is missing, BadInput for one that is damaged, before QMD starts.
    """

    def __init__(self, tools: QmdTools, configuration: Path, index: Path, models: SearchModels) -> None:
        self._tools = tools
        self._index = index
        self._models = in_use(models)
        files = _files(self._models, tools.models)
        index.parent.mkdir(parents=True, exist_ok=True)
        self._process = QmdProcess(tools, context_environment(Path(files[str(self._models.embed)])))
        try:
            self._process.request(
                _Open(
                    qmd=str(tools.package),
                    node_llama_cpp=str(tools.node_llama_cpp),
                    configuration=str(configuration),
                    index=str(index),
                    models=self._models,
                    files=files,
                    seed=_SEED,
                )
            )
        except BaseException:
            self._process.close()
            raise

    def __enter__(self) -> QmdArm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def index(self, on_progress: Callable[[int, int], None], *, reread: bool, afresh: bool) -> int:
        """As SearchArm.index. Progress counts the texts that had no vectors.

        Raises ToolFailed if more than one text in a hundred got no vectors.
        """
        if reread:
            self.reread()
        self._process.request(_Embed(afresh=afresh), on_progress)
        facts = index_facts(self._index, str(self._models.embed), self._tools.patience)
        if facts.pending > facts.documents * _MOST_FAILED:
            raise ToolFailed(
                f"QMD could not embed {facts.pending} of {facts.documents} texts with {self._models.embed}",
                remedy="`qmd doctor` names what is wrong with the model; `iaipctl models` lists others",
            )
        return facts.vectors

    def reread(self) -> None:
        """Takes over what changed in the collections' folders. Raises ToolFailed if none of them can be read."""
        finished = self._process.request(_Update())
        facts = index_facts(self._index, str(self._models.embed), self._tools.patience)
        if finished.unread and not facts.documents:
            raise ToolFailed(
                f"QMD could not read its collections: {', '.join(finished.unread)}",
                remedy="make the folders readable (on macOS: Full Disk Access), or mend their paths in QMD's index.yml",
            )

    def ask(self, queries: Sequence[JudgedQuery], how: str, limit: int) -> Iterator[Answer]:
        """As SearchArm.ask. QMD's caches are emptied and its models loaded before the first query.

        Queries that need an expansion are answered side by side where there are processors for it: making it takes
        seconds of one. Whoever leaves before the last answer has ended the arm.
        """
        if how not in WAYS:
            raise ValueError(f"how must be one of {WAYS}")
        if how == "hybrid":
            require_model(str(self._models.generate), self._tools.models)
        self._process.request(_Prepare(how=how))
        at_once = self._tools.contexts if how == "hybrid" else 1
        requests = (_Ask(how=how, text=query.text, limit=limit) for query in queries)
        for query, reply in zip(queries, self._answered(requests, at_once), strict=True):
            yield Answer(
                query=query.id,
                documents=tuple(normalize("NFC", document) for document in reply.documents),
                milliseconds=reply.milliseconds,
                expansion=reply.expansion,
                fell_back=reply.fell_back,
            )

    def close(self) -> None:
        self._process.close()

    def _answered(self, requests: Iterator[_Ask], at_once: int) -> Iterator[Finished]:
        """One reply for each request, in order, with at most ``at_once`` of them under way."""
        under_way = 0
        try:
            for request in requests:
                self._process.send(request)
                under_way += 1
                if under_way == at_once:
                    under_way -= 1
                    yield self._process.finished()
            while under_way:
                under_way -= 1
                yield self._process.finished()
        finally:
            if under_way:
                self._process.kill()


def _files(models: SearchModels, cache: Path) -> dict[str, str]:
    """The checked files of the models that are here. The reranker is never asked and never loaded."""
    embed = str(models.embed)
    files = {embed: str(require_model(embed, cache))}
    generate = str(models.generate)
    if find_model(generate, cache) is not None:
        files[generate] = str(require_model(generate, cache))
    return files
