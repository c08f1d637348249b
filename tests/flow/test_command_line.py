"""iaipctl as a person meets it: real processes, a real home, QMD's real configuration format."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.ledger.books import open_books
from daemon.ledger.pace import PaceRecord
from daemon.ledger.records import Owner
from daemon.readings import Readings
from jobs.domain.confinement import WAYS_OUT, Probe, Receipt
from tests.flow.person import Person, wait_for


def test_before_init_every_command_says_what_to_do(person: Person) -> None:
    for command in ("status", "queue", "verdict"):
        told = person.types(command)
        assert told.returncode == 1 and "iaipctl init" in told.stderr


def test_init_without_a_qmd_configuration_says_how_to_make_one(person: Person) -> None:
    (person.qmd / "index.yml").unlink()
    told = person.types("init")
    assert told.returncode == 1 and "qmd collection add" in told.stderr


def test_init_adopts_and_can_be_repeated(person: Person) -> None:
    for _ in range(2):
        assert person.types("init").returncode == 0
    assert (person.qmd / "index.yml").is_symlink()
    assert (person.qmd / "index.yml").read_text("utf-8").startswith("# mine")


def test_status_answers_with_the_daemon_down_and_says_so(settled: Person) -> None:
    told = settled.types("status")
    assert told.returncode == 3 and "not running" in told.stdout


def test_status_as_json_is_a_contract(settled: Person) -> None:
    status = settled.reads("status")
    assert status["schema"] == "iaip.status/1"
    assert status["daemon"]["running"] is False
    assert status["live"]["release"] == "v0"
    assert status["running"] is None
    assert set(status["queue"]) == {"queued", "running", "paused", "done", "failed", "cancelled", "quarantined"}
    assert status["pace"] is None, "nobody looks at the machine while the daemon is down"
    assert status["alerts"]["unread"] == 0
    assert status["disk"]["free"] > 0 and status["disk"]["waits"] is None
    assert status["last_scan"] is None
    well = {"collections": {}, "missed": 0, "failures": 0, "failure": None, "told": None, "remedy": None}
    assert status["watching"] == well


def test_releases_as_json_is_a_contract(settled: Person) -> None:
    releases = settled.reads("releases")
    assert releases["schema"] == "iaip.releases/1"
    [v0] = releases["releases"]
    assert (v0["name"], v0["state"], v0["targets"], v0["gain"]) == ("v0", "live", {}, None)
    assert v0["created_at"] and v0["pinned"] is False


def test_a_pin_is_set_and_shown(settled: Person) -> None:
    assert settled.reads("releases", "pin", "v0") == {"schema": "iaip.releases/1", "name": "v0", "pinned": True}
    assert "live, pinned" in settled.types("releases").stdout
    assert settled.types("releases", "unpin", "v0").returncode == 0
    assert "pinned" not in settled.types("releases").stdout
    assert settled.types("releases", "pin", "v9").returncode == 6
    assert settled.types("releases", "pin").returncode == 2


def leave_something(person: Person) -> Path:
    left = person.home / "stages" / "baseline-0123456789abcdef"
    left.mkdir(parents=True)
    (left / "index.sqlite").write_bytes(b"x" * 100_000)
    return left


def test_gc_says_first_and_then_clears_with_the_daemon_down(settled: Person) -> None:
    left = leave_something(settled)
    told = settled.reads("gc", "--dry-run")
    assert told["schema"] == "iaip.gc/1" and told["done"] is False and told["bytes"] >= 100_000
    [item] = told["items"]
    assert (item["kind"], item["name"]) == ("stage", left.name)
    assert left.exists()
    assert settled.reads("gc") == {**told, "done": True}
    assert not left.exists()
    assert settled.types("gc").stdout == "nothing to clear away\n"


def test_a_job_that_waits_for_room_is_said_in_status(settled: Person) -> None:
    (settled.home / "config.toml").write_text("[disk]\nreserve = 1000000000000000\n")
    books = open_books(settled.home / "ledger.sqlite")
    run = books.jobs.start_run("embedding", cause="test", forced=False, now=datetime.now(UTC))
    assert run is not None
    books.database.row("UPDATE job SET stage = 'baseline' WHERE id = ?", run[1].id)
    books.database.close()
    daemon = subprocess.Popen([sys.executable, "-m", "daemon"], env=settled.environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: settled.reads("status")["disk"]["waits"] is not None)
        assert "waits for room" in settled.types("status").stdout
        assert "waits for room" in settled.types("why", "job", str(run[1].id)).stdout
        wait_for(lambda: settled.reads("status")["queue"]["queued"] == 1)  # a refresh after the scan does its work
        left = leave_something(settled)
        assert settled.types("gc").returncode == 0 and not left.exists(), "by the daemon, now or just before for room"
    finally:
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0


def test_alerts_are_read_and_marked_with_the_daemon_down(settled: Person) -> None:
    books = open_books(settled.home / "ledger.sqlite")
    books.alerts.post("failed", "A job failed", "The live search is untouched", datetime.now(UTC))
    books.database.close()
    listed = settled.reads("alerts")
    assert listed["schema"] == "iaip.alerts/1"
    assert [(one["kind"], one["title"], one["acknowledged_at"]) for one in listed["alerts"]] == [
        ("failed", "A job failed", None)
    ]
    assert "A job failed" in settled.types("alerts").stdout
    assert settled.types("alerts", "ack", "1", "--all").returncode == 2, "some or all?"
    for words in ((), ("--all",), ("1",)):
        assert settled.types("alerts", "ack", *words).returncode == 3
    requests = [json.loads(request.read_bytes()) for request in (settled.home / "requests").glob("*.json")]
    assert requests == [{"action": "acknowledge", "argument": {"alerts": [1]}}] * 3


def test_alerts_speak_the_language_of_the_terminal(settled: Person) -> None:
    books = open_books(settled.home / "ledger.sqlite")
    books.alerts.post("promoted", "Better embedding search is live", "v3 is live", datetime.now(UTC), about="embedding")
    books.alerts.post("of tomorrow", "A new kind", "of alert", datetime.now(UTC))
    books.database.close()
    settled.environment |= {"LC_ALL": "fr_CA.UTF-8"}
    told = settled.types("alerts").stdout
    assert "Une meilleure recherche est en service (vectorisation)" in told and "`iaipctl rollback` revient" in told
    assert "v3 is live" in told and "A new kind" in told, "what happened exactly is in the ledger's own words"
    assert settled.reads("alerts")["alerts"][1]["title"] == "Better embedding search is live", "JSON does not translate"
    assert settled.types("status").stdout.splitlines()[-1].startswith("alerts   2 unread: A new kind")
    settled.environment |= {"LC_ALL": "en_CA.UTF-8"}
    told = settled.types("alerts").stdout
    assert "Better embedding search is live" in told and "v3 is live" in told
    assert "`iaipctl verdict` compares, `iaipctl rollback` goes back." in told, "what to do next, in English too"


@pytest.mark.parametrize("words", ["status", "--help", "logs -f", "config schema", "logs --json -n 5000"])
def test_a_pipe_closed_early_is_quiet(settled: Person, words: str) -> None:
    log = settled.home / "logs" / "iaipd.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text('{"event": "again and again"}\n' * 5000)
    read, write = os.pipe()
    os.close(read)
    told = subprocess.run(
        [sys.executable, "-m", "daemon.cli", *words.split()],
        env=settled.environment,
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (told.returncode, told.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        ("releases pin v9", 6, "v9"),
        ("rollback --to v9", 6, "v9"),
        ("why v9", 6, "v9"),
        ("verdict 99", 6, "no run 99"),
        ("queue show 99", 6, "no job 99"),
        ("rollback", 5, "no earlier release"),
        ("queue fly", 2, "invalid choice"),
        ("fly", 2, "invalid choice"),
    ],
)
def test_an_error_is_a_document_too(settled: Person, words: str, code: int, word: str) -> None:
    told = settled.types(*words.split(), "--json")
    error = json.loads(told.stdout)
    assert (told.returncode, error["code"], error["schema"], told.stderr) == (code, code, "iaip.error/1", "")
    assert word in error["message"] and "iaipctl" in error["next"]


def test_a_verdict_that_is_not_there_yet_is_said(settled: Person) -> None:
    told = settled.types("verdict")
    assert told.returncode == 6 and "iaipctl run embedding" in told.stderr


def test_rollback_with_nothing_before_is_refused_in_words(settled: Person) -> None:
    told = settled.types("rollback")
    assert told.returncode == 5 and "no earlier release" in told.stderr
    assert "next:" in told.stderr


def test_a_run_asked_for_while_the_daemon_is_down_waits_for_it(settled: Person) -> None:
    told = settled.types("run", "embedding")
    assert told.returncode == 3 and "iaipd" in told.stderr
    [request] = (settled.home / "requests").glob("*.json")
    assert json.loads(request.read_bytes()) == {"action": "run", "argument": {"target": "embedding", "forced": False}}
    assert settled.books().jobs.counts() == {}, "the command line writes nothing into the ledger"


def test_an_unknown_job_is_not_found(settled: Person) -> None:
    assert settled.types("queue", "show", "99").returncode == 6


def test_how_the_last_job_was_confined_is_said(settled: Person) -> None:
    assert settled.reads("status")["confinement"] is None
    books, now = open_books(settled.home / "ledger.sqlite"), datetime.now(UTC)
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=now)
    assert started is not None
    run, job = started
    good = Receipt(
        rung="namespace", files="landlock", probes=tuple(Probe(way=way, outcome="EACCES") for way in WAYS_OUT)
    )
    books.receipts.add(job.id, good, now)
    told = settled.reads("status")["confinement"]
    assert (told["job"], told["rung"], told["gaps"], told["digest"]) == (job.id, "namespace", [], good.digest())
    assert [probe["outcome"] for probe in told["probes"]] == ["EACCES"] * len(WAYS_OUT)
    assert "no way out (namespace): 10 ways out tried" in settled.types("why", "job", str(job.id)).stdout
    books.receipts.add(job.id, Receipt(rung="none", probes=()), now)
    assert "open: no sandbox, tcp-parent" in settled.types("status").stdout
    books.jobs.end_run(run.id, "failed", None, "not started", now)
    assert settled.types("wait", str(run.id)).returncode == 5


def test_why_a_job_waits_is_said(settled: Person) -> None:
    books, now = open_books(settled.home / "ledger.sqlite"), datetime.now(UTC)
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=now)
    assert started is not None
    light = books.jobs.claim(started[1].id, Owner(boot="b", pid=1, started=1.0), now)
    assert light is not None
    assert books.jobs.finish(light, {}, "baseline", now)
    [heavy] = books.jobs.in_state("queued")
    books.pace.add(
        PaceRecord(at=now, since=now, action="pause", rest=0.0, reason="thermal pressure is heavy", readings=Readings())
    )
    assert "not started yet: thermal pressure is heavy" in settled.types("why", "job", str(heavy.id)).stdout
    assert "thermal" not in settled.types("why", "job", str(light.id)).stdout
    books.jobs.claim(heavy.id, Owner(boot="b", pid=1, started=1.0), now)
    assert "pace pause  thermal pressure is heavy" in settled.types("why", "job", str(heavy.id)).stdout


@pytest.mark.parametrize(
    "command",
    [
        *"init install uninstall start stop restart doctor status run wait".split(),
        *"queue verdict releases rollback gc ledger alerts logs config completions why ui models consent".split(),
        *"evaluation support-bundle".split(),
    ],
)
def test_every_command_explains_itself(person: Person, command: str) -> None:
    told = person.types(command, "--help")
    assert told.returncode == 0 and f"iaipctl {command}" in told.stdout


def test_the_daemon_notices_an_edit_and_a_second_daemon_is_refused(settled: Person) -> None:
    (settled.home / "config.toml").write_text("[watch]\nquiet = 0.2\n")
    daemon = subprocess.Popen(
        [sys.executable, "-m", "daemon"], env=settled.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        books = settled.books()
        wait_for(lambda: books.jobs.counts().get("done", 0) >= 1)
        told = settled.types("status")
        assert told.returncode == 0 and "pace     " in told.stdout
        pace = settled.reads("status")["pace"]
        assert pace["action"] in ("run", "slow", "pause", "checkpoint-and-exit") and pace["reason"]
        assert isinstance(pace["readings"]["free_disk"], int)
        second = subprocess.run(
            [sys.executable, "-m", "daemon"],
            env=settled.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 5 and "already serves this home" in second.stderr
        done = books.jobs.counts()["done"]
        (settled.notes / "hiver.md").write_text("# L'hiver\n\nLa route de glace est ouverte.\n", "utf-8")
        wait_for(lambda: books.jobs.counts()["done"] > done)
        assert books.knowledge.count() == 2
        status = settled.reads("status")
        assert status["watching"]["collections"] == {"notes": "events"}
        assert (status["last_scan"]["cause"], status["last_scan"]["doubted"]) == ("change", {})
    finally:
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0
