"""The daemon's log: JSON lines that name their job, and no word of anybody's exception."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest
import structlog

from daemon.system import logs
from daemon.system.logs import log_to


@pytest.fixture
def lines(tmp_path: Path):
    before = (list(logging.getLogger().handlers), logging.getLogger().level)
    path = tmp_path / "logs" / "iaipd.log"
    log_to(path, terminal=False)
    yield lambda: [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for handler in logging.getLogger().handlers:
        handler.close()
    logging.getLogger().handlers, _ = before
    logging.getLogger().setLevel(before[1])
    structlog.reset_defaults()


def test_every_line_inside_names_the_job_and_its_run(lines) -> None:
    with structlog.contextvars.bound_contextvars(job=7, run=3):
        structlog.get_logger().info("job started", attempt=1)
        logging.getLogger("a.library").warning("odd")
    structlog.get_logger().info("iaipd is running")
    first, second, third = lines()
    assert (first["job"], first["run"], first["event"], first["level"]) == (7, 3, "job started", "info")
    assert (second["job"], second["event"]) == (7, "odd") and "job" not in third
    assert all(line["timestamp"].endswith("Z") for line in (first, second, third))


def test_the_log_of_a_job_keeps_its_last_lines_however_much_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(logs, "LONGEST_OF_A_JOB", 10_000)
    monkeypatch.setattr(logs, "KEPT_OF_A_JOB", 1_000)
    with (tmp_path / "7.log").open("a+b") as log, (tmp_path / "7.log").open("ab", buffering=0) as worker:
        for number in range(5_000):
            worker.write(b"a warning, number %d\n" % number)
            logs.keep_small(log.fileno())
            assert os.fstat(log.fileno()).st_size < 10_100
    first, *rest = (tmp_path / "7.log").read_text().splitlines()
    assert "what stood before this was dropped" in json.loads(first)["event"]
    numbers = [int(line.removeprefix("a warning, number ")) for line in rest]
    assert numbers == list(range(numbers[0], 5_000)), "whole lines, in their order, up to the last"


@pytest.mark.parametrize("name", ["ours", "theirs"])
def test_the_words_of_an_exception_stay_out(lines, name: str) -> None:
    try:
        raise FileNotFoundError(2, "CANARY", "/notes/CANARY.md")
    except OSError:
        if name == "ours":
            structlog.get_logger().exception("an attempt broke")
        else:
            logging.getLogger("a.library").exception("it broke")
    [line] = lines()
    assert "CANARY" not in json.dumps(line)
    assert "test_logs.py" in line["exception"] and line["exception"].endswith("FileNotFoundError 2")
