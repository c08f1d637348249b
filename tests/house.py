"""A home with notes, a QMD whose index has a model, and the real daemon, in a folder of their own."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec
import psutil

from config.paths import Home
from daemon.ledger.books import Books, read_books
from daemon.ledger.records import Job, Run
from jobs.adapters.aead import AesGcm
from jobs.domain.examples import Target
from jobs.domain.gates import Verdict
from jobs.domain.results import ValidationResult
from jobs.keys import Keys
from jobs.wire import STAGE_ORDER, Stage


def keys_of(home: Home) -> Keys:
    """As on a system that has no keychain."""
    return Keys(home.keys, AesGcm(), None)


class House:
    """``furnish(home, notes)`` writes the notes and whatever the home should hold before anything starts. ``models``
    are those of QMD's configuration besides the one for embedding. ``neighbour``: what is no run's own, and takes a
    machine a while, is taken over from there: the bases, QMD's embedding model and the canaries that have flown."""

    def __init__(
        self,
        folder: Path,
        settings: str,
        furnish: Callable[[Path, Path], None],
        models: Mapping[str, str] = MappingProxyType({}),
        neighbour: House | None = None,
    ) -> None:
        self.folder = folder
        self.root = folder / "home"
        self.environment = {
            **os.environ,
            "IAIP_HOME": str(self.root),
            "QMD_CONFIG_DIR": str(folder / "qmd"),
            "INDEX_PATH": str(folder / "qmd" / "index.sqlite"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self.root.mkdir(parents=True)
        (self.root / "config.toml").write_text(settings)
        furnish(self.root, folder / "notes")
        gguf = self._model() if neighbour is None else self._take_over(neighbour)
        (folder / "qmd").mkdir()
        (folder / "qmd" / "index.yml").write_text(
            f"collections:\n  notes:\n    path: {folder / 'notes'}\n    pattern: '**/*.md'\nmodels:\n"
            + "".join(f"  {role}: {path}\n" for role, path in {"embed": gguf, **models}.items())
        )
        self.types("init")
        for place in ("notes", "curated"):
            self.types("consent", "classify", place, "--as", "public", "--yes")
        self.books: Books = read_books(self.root / "ledger.sqlite")
        self.daemon = self.start()

    def _model(self) -> str:
        return self.types("models", "gguf", "all-minilm-l6-v2", str(self.folder / "models"))

    def _take_over(self, neighbour: House) -> str:
        shutil.copytree(neighbour.folder / "models", self.folder / "models", copy_function=os.link)
        home, theirs = Home(root=self.root), Home(root=neighbour.root)
        for place in (theirs.base_models, *theirs.stages.glob("canary-*")):
            if place.exists():
                shutil.copytree(place, home.root / place.relative_to(theirs.root), copy_function=os.link)
        [gguf] = (self.folder / "models").glob("all-minilm-*.gguf")
        return str(gguf)

    def types(self, *words: str) -> str:
        command = [sys.executable, "-m", "daemon.cli", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300, check=True)
        return done.stdout.strip()

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "iaipd.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "daemon"], env=self.environment, stdout=log, stderr=log)

    def kill_daemon(self) -> bool:
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        self.daemon = self.start()
        return True

    def kill_worker(self) -> bool:
        """False: nobody was at work."""
        children = psutil.Process(self.daemon.pid).children()
        for child in children:
            child.kill()
        return bool(children)

    def begin(self, target: Target = "embedding") -> int:
        """Starts a run once the first examples are made; returns its number."""
        self.until(lambda: self.books.jobs.counts().get("done", 0) >= 1)
        return int(self.types("run", target, "--force").split()[-1])

    def kill_everything_in_turn(self, run: int) -> list[Stage]:
        """Until the run ends: in every stage kill -9 to the daemon, then to its workers. The stages left unharmed."""
        return self._kill(
            run, [(stage, kill) for stage in STAGE_ORDER for kill in (self.kill_daemon, self.kill_worker)]
        )

    def kill_one_in_every_stage(self, run: int) -> list[Stage]:
        """Until the run ends: kill -9 to the daemon in one stage, to its workers in the next. The stages unharmed."""
        return self._kill(
            run, list(zip(STAGE_ORDER, itertools.cycle((self.kill_daemon, self.kill_worker)), strict=False))
        )

    def _kill(self, run: int, left: list[tuple[Stage, Callable[[], bool]]]) -> list[Stage]:
        while self.books.jobs.run(run).state == "active":
            job = self.running(run)
            ripe = job is not None and (job.phase or job.stage == "dataset")
            if job is not None and ripe and left and job.stage == left[0][0] and self.is_done_by_this_daemon(job):
                _, kill = left[0]
                if kill():
                    left.pop(0)
            time.sleep(0.01)
        return [stage for stage, _ in left]

    def is_done_by_this_daemon(self, job: Job) -> bool:
        """A job whose daemon died is said to run until the next one has looked."""
        return job.owner is not None and job.owner.pid == self.daemon.pid

    def running(self, run: int) -> Job | None:
        return next((job for job in self.books.jobs.of_run(run) if job.state == "running"), None)

    def end(self, run: int, seconds: float = 600.0) -> Run:
        self.until(lambda: self.books.jobs.run(run).state != "active", seconds)
        return self.books.jobs.run(run)

    def verdict(self, run: int) -> Verdict:
        [job] = [job for job in self.books.jobs.of_run(run) if job.stage == "validate"]
        return msgspec.convert(job.result, ValidationResult).verdict

    def live(self) -> str:
        """The name of the live release."""
        return str((self.root / "releases" / "current").readlink())

    def until(self, condition: Callable[[], bool], seconds: float = 600.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.folder / "iaipd.log").read_text()[-3000:]
            time.sleep(0.05)

    def stop(self) -> None:
        self.daemon.terminate()
        assert self.daemon.wait(timeout=90) == 0
