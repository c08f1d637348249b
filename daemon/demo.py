"""make demo: the whole loop on real parts, in a folder of its own, through the product's own commands.

Real notes, real QMD, the real daemon, real training. Nothing outside ``.demo/`` is touched: a folder
given with --kb is copied first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from config.paths import Home
from daemon.cli.result import table
from daemon.cli.root import Context
from daemon.cli.status import job_line
from daemon.demo_notes import MANUALS, choose_manuals, choose_notes, copy_notes, markdown
from daemon.web.reading import judged_sets
from jobs.adapters.qmd_command import QmdCommand
from jobs.adapters.qmd_process import QmdTools
from jobs.domain.artifacts import ReleaseMetadata
from jobs.index_file import copy_index
from jobs.release_publishing import publish_release

PROJECT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
QUIET_SECONDS = 10.0
BASES = {"embed": "all-minilm-l6-v2", "generate": "smollm2-135m-instruct"}
CONFIGURATION = """\
# A faster pulse than the defaults, so that the loop fits into a few minutes on a small machine.
[watch]
quiet = 1.0

[schedule]
new_pairs = 1000000  # the demo starts its runs by hand, one after the other
new_expansions = 1000000

[disk]
reserve = 500000000  # so that it runs on a small disk too

[embedding]
max_tokens = 128

[governor]
while_in_use = "run"  # somebody sits here and waits for it
on_battery = "run"

[dataset]
most_test_queries = 150
most_expansion_queries = 20
"""
SMALL_FOLDER = """\
minimum_pairs = 60  # so that a small folder gets to a verdict; the product asks for 500 and 100
minimum_expansions = 20
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--kb", type=Path, help="a folder of Markdown (default: the manuals of the installed tools)")
    parser.add_argument("--folder", type=Path, default=PROJECT / ".demo", help="where the demo lives")
    options = parser.parse_args()
    began = time.monotonic()
    knowledge_base = options.kb and options.kb.expanduser().absolute()
    if knowledge_base and knowledge_base.resolve().is_relative_to(options.folder.resolve()):
        say(f"{knowledge_base} lies in the demo's own folder, which it makes anew. Copy it out, then name the copy")
        return 2
    notes = choose_notes(knowledge_base) if knowledge_base else choose_manuals()
    if not notes:
        say(f"There is no Markdown in {knowledge_base or MANUALS}. Name a folder of notes: make demo KB=path")
        return 2
    try:
        Demo(options.folder.absolute(), notes, knowledge_base).play()
    except subprocess.CalledProcessError as error:
        say(f"stopped: `{' '.join(map(str, error.cmd))}` ended with {error.returncode}; logs are in {options.folder}")
        return 1
    except KeyboardInterrupt:
        say("stopped; nothing outside the demo's folder was touched")
        return 130
    say(f"The whole loop took {(time.monotonic() - began) / 60:.1f} minutes.")
    return 0


