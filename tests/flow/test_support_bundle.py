"""A support bundle tells what iaip is and did, and not one word of the person's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.ledger.books import open_books
from daemon.ledger.records import Owner, StoredAnswer
from jobs.domain.corpus import DocumentId
from jobs.domain.scan import Known, Seen

CANARIES = (
    "CANARYTEXT", "CANARYNAME", "CANARYFOLDER", "CANARYCOLLECTION", "CANARYQUERY", "CANARYPATH", "CANARYSECRET",
    "CANARYCONSENT", "CANARYREASON",
)  # fmt: skip


class Troubled:
    """A home in which every place that a person's words can reach holds some."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        notes = folder / "CANARYFOLDER family" / "CANARYPATH"
        notes.mkdir(parents=True)
        (notes / "CANARYNAME of mine.md").write_text("# CANARYTEXT\n\nCANARYTEXT about it.\n")
        (folder / "qmd").mkdir()
        (folder / "qmd" / "index.yml").write_text(
            f"collections:\n  CANARYCOLLECTION:\n    path: {notes}\n    pattern: '**/*.md'\n"
        )
        self.environment = {
            **os.environ,
            "IAIP_HOME": str(self.home),
            "QMD_CONFIG_DIR": str(folder / "qmd"),
            "INDEX_PATH": str(folder / "qmd" / "index.sqlite"),
            "API_TOKEN": "CANARYSECRET",
        }
        assert self.types("init").returncode == 0
        (self.home / "config.toml").write_text(
            f'[qmd]\npackage = "{folder}/CANARYPATH"\n\n[watch]\nquiet = 3\nexcluded_folders = ["CANARYFOLDER"]\n'
        )
        (self.home / "consent" / "CANARYCONSENT.toml").write_text('holder = "CANARYCONSENT"\n')
        judged = self.home / "evaluation" / "CANARYQUERY"
        judged.mkdir(parents=True)
        (judged / "queries.jsonl").write_text('{"_id": "1", "text": "CANARYQUERY"}\n')
        self.live_through(notes)
        self.log(notes)

    def live_through(self, notes: Path) -> None:
        books, now = open_books(self.home / "ledger.sqlite"), datetime.now(UTC)
        note = DocumentId(collection="CANARYCOLLECTION", path="CANARYNAME of mine.md")
        books.knowledge.apply([Seen(id=note, known=Known(size=1, mtime_ns=1, inode=1, sha256="x"))], [])
        books.knowledge.set_fact("consent-problem", "CANARYCONSENT.toml cannot be read")
        watching: dict[str, Any] = {
            "collections": {"CANARYCOLLECTION": "events"},
            "failure": f"PermissionError: {notes}/CANARYNAME",
        }
        watching |= {"told": "collection CANARYREASON has no path", "remedy": "mend CANARYREASON"}
        books.knowledge.set_fact("watching", json.dumps({**watching, "missed": 0, "failures": 1}))
        started = books.jobs.start_run("embedding", cause="CANARYREASON", forced=False, now=now)
        assert started is not None
        run, job = started
        claimed = books.jobs.claim(job.id, Owner(boot="b", pid=1, started=1.0), now)
        assert claimed is not None
        answer = StoredAnswer(
            arm="current",
            query_set="CANARYQUERY",
            query="CANARYQUERY",
            metrics={},
            documents=(str(note),),
            milliseconds=1,
        )
        books.results.store(run.id, [answer])
        books.jobs.end_run(run.id, "failed", None, "CANARYREASON", now)
        books.alerts.post("failed", "CANARYREASON", f"{notes} broke", now, about="embedding")
        books.database.row("UPDATE job SET error = 'CANARYTEXT', remedy = 'CANARYTEXT' WHERE id = ?", job.id)
        books.database.close()

    def log(self, notes: Path) -> None:
        lines: list[Any] = [
            {"event": "job started", "job": 7, "level": "info", "timestamp": "2026-01-02T03:04:05Z"},
            {"event": f"cannot read {notes}/CANARYNAME of mine.md", "level": "warning"},
            {"event": "an attempt broke", "level": "error", "reason": "CANARYREASON", "exception": (
                'Traceback (most recent call last):\n  File "/opt/iaip/daemon/watch.py", line 77, in look\n'
                "FileNotFoundError: CANARYNAME of mine.md")},
        ]  # fmt: skip
        (self.home / "logs" / "jobs").mkdir(parents=True, exist_ok=True)
        (self.home / "logs" / "iaipd.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        (self.home / "logs" / "jobs" / "1.log").write_text("CANARYTEXT\n")

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "daemon.cli", *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def troubled(tmp_path: Path) -> Troubled:
    return Troubled(tmp_path)


def parts(file: Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        return {Path(name).stem: json.loads(archive.read(name)) for name in archive.namelist()}


def test_no_word_of_the_person_is_in_it_and_what_helps_is(troubled: Troubled) -> None:
    told = troubled.types("support-bundle", "help.zip")
    assert told.returncode == 0, told.stderr
    found = parts(troubled.folder / "help.zip")
    whole = json.dumps(found)
    assert [canary for canary in CANARIES if canary in whole] == []
    assert str(troubled.folder) not in whole
    assert [part for part in found.values() if isinstance(part, dict) and "failed" in part] == []
    assert {finding["check"] for finding in found["doctor"]} >= {"home", "notes", "disk"}
    assert "collection-1: readable" in json.dumps(found["doctor"])
    assert found["config"]["watch.quiet"] == 3.0 and found["config"]["qmd.package"] == "…"
    assert found["ledger"]["rows"]["document"] == 1 and found["ledger"]["alerts"] == {"failed": 1}
    assert found["ledger"]["last_jobs"][0]["stage"] == "dataset"
    assert found["status"]["live"]["release"] == "v0" and found["status"]["watching"]["collections"] == {
        "collection-1": "events"
    }
    first, second, third = found["log"]
    assert first == {"event": "job started", "job": 7, "level": "info", "timestamp": "2026-01-02T03:04:05Z"}
    assert second["level"] == "warning" and third["exception"] == ["watch.py:77"]


def test_it_says_before_and_after_what_is_inside(troubled: Troubled) -> None:
    told = troubled.types("support-bundle", "help.zip")
    assert "It will hold:" in told.stderr and "no note's text or name" in told.stderr
    for name in parts(troubled.folder / "help.zip"):
        assert name in told.stderr and f"{name}.json" in told.stdout
    assert (troubled.folder / "help.zip").stat().st_mode & 0o077 == 0
    listed = json.loads(troubled.types("support-bundle", "again.zip", "--json").stdout)
    assert listed["schema"] == "iaip.support-bundle/1" and "doctor.json" in listed["files"]


def test_nothing_is_ever_overwritten(troubled: Troubled) -> None:
    mine = troubled.folder / "mine.zip"
    mine.write_text("mine")
    told = troubled.types("support-bundle", str(mine))
    assert told.returncode == 5 and "is there already" in told.stderr and mine.read_text() == "mine"
    assert troubled.types("support-bundle", str(troubled.folder / "no" / "such.zip")).returncode == 5


def test_on_a_bad_day_it_holds_what_can_be_told(troubled: Troubled) -> None:
    (troubled.home / "ledger.sqlite").write_bytes(b"CANARYTEXT is no ledger" * 100)
    (troubled.home / "config.toml").write_text('CANARYSECRET = "CANARYSECRET"\n')
    assert troubled.types("support-bundle", "help.zip").returncode == 0
    found = parts(troubled.folder / "help.zip")
    assert [canary for canary in CANARIES if canary in json.dumps(found)] == []
    assert found["ledger"] == {"failed": "Damaged"} and found["config"] == {"problems": 1}
    assert found["versions"]["iaip"] and found["log"]


def test_before_init_it_is_made_all_the_same(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "daemon.cli", "--home", str(tmp_path / "none"), "support-bundle", "x.zip"]
    told = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0 and parts(tmp_path / "x.zip")["status"] == {"failed": "BadInput"}
    assert not (tmp_path / "none").exists()
