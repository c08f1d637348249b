"""`iaipctl logs`: what the daemon and a job's process wrote, in words, as JSON, and while it is being written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from daemon.cli.logs import Source
from daemon.ledger.books import open_books
from tests.flow.person import Person


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
    assert "first job=7\n" in told, "what a job's process writes is folded in"
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
        with log.open("a") as file:
            file.write('{"event": "the last before it"}\n')
        log.rename(log.with_suffix(".log.1"))
        log.write_text('{"event": "three"}\n')
        assert json.loads(following.stdout.readline()) == {"event": "the last before it"}
        assert json.loads(following.stdout.readline()) == {"event": "three"}
        following.terminate()


def test_what_a_jobs_process_writes_is_folded_in_by_time_also_of_a_job_that_begins_meanwhile(settled: Person) -> None:
    logs = settled.home / "logs"
    (logs / "jobs").mkdir(parents=True, exist_ok=True)
    (logs / "iaipd.log").write_text('{"timestamp": "2026-01-02T03:04:05.1Z", "event": "job started", "job": 7}\n')
    (logs / "jobs" / "7.log").write_text(
        '{"timestamp": "2026-01-02T03:04:05.2Z", "event": "worker starts", "job": 7}\na warning\n'
    )
    words = [sys.executable, "-m", "daemon.cli", "logs", "-f", "--json"]
    with subprocess.Popen(words, env=settled.environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        first = [json.loads(following.stdout.readline()) for _ in range(3)]
        assert [(line["event"], line["job"]) for line in first] == [
            ("job started", 7), ("worker starts", 7), ("a warning", 7)
        ]  # fmt: skip
        (logs / "jobs" / "8.log").write_text("another\n")
        assert json.loads(following.stdout.readline()) == {"event": "another", "job": 8}
        following.terminate()


def test_the_jobs_that_wrote_last_are_folded_in_however_many_began_after_them(settled: Person) -> None:
    folder = settled.home / "logs" / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    for job in range(5, 45):
        (folder / f"{job}.log").write_text(f"job {job} wrote\n")
        os.utime(folder / f"{job}.log", (job, job))
    os.utime(folder / "5.log", (99, 99))
    jobs = {line["job"] for line in settled.reads("logs", "-n", "100")["lines"]}
    assert jobs == {5, *range(26, 45)}


def test_the_last_lines_are_shown_also_right_after_a_rotation(settled: Person) -> None:
    log = settled.home / "logs" / "iaipd.log"
    log.parent.mkdir(exist_ok=True)
    for number, path in enumerate((log.with_suffix(".log.2"), log.with_suffix(".log.1"), log)):
        path.write_text(f'{{"event": "{number}a"}}\n{{"event": "{number}b"}}\n')
    for most, events in ((1, ["2b"]), (3, ["1b", "2a", "2b"]), (50, ["0a", "0b", "1a", "1b", "2a", "2b"])):
        told = settled.reads("logs", "-n", str(most))
        assert [line["event"] for line in told["lines"]] == events


def test_the_log_of_a_run_holds_what_every_job_of_it_wrote(settled: Person) -> None:
    books = open_books(settled.home / "ledger.sqlite")
    started = books.jobs.start_run("embedding", cause="test", forced=False, now=datetime.now(UTC))
    books.database.close()
    assert started is not None
    run, job = started
    logs = settled.home / "logs"
    (logs / "jobs").mkdir(parents=True, exist_ok=True)
    said = [(1, "job started", run.id), (3, "job settled", run.id), (4, "another run's", run.id + 1)]
    (logs / "iaipd.log").write_text(
        "".join(
            json.dumps({"timestamp": f"2026-01-02T03:04:0{second}.000001Z", "event": event, "run": number}) + "\n"
            for second, event, number in said
        )
    )
    stamp = {"timestamp": "2026-01-02T03:04:02.000001Z", "event": "worker starts", "job": job.id}
    (logs / "jobs" / f"{job.id}.log").write_text(json.dumps(stamp) + "\na warning\n")
    told = [entry["event"] for entry in settled.reads("logs", "--run", str(run.id))["lines"]]
    assert told == ["job started", "worker starts", "a warning", "job settled"]
    assert settled.types("logs", "--run", "99").returncode == 6


def test_lines_of_several_rotations_between_two_looks_are_all_followed(tmp_path: Path) -> None:
    log, one, two = (tmp_path / name for name in ("iaipd.log", "iaipd.log.1", "iaipd.log.2"))
    log.write_text("a\n")
    source = Source(log)
    assert [entry["event"] for entry in source.so_far(10)] == ["a"]
    with log.open("a") as file:
        file.write("b\n")
    log.rename(two)
    one.write_text("c\n")
    log.write_text("d\n")
    assert [entry["event"] for entry in source.more()] == ["b", "c", "d"]
    assert source.more() == []