class Demo:
    def __init__(self, folder: Path, chosen: Sequence[Path], knowledge_base: Path | None) -> None:
        """``knowledge_base``: the folder that was named, if one was."""
        self.folder = folder
        self.chosen = chosen
        self.given = knowledge_base
        self.notes = folder / "notes"
        self.home = Home(root=folder / "home")
        self.context = Context(self.home)
        self.environment = {
            **os.environ,
            "IAIP_HOME": str(self.home.root),
            "QMD_CONFIG_DIR": str(folder / "qmd"),
            "INDEX_PATH": str(folder / "qmd" / "index.sqlite"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def play(self) -> None:
        self.set_the_scene()
        with self.daemon():
            self.edit_a_note()
            for target in ("embedding", "expansion"):
                self.train(target)
            self.take_it_back()
        say("Stopped in order. Look around: " + f"IAIP_HOME={self.home.root} .venv/bin/iaipctl status")

    def set_the_scene(self) -> None:
        say("1. A knowledge base, and a QMD that searches it with untrained models")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.home.root.mkdir(parents=True)
        self.home.config_file.write_text(CONFIGURATION + (SMALL_FOLDER if self.given else ""), "utf-8")
        copy_notes(self.chosen, self.given or MANUALS, self.notes)
        more = len(markdown(self.given)) - len(self.chosen) if self.given else 0
        left = f"; {more} more are left out, to keep the demo short" if more else ""
        say(f"   {len(self.chosen)} Markdown files from {self.given or 'the manuals of the installed tools'}{left}")
        with ThreadPoolExecutor() as at_once:
            models = dict(zip(BASES, at_once.map(self.untrained, BASES.values()), strict=True))
        configuration = "collections:\n" + f"  notes:\n    path: {self.notes}\n    pattern: '**/*.md'\nmodels:\n"
        configuration += "".join(f"  {role}: {path}\n" for role, path in models.items())
        (self.folder / "qmd").mkdir()
        (self.folder / "qmd" / "index.yml").write_text(configuration, "utf-8")
        self.index()
        self.show("init")
        self.consent()

    def untrained(self, base: str) -> str:
        """A base as QMD reads it."""
        return self.iaipctl("models", "gguf", base, str(self.folder / "models"))

    def consent(self) -> None:
        """The tools' manuals are public; a person's own notes are theirs to allow."""
        word = "personal" if self.given else "public"
        self.show("consent", "classify", "notes", "--as", word, "--yes")
        if self.given:
            self.show("consent", "grant", "--person", "me", "--folder", "notes", "--uses", "embed,expand,evaluate")
        self.show("consent", "coverage")

    def index(self) -> None:
        """As its owner would: `qmd update`, then `qmd embed`."""
        say("$ qmd update && qmd embed")
        tools = QmdTools.find(self.context.settings.qmd)
        command = QmdCommand(tools, self.folder / "qmd" / "index.yml", self.folder / "qmd" / "index.sqlite")
        command.update()
        command.embed()

    @contextmanager
    def daemon(self) -> Iterator[None]:
        say("2. The daemon")
        log = (self.folder / "iaipd.log").open("ab")
        daemon = subprocess.Popen(
            [sys.executable, "-m", "daemon"], env=self.environment, stdout=log, stderr=log, cwd=PROJECT
        )
        try:
            self.until(lambda: self.context.books.knowledge.fact("last-scan") is not None, "the first scan")
            self.until(lambda: self.refreshes() >= 1, "the first examples", 300.0)
            self.show("status")
            yield
        finally:
            daemon.terminate()
            daemon.wait(timeout=120)
            log.close()

    def edit_a_note(self) -> None:
        say("3. A note is edited; the daemon notices by itself")
        note = min(self.notes.rglob("*.md"))
        self.until(lambda: not self.context.books.jobs.in_state("queued", "running"), "the first examples", 300.0)
        before, began = self.refreshes(), time.monotonic()
        with note.open("a", encoding="utf-8") as file:
            file.write("\n## Où trouver les clés du canot\n\nLes clés du canot sont derrière la porte du hangar.\n")
        self.until(lambda: self.refreshes() > before, "the edit", 120.0)
        say(f"   its examples were made anew {time.monotonic() - began:.1f} s after it was saved")

    def train(self, target: str) -> None:
        number = {"embedding": "4", "expansion": "5"}[target]
        say(f"{number}. {target}: dataset → baseline → train → export → validate → deploy")
        run = int(self.show("run", target, "--force").split()[-1])
        self.follow(run)
        jobs = self.context.books.jobs
        if any(job.stage == "validate" and job.state == "done" for job in jobs.of_run(run)):
            self.show("verdict", str(run))
            print(self.before_and_after(run), flush=True)
        say(f"   run {run}: {jobs.run(run).outcome or jobs.run(run).state}: {jobs.run(run).reason}")

    def follow(self, run: int) -> None:
        """Live progress: one line, rewritten on a terminal; a line per stage and every ten seconds elsewhere."""
        shown, stage, printed = "", "", 0.0
        jobs = self.context.books.jobs
        while jobs.run(run).state == "active":
            running = next((job for job in jobs.of_run(run) if job.state == "running"), None)
            line = job_line(running) if running else "waiting"
            due = running is not None and (running.stage != stage or time.monotonic() - printed > QUIET_SECONDS)
            if sys.stdout.isatty() and line != shown:
                print(f"\r\x1b[K   {line}", end="", flush=True)
            elif running and due and line != shown:
                print(f"   {line}", flush=True)
                stage, printed = running.stage, time.monotonic()
            shown = line
            time.sleep(0.3)
        print(end="\r\x1b[K" if sys.stdout.isatty() else "", flush=True)

    def before_and_after(self, run: int) -> str:
        """The queries that moved most, either way, with the rank of the note that answers them."""
        judged = judged_sets(self.context.books, run, self.context.held_out)
        assert judged is not None
        texts = {(s.name, q.id): q for s in judged[0].sets for q in s.queries}
        found = {(a.query_set, a.query, a.arm): a for a in self.context.books.results.answers(run)}
        rows = []
        for (name, query, arm), after in found.items():
            if arm == "candidate" and (name, query, "current") in found:
                before = found[(name, query, "current")]
                change = after.metrics["nDCG@10"] - before.metrics["nDCG@10"]
                relevant = texts[(name, query)].relevant
                ranks = [rank(answer.documents, relevant) for answer in (before, after)]
                rows.append((change, [texts[(name, query)].text[:60], *ranks]))
        rows.sort(key=lambda row: -row[0])
        return table(["query", "rank before", "rank after"], [row for _, row in [*rows[:4], *rows[-2:]]])

    def take_it_back(self) -> None:
        say("6. One command takes it all back, and forward again")
        releases = self.context.releases
        if releases.live() == "v0":
            say("   no candidate went live, so v0 is as it was; to show the switch, a copy of it becomes v1")
            self.publish_a_copy()
        live = releases.live()
        assert live is not None
        self.show("releases")
        self.show("rollback")
        self.show("rollback", "--to", live)
        self.show("status")

    def publish_a_copy(self) -> None:
        releases = self.context.releases
        first = releases.release("v0")
        text = (first.directory / "qmd" / "index.yml").read_text("utf-8")
        index = first.directory / "index" / "index.sqlite"
        copy = ReleaseMetadata(name="v1", created_at=datetime.now(UTC), targets=first.metadata.targets)
        publish_release(releases, copy, text, lambda path: copy_index(index, path))
        releases.switch("v1")
        releases.confirm("v1")

    def refreshes(self) -> int:
        row = self.context.books.database.row(
            "SELECT count(*) AS n FROM job WHERE stage = 'dataset' AND run IS NULL AND state = 'done'"
        )
        assert row is not None
        return int(row["n"])

    def until(self, condition: object, what: str, seconds: float = START_SECONDS) -> None:
        assert callable(condition)
        deadline = time.monotonic() + seconds
        while not (self.home.ledger.exists() and condition()):
            if time.monotonic() > deadline:
                raise SystemExit(f"waited {seconds:.0f} s in vain for {what}; read {self.folder / 'iaipd.log'}")
            time.sleep(0.1)

    def iaipctl(self, *words: str) -> str:
        command = [sys.executable, "-m", "daemon.cli", *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, cwd=PROJECT, timeout=3600, check=False
        )
        if done.returncode:
            say(done.stderr)
            done.check_returncode()
        return done.stdout.strip()

    def show(self, *words: str) -> str:
        """Types a command, as a person would, and shows what it answers."""
        print(f"$ iaipctl {' '.join(words)}", flush=True)
        answer = self.iaipctl(*words)
        print("\n".join(f"   {line}" for line in answer.splitlines()), flush=True)
        return answer


def rank(documents: tuple[str, ...], relevant: dict[str, int]) -> str:
    return next((str(place) for place, name in enumerate(documents, 1) if name in relevant), "not in 10")


def say(text: str) -> None:
    print(f"\n{text}" if text[0].isdigit() else text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
