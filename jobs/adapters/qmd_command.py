"""QMD's own command line, run as its owner would run it, and the health of an index judged by it.

An exit code of 0 proves nothing: QMD answers `[]` when a model is missing and mixes vector spaces with a warning.
So its words on stderr are read too. The JavaScript is run directly: QMD's launcher would leave its child behind.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.adapters.qmd_config import read_models
from jobs.adapters.qmd_index import index_facts
from jobs.adapters.qmd_models import context_environment, find_model, in_use, require_model
from jobs.adapters.qmd_process import QmdTools, failure, shown_tail
from jobs.domain.artifacts import SearchModels
from jobs.domain.errors import BadInput, ToolFailed

_EMBED_IS_BUSY = "Another embed process is already running"
_EMBED_WAIT = 2.0
_SEARCH_TIMEOUT = 300.0
# What QMD 2.8.3 and its libraries say on stderr when an answer cannot be trusted, exit code 0 or not.
_TELLTALES: Mapping[str, str] = {
    r"dimension mis[st]*match": "the index holds vectors of another length than the model's",
    r"No model file found|fetch failed|not valid GGUF|Failed to load model": "a model could not be loaded",
    r"Embedding error|embedding error": "the embedding model failed",
    r"query expansion failed": "the expansion model failed",
    r"need embeddings \(|\(\d+%\) need embeddings": "many documents have no vectors of this model",
    r"sqlite-vec extension is unavailable": "QMD's vector extension does not load",
    r"database is locked|SQLITE_BUSY": "the index is locked by another program",
}


class CommandResult(Struct, frozen=True, kw_only=True):
    code: int
    stdout: str
    stderr: str


class _Hit(Struct, frozen=True):
    file: str


class QmdCommand:
    """QMD's command line on one configuration and one index. The configuration's file must be called index.yml."""

    def __init__(self, tools: QmdTools, configuration: Path, index: Path) -> None:
        if configuration.name != "index.yml":
            raise ValueError("QMD reads only files called index.yml")
        self._tools = tools
        self._configuration = configuration
        self._index = index

    def version(self) -> str:
        """Such as ``2.8.3``. Raises ToolFailed if QMD does not start."""
        return (
            self._checked(self.run(["--version"], {}, _SEARCH_TIMEOUT)).stdout.strip().removeprefix("qmd ").split()[0]
        )

    def update(self) -> None:
        """Reads the folders again. This also runs the update commands that the owner gave to collections."""
        self._checked(self.run(["update"], {}, self._tools.timeout))

    def embed(self) -> None:
        """Embeds what has no vector; waits for another `qmd embed` for as long as a locked index is waited for.

        Raises ToolFailed if that one does not end, or if QMD fails. The embedding model must be here.
        """
        model = self._local_models().embed
        environment = context_environment(require_model(str(model), self._tools.models))
        deadline = time.monotonic() + self._tools.patience
        while _EMBED_IS_BUSY in self._checked(self.run(["embed"], environment, self._tools.timeout)).stdout:
            if time.monotonic() > deadline:
                raise ToolFailed(
                    f"another `qmd embed` is at work on {self._index}", remedy="wait for it to end and try again"
                )
            time.sleep(_EMBED_WAIT)

    def healthy(self, queries: Sequence[str]) -> list[str]:
        """What is wrong with searching this index as its owner would; nothing if all is well.

        Looks at the models and the index first, so that QMD is never started with a model that it would
        download or delete. Every query must find something; the first one also goes through the
        expansion model if that is on this machine.
        """
        try:
            models = self._local_models()
            embed = require_model(str(models.embed), self._tools.models)
            facts = index_facts(self._index, str(models.embed), self._tools.patience)
            if not facts.documents:
                return ["the index holds no documents"]
            if facts.pending:
                return [f"{facts.pending} of {facts.documents} texts have no vectors of {models.embed}"]
            expands = find_model(str(models.generate), self._tools.models) is not None
            if expands or Path(str(models.generate)).is_absolute():
                require_model(str(models.generate), self._tools.models)
            environment = context_environment(embed)
            return [
                f"query {number}: {problem}"
                for number, query in enumerate(queries, 1)
                for problem in self._search(query, expand=expands and number == 1, environment=environment)
            ]
        except (ToolFailed, BadInput) as error:
            return [error.message]

    def _search(self, query: str, *, expand: bool, environment: Mapping[str, str]) -> list[str]:
        text = re.sub(r"(^|\s)-(?=[\w\"])", r"\1", " ".join(query.split())).lstrip("-")
        arguments = ["vsearch", text, "--min-score", "0.01"] if expand else ["query", f"vec: {text}", "--no-rerank"]
        timeout = min(_SEARCH_TIMEOUT, self._tools.timeout)
        return search_problems(self.run([*arguments, "--json", "-n", "5"], environment, timeout))

    def _local_models(self) -> SearchModels:
        return in_use(read_models(self._configuration))

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float) -> CommandResult:
        """Runs one command to its end. Raises ToolFailed if it takes longer than ``timeout`` seconds."""
        own = {"QMD_CONFIG_DIR": str(self._configuration.parent), "INDEX_PATH": str(self._index)}
        try:
            finished = subprocess.run(
                [*self._tools.arguments(self._tools.package / "dist" / "cli" / "qmd.js"), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                env=self._tools.environment({**own, **environment}),
                cwd="/",  # QMD looks for a .qmd folder from here upwards
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ToolFailed(
                f"`qmd {arguments[0]}` did not end within {timeout:.0f} s",
                remedy="try again when the machine is less busy, or raise qmd.timeout in config.toml",
            ) from error
        except OSError as error:
            raise ToolFailed(f"{self._tools.node} could not be started ({error})", remedy="set qmd.node") from error
        return CommandResult(
            code=finished.returncode,
            stdout=finished.stdout.decode("utf-8", "replace"),
            stderr=finished.stderr.decode("utf-8", "replace"),
        )

    @staticmethod
    def _checked(result: CommandResult) -> CommandResult:
        if result.code != 0:
            words = shown_tail(result.stderr.encode())
            raise failure(f"QMD ended with code {result.code}", words)
        return result


def search_problems(result: CommandResult) -> list[str]:
    """What a search's output gives away, in words."""
    told = [problem for pattern, problem in _TELLTALES.items() if re.search(pattern, result.stderr)]
    if result.code != 0 and not told:
        told.append(f"QMD ended with code {result.code}")  # a search's stderr repeats the query
    try:
        hits = msgspec.json.decode(result.stdout, type=list[_Hit])
    except msgspec.DecodeError:
        return told or ["QMD's answer is not JSON"]
    return told if hits or told else ["nothing was found"]
