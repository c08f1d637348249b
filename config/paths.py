"""Where everything lives: one home directory, and QMD's own two files outside it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Home:
    """Every path under one home directory. Constructing it touches nothing on disk."""

    root: Path

    @property
    def config_file(self) -> Path:
        return self.root / "config.toml"

    @property
    def ledger(self) -> Path:
        """The truth: documents, jobs, runs, events, results, alerts."""
        return self.root / "ledger.sqlite"

    @property
    def bell(self) -> Path:
        """Huey's own file: it carries job ids and may be deleted at any time."""
        return self.root / "bell.sqlite"

    @property
    def daemon_lock(self) -> Path:
        return self.root / "daemon.lock"

    @property
    def examples_cache(self) -> Path:
        return self.root / "cache" / "examples.sqlite"

    @property
    def curated(self) -> Path:
        """The owner's hand-made examples: ``curated/<target>/*.jsonl``."""
        return self.root / "curated"

    @property
    def evaluation(self) -> Path:
        """The owner's judged queries: ``evaluation/<set>/{queries.jsonl,qrels.tsv}``."""
        return self.root / "evaluation"

    @property
    def consent(self) -> Path:
        """``policy.toml``, one TOML file a consent record, and the log of all changes."""
        return self.root / "consent"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def stages(self) -> Path:
        """Results of pipeline stages, one directory per input digest."""
        return self.root / "stages"

    @property
    def base_models(self) -> Path:
        return self.root / "base-models"

    @property
    def releases(self) -> Path:
        """``models/`` (content-addressed GGUFs), ``vN/`` and the ``current`` symlink."""
        return self.root / "releases"

    @property
    def logs(self) -> Path:
        return self.root / "logs"


@dataclass(frozen=True, kw_only=True)
class QmdFiles:
    """QMD's configuration and index, where QMD itself looks for them."""

    config: Path
    index: Path


def default_home(environment: Mapping[str, str]) -> Path:
    """``IAIP_HOME``, else the platform's place for an application's data."""
    if chosen := environment.get("IAIP_HOME"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "iaip"
    data = environment.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "iaip"


def qmd_files(environment: Mapping[str, str]) -> QmdFiles:
    """QMD 2.8.3's own lookup order (its documentation, "Paths and environment")."""
    config_home = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    cache_home = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    config_dir = environment.get("QMD_CONFIG_DIR")
    index = environment.get("INDEX_PATH")
    return QmdFiles(
        config=(Path(config_dir) if config_dir else config_home / "qmd") / "index.yml",
        index=Path(index) if index else cache_home / "qmd" / "index.sqlite",
    )
