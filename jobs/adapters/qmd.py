"""The SearchEngine port on QMD: its version, configurations, arms to ask, and the refresh of a live index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from jobs.adapters.node import package_version
from jobs.adapters.qmd_arm import QmdArm
from jobs.adapters.qmd_command import QmdCommand
from jobs.adapters.qmd_config import read_models, with_models
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.artifacts import SearchModels
from jobs.domain.errors import BadInput, ToolFailed


class Qmd:
    """QMD as ``tools`` finds it on this machine when it is first asked: looking for it starts a program."""

    def __init__(self, tools: Callable[[], QmdTools]) -> None:
        self._found = tools

    @cached_property
    def _tools(self) -> QmdTools:
        return self._found()

    def version(self) -> str:
        return package_version(self._tools.package)

    def models(self, configuration: Path) -> SearchModels:
        return read_models(configuration)

    def configured(self, configuration: str, models: SearchModels) -> str:
        return with_models(configuration, models)

    def open_arm(self, configuration: Path, index: Path, models: SearchModels) -> QmdArm:
        return QmdArm(self._tools, configuration, index, models)

    def refresh(self, configuration: Path, index: Path, queries: Sequence[str]) -> list[str]:
        """As SearchEngine.refresh. The folders are read without the update commands that the owner gave to collections;
        embedding is left to `qmd embed`, which takes turns with the owner's own."""
        try:
            with self.open_arm(configuration, index, read_models(configuration)) as arm:
                arm.reread()
            command = QmdCommand(self._tools, configuration, index)
            command.embed()
        except (ToolFailed, BadInput) as error:
            return [error.message]
        return command.healthy(queries)
