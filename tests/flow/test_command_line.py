"""iaipctl as a person meets it: real processes, a real home, QMD's real configuration format."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.ledger.books import Books, open_books, read_books
from daemon.ledger.pace import PaceRecord
from daemon.ledger.records import Owner
from daemon.readings import Readings
from jobs.domain.confinement import WAYS_OUT, Probe, Receipt


class Person:
    """Types commands in a home of their own."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        (self.notes / "été.md").write_text("# L'été\n\nLe lac est libre de glace.\n", "utf-8")
        self.qmd = folder / "qmd"
        self.qmd.mkdir()
        (self.qmd / "index.yml").write_text(
            f"# mine\ncollections:\n  notes:\n    path: {self.notes}\n    pattern: '**/*.md'\n", "utf-8"
        )
        self.home = folder / "home"
        self.environment = {
            **os.environ,
            "IAIP_HOME": str(self.home),
            "QMD_CONFIG_DIR": str(self.qmd),
            "INDEX_PATH": str(self.qmd / "index.sqlite"),
        }

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "daemon.cli", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def reads(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.types(*words, "--json").stdout)
        return found

    def books(self) -> Books:
        return read_books(self.home / "ledger.sqlite")


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


@pytest.fixture
def settled(person: Person) -> Person:
    """After ``iaipctl init``."""
    assert person.types("init").returncode == 0
    return person


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
    assert status["watching"] == {"collections": {}, "missed": 0, "failures": 0, "failure": None}


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
    assert settled.types("releases", "pin", "v9").returncode == 1
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


def test_the_daemons_log_is_shown_in_words_and_as_json(settled: Person) -> None:
    assert settled.types("logs").returncode == 6
    (settled.home / "logs" / "jobs").mkdir(parents=True, exist_ok=True)
    (settled.home / "logs" / "iaipd.log").write_text(
        '{"job": 1, "event": "job started", "level": "info", "timestamp": "2026-01-02T03:04:05.6Z"}\n'
        '{"event": "it broke", "level": "error", "timestamp": "2026-01-02T03:04:06Z", "exception": "one\\ntwo"}\n'
    )
    (settled.home / "logs" / "jobs" / "7.log").write_text("first\n\x1b[31mred\n")
    told = settled.types("logs").stdout
    assert "job started job=1" in told and "error: it broke\n    one\n    two" in told and "\x1b" not in told
    assert settled.types("logs", "--job", "7").stdout == "first\n [31mred\n"
    assert settled.types("logs", "--job", "7", "-n", "1").stdout == " [31mred\n"
    listed = settled.reads("logs", "-n", "1")
    assert (listed["schema"], [line["event"] for line in listed["lines"]]) == ("iaip.logs/1", ["it broke"])
    assert settled.types("logs", "--job", "8").returncode == 6


def test_the_log_of_a_job_holds_what_the_daemon_said_of_it_and_what_its_process_wrote(settled: Person) -> None:
    def line(second: int, event: str, job: int) -> str:
        return json.dumps({"timestamp": f"2026-01-02T03:04:{second:02}.000001Z", "event": event, "job": job}) + "\n"

    logs = settled.home / "logs"
    (logs / "jobs").mkdir(parents=True, exist_ok=True)
    (logs / "iaipd.log.1").write_text(line(1, "job started", 7))
    (logs / "iaipd.log").write_text(line(3, "job settled", 7) + line(4, "job started", 17) + line(5, "job started", 7))
    (logs / "jobs" / "7.log").write_text(
        line(2, "worker starts", 7) + "a warning\n" + line(6, "worker starts", 7) + "b\n"
    )
    told = [entry["event"] for entry in settled.reads("logs", "--job", "7")["lines"]]
    assert told == [
        "job started", "worker starts", "a warning", "job settled", "job started", "worker starts", "b",
    ]  # fmt: skip
    assert [entry["event"] for entry in settled.reads("logs", "--job", "7", "-n", "2")["lines"]] == [
        "worker starts",
        "b",
    ]
    assert [entry["event"] for entry in settled.reads("logs", "--job", "17")["lines"]] == ["job started"]


@pytest.mark.parametrize("lines", ["", "\n\n"])
def test_a_training_window_that_is_no_cron_expression_is_named_with_its_line(settled: Person, lines: str) -> None:
    config = settled.home / "config.toml"
    config.write_text(f'{lines}[schedule]\nwindow = "at night"\n')
    told = settled.types("config", "check")
    where = lines.count("\n") + 2
    assert told.returncode == 1 and f"line {where}: schedule.window: “at night” has 2 fields" in told.stdout
    config.write_text('[schedule]\nwindow = "61 22 * * 5"\n')
    told = settled.types("config", "check")
    assert told.returncode == 1 and "line 2: schedule.window: “61 22 * * 5” is no cron expression" in told.stdout
    assert "every Friday at 22:00" in told.stdout
    config.write_text('[schedule]\nwindow = "0 2 * * *"\n')
    assert settled.types("config", "check").returncode == 0


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
    assert "Better embedding search is live" in settled.types("alerts").stdout


def test_a_followed_log_goes_on_over_its_rotation(settled: Person) -> None:
    log = settled.home / "logs" / "iaipd.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text('{"event": "one"}\n')
    words = [sys.executable, "-m", "daemon.cli", "logs", "-f", "--json"]
    with subprocess.Popen(words, env=settled.environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline()) == {"event": "one"}
        with log.open("a") as file:
            file.write('{"event": "two"}\n')
        assert json.loads(following.stdout.readline()) == {"event": "two"}
        log.rename(log.with_suffix(".log.1"))
        log.write_text('{"event": "three"}\n')
        assert json.loads(following.stdout.readline()) == {"event": "three"}
        following.terminate()


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
        ("releases pin v9", 1, "v9"),
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


