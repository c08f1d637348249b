"""Real QMD on a copy of the live index: the owner's own index and its caches stay as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from config.settings import QmdSettings
from daemon.web.judging import Found
from daemon.web.reading import TOP
from jobs.adapters.node import node_environment
from jobs.adapters.qmd import Qmd
from jobs.adapters.qmd_models import find_model, in_use, model_cache
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.examples import JudgedQuery
from jobs.index_file import copy_index
from jobs.locks import locked
from jobs.publish import STAGE_PREFIX

KEYWORDS, SEARCH = "keywords", "your search"


@contextmanager
def opened(release: Path, scratch: Path, settings: QmdSettings) -> Iterator[Callable[[str], tuple[Found, ...]]]:
    """Yields what finds a query's first documents by keywords alone and by the whole search, without a reranker.

    The copy lies in ``scratch``. Raises ToolFailed or BadInput.
    """
    configuration = release / "qmd" / "index.yml"
    engine = Qmd(lambda: QmdTools.find(settings))
    models = engine.models(configuration)
    expands = find_model(str(in_use(models).generate), model_cache(node_environment({}))) is not None
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _scratch(scratch) as folder:
        index = folder / "index.sqlite"
        copy_index(release / "index" / "index.sqlite", index)
        with engine.open_arm(configuration, index, models) as arm:

            def find(text: str) -> tuple[Found, ...]:
                query = JudgedQuery(id="own", text=text, relevant={})
                ways = {KEYWORDS: "lexical", SEARCH: "hybrid" if expands else "plain"}
                return tuple(
                    Found(by=name, documents=answer.documents)
                    for name, how in ways.items()
                    for answer in arm.ask([query], how, TOP)
                )

            yield find


@contextmanager
def _scratch(place: Path) -> Iterator[Path]:
    """A folder that every sweep passes by while this process lives, and the first one after it has died removes."""
    with tempfile.TemporaryDirectory(prefix=STAGE_PREFIX, dir=place) as folder, locked(Path(folder), of="this search"):
        yield Path(folder)
