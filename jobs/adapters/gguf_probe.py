"""Asks a GGUF what it computes, in a Node child that loads it with QMD's own llama.cpp."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from jobs.adapters.node import node_environment, run_node
from jobs.domain.errors import ToolFailed
from jobs.domain.parity import Embedded
from jobs.publish import STAGE_PREFIX

Answer = TypeVar("Answer", bound=Struct)
_SCRIPT = Path(__file__).with_name("gguf_probe.mjs")


class Forced(Struct, frozen=True, kw_only=True):
    """Tokens to feed. The next token is asked after each of ``tokens[start:]``."""

    tokens: tuple[int, ...]
    start: int


class _Served(Struct, frozen=True, kw_only=True):
    prompt: tuple[int, ...]


class _Next(Struct, frozen=True, kw_only=True):
    next: tuple[int, ...]


class _Request(Struct, frozen=True, kw_only=True):
    library: str
    gguf: str
    answers: str
    task: Literal["embed", "serve", "continue"]
    texts: tuple[str, ...] = ()
    sequences: tuple[Forced, ...] = ()


class GgufProbe:
    """``library`` is the directory of the npm package node-llama-cpp; ``timeout`` is in seconds a question."""

    def __init__(self, node: Path, library: Path, timeout: float) -> None:
        self._node = node
        self._library = library
        self._timeout = timeout

    def embed(self, gguf: Path, texts: Sequence[str]) -> list[Embedded]:
        """Token ids and vector of each text, as QMD embeds it. Raises ToolFailed if the file cannot be loaded."""
        return self._ask(gguf, "embed", Embedded, texts=tuple(texts))

    def serve(self, gguf: Path, messages: Sequence[str]) -> list[tuple[int, ...]]:
        """The token ids of the whole prompt that QMD's chat session makes of each user's message. Raises ToolFailed."""
        return [answer.prompt for answer in self._ask(gguf, "serve", _Served, texts=tuple(messages))]

    def next_tokens(self, gguf: Path, sequences: Sequence[Forced]) -> list[tuple[int, ...]]:
        """The likeliest next tokens along each sequence. Raises ToolFailed."""
        return [answer.next for answer in self._ask(gguf, "continue", _Next, sequences=tuple(sequences))]

    def _ask(
        self,
        gguf: Path,
        task: Literal["embed", "serve", "continue"],
        kind: type[Answer],
        *,
        texts: tuple[str, ...] = (),
        sequences: tuple[Forced, ...] = (),
    ) -> list[Answer]:
        if not (texts or sequences):
            return []
        with tempfile.TemporaryDirectory(prefix=f"{STAGE_PREFIX}probe-", dir=gguf.parent) as name:
            work = Path(name)
            request = _Request(
                library=str(self._library.resolve()),
                gguf=str(_second_name(gguf, work)),
                answers=str(work / "answers.jsonl"),
                task=task,
                texts=texts,
                sequences=sequences,
            )
            self._run(request, work)
            answers = _answers(work / "answers.jsonl", kind)
        if len(answers) != len(texts) + len(sequences):
            raise _unusable("not every question was answered")
        return answers

    def _run(self, request: _Request, work: Path) -> None:
        run_node(
            self._node,
            [str(_SCRIPT)],
            environment=node_environment({}),
            timeout=self._timeout,
            stdin=msgspec.json.encode(request),
            cwd=work,
        )


def _second_name(gguf: Path, work: Path) -> Path:
    """A hard link or, across volumes, a copy: whatever a library does to a file it dislikes, ours stays."""
    link = work / gguf.name
    try:
        os.link(gguf, link)
    except OSError:
        shutil.copyfile(gguf, link)
    return link


def _answers(file: Path, kind: type[Answer]) -> list[Answer]:
    try:
        return [msgspec.json.decode(line, type=kind) for line in file.read_bytes().splitlines()]
    except (OSError, msgspec.DecodeError) as error:
        raise _unusable(str(error)) from error


def _unusable(reason: str) -> ToolFailed:
    return ToolFailed(
        f"node-llama-cpp gave no usable answer about the exported file: {reason}",
        remedy="Check that QMD works (`qmd status`), then `iaipctl queue retry` the job.",
    )