def test_settings_are_shown_with_their_origin_and_checked(settled: Person) -> None:
    config = settled.home / "config.toml"
    config.write_text("[watch]\nquiet = 3\n")
    shown = settled.reads("config", "show")
    assert shown["settings"]["watch.quiet"] == {"value": 3.0, "line": 2}
    assert shown["settings"]["dataset.seed"] == {"value": 7, "line": None}
    assert "config.toml, line 2" in settled.types("config").stdout
    assert settled.types("config", "check").returncode == 0
    config.write_text("[watch]\nquite = 3\nat_most = 'x'\n")
    told = settled.types("config", "check")
    assert told.returncode == 1 and "line 2: unknown key watch.quite (did you mean quiet?)" in told.stdout
    assert len(settled.reads("config", "check")["problems"]) == 2
    schema = json.loads(settled.types("config", "schema").stdout)
    assert "WatchSettings" in schema["$defs"], "it needs no good settings"


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


def test_a_mistake_in_the_settings_is_named(settled: Person) -> None:
    (settled.home / "config.toml").write_text("[watch]\nquite = 3\n")
    told = settled.types("init")
    assert told.returncode == 1 and "did you mean quiet?" in told.stderr


def test_how_the_last_job_was_confined_is_said(settled: Person) -> None:
    assert settled.reads("status")["confinement"] is None
    books, now = open_books(settled.home / "ledger.sqlite"), datetime.now(UTC)
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=now)
    assert started is not None
    run, job = started
    good = Receipt(rung="namespace", probes=tuple(Probe(way=way, outcome="EACCES") for way in WAYS_OUT))
    books.receipts.add(job.id, good, now)
    told = settled.reads("status")["confinement"]
    assert (told["job"], told["rung"], told["gaps"], told["digest"]) == (job.id, "namespace", [], good.digest())
    assert [probe["outcome"] for probe in told["probes"]] == ["EACCES"] * len(WAYS_OUT)
    assert "no way out (namespace): 8 ways out tried" in settled.types("why", "job", str(job.id)).stdout
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


def test_a_person_classifies_consents_and_sees_what_is_in_and_why(settled: Person) -> None:
    folder = str(settled.notes)
    assert settled.reads("consent", "coverage")["reasons"] == {"unclassified": 1}
    shown = settled.types("consent", "classify", folder, "--as", "personal")
    assert "unclassified" in shown.stdout and "--yes" in shown.stderr
    assert settled.reads("consent", "coverage")["reasons"] == {"unclassified": 1}, "asking changes nothing"
    settled.types("consent", "classify", "notes", "--as", "personal", "--yes")
    assert settled.reads("consent", "coverage")["reasons"] == {"no consent of a person": 1}
    granted = settled.reads("consent", "grant", "--person", "me", "--folder", folder, "--uses", "embed,evaluate")
    assert (granted["schema"], granted["record"], granted["revision"]) == ("iaip.consent-grant/1", "me", 2)
    [document] = settled.reads("consent", "coverage")["documents"]
    assert (document["uses"], document["consents"], document["reason"]) == (["embed", "evaluate"], ["me@2"], "")


def test_a_record_changed_by_hand_counts_after_its_import_and_a_touched_log_is_told(settled: Person) -> None:
    settled.types("consent", "classify", "notes", "--as", "personal", "--yes")
    settled.types("consent", "grant", "--person", "me", "--folder", "notes")
    record = settled.home / "consent" / "me.toml"
    record.write_text(record.read_text("utf-8").replace('"expand", ', ""), "utf-8")
    assert settled.reads("consent", "coverage")["not_imported"] == {"me.toml": "changed"}
    assert settled.reads("consent", "import")["imported"] == [{"file": "me.toml", "action": "import", "revision": 3}]
    assert settled.reads("consent", "coverage")["uses"] == {"embed": 1, "evaluate": 1}
    report = settled.types("consent", "report", "--language", "fr").stdout
    assert "Rapport sur les consentements" in report and "me@3" in report
    assert settled.types("consent", "export", "me", str(settled.home.parent / "out")).returncode == 0
    assert (settled.home.parent / "out" / "records" / "me.toml").exists()
    assert settled.types("consent", "verify").returncode == 0
    log = settled.home / "consent" / "log.jsonl"
    log.write_text(log.read_text("utf-8").replace("personal", "public"), "utf-8")
    told = settled.types("consent", "verify")
    assert told.returncode == 1 and "BROKEN" in told.stdout and "next:" in told.stderr
    assert settled.types("consent", "coverage").returncode == 1


def test_labels_of_a_project_need_a_steward(settled: Person) -> None:
    label = {"unique_id": "l-1", "label_type": "family", "name": "TK F", "label_text": "Ask.", "community": "A Nation"}
    export = settled.home.parent / "project.json"
    export.write_text(json.dumps({"unique_id": "p-1", "title": "T", "tk_labels": [label], "bc_labels": []}))
    made = settled.reads("consent", "labels", str(export), "--folder", "notes")
    mapping = Path(made["mapping"])
    assert settled.types("consent", "labels", str(export), "--mapping", str(mapping)).returncode != 0
    text = mapping.read_text("utf-8").replace('classification = ""', 'classification = "community"')
    text = text.replace("uses = []", 'uses = ["embed"]').replace("confirmed = false", "confirmed = true")
    text = text.replace('contact = ""', 'contact = "office"').replace('signed_by = ""', 'signed_by = "A. Elder"')
    mapping.write_text(text, "utf-8")
    taken = settled.reads("consent", "labels", str(export), "--mapping", str(mapping))
    assert taken["imported"] == ["local-contexts-p-1.toml", "policy.toml"]
    assert settled.reads("consent", "coverage")["uses"] == {"embed": 1}


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


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
