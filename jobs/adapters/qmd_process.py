"""QMD's SDK in a Node process of its own (qmd_arm.mjs): requests on its stdin, replies on its stdout.

Every wait has an end, and the process ends with this one: it leaves when its stdin closes.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from config.settings import QmdSettings
from jobs.adapters.node import find_dependency, find_node, find_qmd, node_environment
from jobs.adapters.qmd_models import model_cache
from jobs.domain.errors import DiskFull, IaipError, ToolFailed
from jobs.domain.full_disk import says_disk_full
from jobs.index_file import PATIENCE

_HERE = Path(__file__).parent
_LEAVING = 5.0
_READ_BYTES = 65536
_STDERR_SHOWN = 800
_MOST_CONTEXTS = 4  # each has memory of its own


@dataclass(frozen=True, kw_only=True)
class QmdTools:
    """What runs QMD. ``package``: the directory of @tobilu/qmd.

    ``single_thread``: a context of llama.cpp gets one thread. ``timeout``: seconds that QMD may say nothing.
    ``patience``: seconds that it waits for a locked index.
    """

    node: Path
    package: Path
    single_thread: bool
    timeout: float
    patience: float = PATIENCE

    @classmethod
    def find(cls, settings: QmdSettings) -> QmdTools:
        """What the settings name; where they name nothing, what is on this machine. Raises ToolFailed if it is not."""
        return cls(
            node=find_node(settings.node),
            package=find_qmd(settings.package),
            single_thread=settings.single_thread,
            timeout=settings.timeout,
        )

    @property
    def models(self) -> Path:
        """Where QMD, in the environment it is given, keeps the models it downloaded."""
        return model_cache(node_environment({}))

    @property
    def contexts(self) -> int:
        """How many contexts of llama.cpp work at once: one for each processor. On a Mac they share its one GPU."""
        if not self.single_thread or sys.platform == "darwin":
            return 1
        return min(_MOST_CONTEXTS, len(os.sched_getaffinity(0)))

    @property
    def node_llama_cpp(self) -> Path:
        return find_dependency(self.package, "node-llama-cpp")

    def arguments(self, script: Path) -> list[str]:
        """The beginning of a command line that runs ``script``."""
        preload = ["--import", str(_HERE / "one_thread.mjs")] if self.single_thread else []
        return [str(self.node), *preload, str(script)]

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Without CI (it turns QMD's models off) and without a way to download or compile anything."""
        contexts = str(self.contexts)
        side_by_side = {"QMD_EMBED_PARALLELISM": contexts} if self.contexts > 1 else {}
        return node_environment(
            {
                **side_by_side,
                "IAIP_CONTEXTS": contexts,
                "HF_ENDPOINT": "http://127.0.0.1:9",
                "NODE_LLAMA_CPP_SKIP_DOWNLOAD": "true",
                "QMD_SQLITE_BUSY_TIMEOUT": str(int(self.patience * 1000)),
                "IAIP_NODE_LLAMA_CPP": str(self.node_llama_cpp),
                **extra,
            }
        )


class Request(Struct, frozen=True, kw_only=True, rename="camel", tag_field="op"):
    """A request to qmd_arm.mjs, named by its tag."""


class _Progress(Struct, frozen=True, tag_field="type", tag="progress"):
    done: int
    total: int


class Finished(Struct, frozen=True, kw_only=True, tag_field="type", tag="finished"):
    """The end of a request that worked, with whatever that request asks for."""

    documents: tuple[str, ...] = ()
    milliseconds: float = 0.0
    expansion: tuple[str, ...] = ()
    fell_back: bool = False
    unread: tuple[str, ...] = ()


class _Broke(Struct, frozen=True, tag_field="type", tag="broke"):
    message: str
    locked: bool


_Reply = _Progress | Finished | _Broke
_replies: msgspec.json.Decoder[_Reply] = msgspec.json.Decoder(_Reply)


