"""Where everything lives: one home directory, and QMD's own two files outside it."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LONGEST_SOCKET_PATH = 103
"""Bytes of sun_path without its last zero on macOS; Linux has four more."""


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
    def way_back(self) -> Path:
        """Left by an upgrade that goes back: the former version may put an older ledger in a newer one's place."""
        return self.root / "ledger.go-back"

    @property
    def snapshots(self) -> Path:
        """Daily copies of the ledger, the last few."""
        return self.root / "snapshots"

    @property
    def damaged(self) -> Path:
        """Ledgers that were set aside, each in a folder named after the moment."""
        return self.root / "damaged"

    @property
    def requests(self) -> Path:
        """What the command line asks of the daemon, one file a request, until the daemon takes it."""
        return self.root / "requests"

    @property
    def bell(self) -> Path:
        """Huey's own file: it carries job ids and is made anew at every start."""
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
    def left_out(self) -> Path:
        """Training rows that the owner left out: ``left-out/<digest>.json``, none with a word of a note."""
        return self.root / "left-out"

    @property
    def evaluation(self) -> Path:
        """The owner's judged queries: ``evaluation/<set>/{queries.jsonl,qrels.tsv}``."""
        return self.root / "evaluation"

    @property
    def consent(self) -> Path:
        """``policy.toml``, one TOML file a consent record, and the log of all changes."""
        return self.root / "consent"

    @property
    def signing_key(self) -> Path:
        """What signs the receipts of withdrawals."""
        return self.root / "keys" / "receipts.ed25519"

    @property
    def keys(self) -> Path:
        """What opens the sealed files: a key a consent, and the master key where no keychain keeps it."""
        return self.root / "keys"

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

    @property
    def agent_program(self) -> Path:
        """What launchd or systemd starts. Its name is what macOS shows under Login Items."""
        return self.root / "bin" / "iaip-agent"

    @property
    def agent_record(self) -> Path:
        """What `iaipctl install` left: the digest of the agent's definition."""
        return self.root / "agent.json"

    @property
    def starts(self) -> Path:
        """The starts under supervision that did not end in order: the crash budget."""
        return self.root / "starts.json"

    @property
    def launches(self) -> Path:
        """The starts that the agent's program counted and the daemon never came to: a line each, seconds since 1970."""
        return self.root / "launches"

    @property
    def workers(self) -> Path:
        """A note for every worker that runs: ``run/workers/<pid>.json``."""
        return self.root / "run" / "workers"

    @property
    def socket(self) -> Path:
        """Where the daemon listens: in the home where the kernel can name it, else in a folder of ours under /tmp."""
        inside = self.root / "run" / "iaipd.sock"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path("/tmp") / f"iaip-{os.getuid()}" / f"{digest}.sock"  # noqa: S108 - the folder is checked before use


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


def runtime_directory(environment: Mapping[str, str]) -> Path:
    """This user's place on this machine for locks that all homes and daemons share. It may not exist yet.

    The same without the login session's environment, as launchd, systemd and cron start programs: ``/run/user/UID``
    is what XDG_RUNTIME_DIR names on Linux. macOS's own temporary folders are swept every few days, caches are not.
    """
    if given := environment.get("XDG_RUNTIME_DIR"):
        return Path(given) / "iaip"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "iaip"
    session = Path("/run/user") / str(os.getuid())
    return session / "iaip" if session.is_dir() else Path("/tmp") / f"iaip-{os.getuid()}"  # noqa: S108 - 0700, and its owner is checked


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