class QmdProcess:
    """One Node process that answers requests in order. After a failure it is ended and must be made anew."""

    def __init__(self, tools: QmdTools, environment: Mapping[str, str]) -> None:
        self._timeout = tools.timeout
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        try:
            self._process = subprocess.Popen(
                tools.arguments(_HERE / "qmd_arm.mjs"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=tools.environment(environment),
                cwd="/",
                bufsize=0,
            )
        except OSError as error:
            self._stderr.close()
            raise ToolFailed(f"{tools.node} could not be started ({error})", remedy="set qmd.node") from error
        assert self._process.stdin is not None and self._process.stdout is not None, "Popen was given PIPE"
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._lines = _Lines(self._stdout.fileno())

    def request(self, request: Request, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Finished:
        """Sends a request and waits for its end. Raises ToolFailed if QMD fails, ends or says nothing for too long."""
        self.send(request)
        return self.finished(on_progress)

    def send(self, request: Request) -> None:
        """Requests that are sent before the first of them has finished are done side by side. Raises as ``request``."""
        try:
            self._stdin.write(msgspec.json.encode(request) + b"\n")
        except (OSError, ValueError) as error:
            raise self._ended() from error

    def finished(self, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Finished:
        """Waits for the end of the oldest request that was sent. Raises as ``request``."""
        while True:
            reply = self._reply()
            if isinstance(reply, Finished):
                return reply
            if isinstance(reply, _Broke):
                raise self._failed(reply)
            on_progress(reply.done, reply.total)

    def kill(self) -> None:
        """For when replies are under way that nobody waits for: they would be taken for those to the next request."""
        self._process.kill()

    def close(self) -> None:
        """Ends the process. May be called again."""
        self._stdin.close()
        try:
            self._process.wait(_LEAVING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._lines.close()
        self._stdout.close()
        self._stderr.close()

    def _reply(self) -> _Reply:
        deadline = time.monotonic() + self._timeout
        while True:
            line = self._lines.next(deadline)
            if line is None:
                self._process.kill()
                raise ToolFailed(
                    f"QMD said nothing for {self._timeout:.0f} s and was ended",
                    remedy="raise qmd.timeout in config.toml, or try again when the machine is less busy",
                )
            if not line:
                raise self._ended()
            try:
                return _replies.decode(line)
            except msgspec.DecodeError:
                continue  # the native libraries may write to stdout too

    def _failed(self, reply: _Broke) -> IaipError:
        words = f"{reply.message} {self._last_words()}".strip()
        if reply.locked:
            remedy = "end the other `qmd` that uses this index (or wait for it) and try again"
            return ToolFailed(f"QMD's index is locked by another program ({reply.message})", remedy=remedy)
        return failure("QMD failed", words)

    def _ended(self) -> IaipError:
        try:
            code = self._process.wait(_LEAVING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        words = self._last_words()
        return failure(f"QMD's process ended with code {code}", words)

    def _last_words(self) -> str:
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - 2 * _STDERR_SHOWN))
        return shown_tail(self._stderr.read())


def shown_tail(stderr: bytes) -> str:
    """The end of QMD's stderr, short enough for an error message. QMD writes no note's text there."""
    return stderr.decode("utf-8", "replace").strip()[-_STDERR_SHOWN:]


def failure(what: str, words: str) -> IaipError:
    """A failure of QMD, whose last words were these; a full disk by its own name, so that the job waits for room."""
    if says_disk_full(words):
        return DiskFull()
    return ToolFailed(f"{what}: {words}", remedy="`qmd doctor` names what is wrong; then `iaipctl queue retry` the job")


class _Lines:
    """Lines of a pipe, each awaited until a deadline."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(descriptor, selectors.EVENT_READ)

    def next(self, deadline: float) -> bytes | None:
        """The next line with its end; empty at the end of the stream; none at the deadline (of time.monotonic())."""
        while b"\n" not in self._buffer:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                return None
            read = os.read(self._descriptor, _READ_BYTES)
            if not read:
                return b""
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"

    def close(self) -> None:
        self._selector.close()
