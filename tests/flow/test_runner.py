"""Workers that hang, go deaf or will not leave: real processes, each of them gone in time and told apart."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec
import pytest

from daemon import bounds, runner
from daemon.runner import Crashed, run_worker
from jobs import lifeline
from jobs.wire import LEAVE, LIGHT_STAGES, PAUSE, RUN, Done, Event, Failed, JobSpec, Order, encode

READS = "import os, signal, subprocess, sys, time; sys.stdin.buffer.readline()\n"
SAYS_DONE = f"sys.stdout.buffer.write({encode(Done(result={}))!r}); sys.stdout.flush()\n"
IGNORES = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
HANGS = "time.sleep(600)\n"
CHILD = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
STARTS_A_TOOL = f"subprocess.Popen([sys.executable, '-c', {CHILD!r}], stdout=open(sys.argv[1], 'w'))\n"
TRAIN = JobSpec(job=1, stage="train", home="", target="embedding")


def run(code: str, folder: Path, order: Order = RUN, spec: JobSpec = TRAIN, tool_seconds: float = 1.0) -> Done | Failed:
    """The order is given once the worker is at work. It may write into one file."""
    at_work: list[float] = []

    def hear(event: Event) -> None:
        at_work.append(time.monotonic())

    def ordered() -> Order:
        return order if at_work and time.monotonic() - at_work[0] > 0.5 else RUN

    command = (sys.executable, "-c", code, str(told(folder)))
    return run_worker(
        msgspec.structs.replace(spec, home=str(folder)), folder / "log", hear, ordered, command, tool_seconds
    )


def told(folder: Path) -> Path:
    """What a worker wrote."""
    return folder / "stages" / "told"


def is_gone(folder: Path) -> bool:
    """Whether the process that wrote its number there is no more."""
    number = told(folder).read_text().strip()
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    return "\nState:\tZ" in Path(f"/proc/{number}/status").read_text()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(runner, "SECONDS_TO_LEAVE", 1.0)
    monkeypatch.setattr(runner, "SECONDS_TO_END", 0.3)
    monkeypatch.setattr(runner, "SECONDS_TO_TERMINATE", 0.3)


@pytest.fixture
def impatient(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "patience", lambda stage, tool_seconds: tool_seconds)


def test_all_that_a_stop_may_take_is_less_than_a_minute() -> None:
    worker = runner.POLL_SECONDS + runner.SECONDS_TO_LEAVE + runner.SECONDS_TO_END + runner.SECONDS_TO_TERMINATE
    assert lifeline.SECONDS_TO_CHECKPOINT < runner.SECONDS_TO_LEAVE
    assert worker < bounds.SECONDS_TO_STOP < 60.0


def test_a_worker_that_ignores_its_orders_and_sigterm_is_killed_with_its_tools(tmp_path: Path, quick: None) -> None:
    began = time.monotonic()
    outcome = run(READS + IGNORES + STARTS_A_TOOL + HANGS, tmp_path, LEAVE)
    assert isinstance(outcome, Failed) and outcome.kind == "stopped"
    assert time.monotonic() - began < 20.0
    deadline = time.monotonic() + 20.0
    while not is_gone(tmp_path):
        assert time.monotonic() < deadline, "a tool that it started lives on"
        time.sleep(0.05)


def test_a_worker_that_ignores_its_orders_may_still_go_at_sigterm(tmp_path: Path, quick: None) -> None:
    tidies = "def tidy(*_):\n    open(sys.argv[1], 'w').write('tidied')\n    os._exit(0)\n"
    run(READS + tidies + "signal.signal(signal.SIGTERM, tidy)\n" + HANGS, tmp_path, LEAVE)
    assert told(tmp_path).read_text() == "tidied"


def test_a_worker_that_says_nothing_is_ended_by_its_own_fault(tmp_path: Path, impatient: None) -> None:
    with pytest.raises(Crashed, match="said nothing for"):
        run(READS + HANGS, tmp_path)


def test_a_worker_that_speaks_now_and_then_is_not_silent(tmp_path: Path, impatient: None) -> None:
    step = b'{"type":"phase","text":"at it"}\n'
    speaks = f"for _ in range(4): time.sleep(0.6); sys.stdout.buffer.write({step!r}); sys.stdout.flush()\n"
    assert run(READS + speaks + SAYS_DONE, tmp_path, tool_seconds=1.5) == Done(result={})


def test_a_worker_that_is_paused_may_be_silent(tmp_path: Path, impatient: None) -> None:
    began = time.monotonic()
    paused_long = "time.sleep(3.0)\n"
    assert run(READS + paused_long + SAYS_DONE, tmp_path, PAUSE, tool_seconds=1.5) == Done(result={})
    assert time.monotonic() - began > 3.0


def test_a_worker_that_never_reads_its_job_does_not_stop_the_daemon(tmp_path: Path, impatient: None) -> None:
    documents = tuple(("notes", f"{number}.md", "0" * 64) for number in range(20_000))
    spec = JobSpec(job=1, stage="dataset", home="", documents=documents)
    assert spec.stage in LIGHT_STAGES
    with pytest.raises(Crashed, match="said nothing for"):
        run("import time\n" + HANGS, tmp_path, spec=spec)


def test_a_large_job_reaches_its_worker_whole(tmp_path: Path) -> None:
    documents = tuple(("notes", f"{number}.md", "0" * 64) for number in range(20_000))
    spec = JobSpec(job=1, stage="dataset", home="", documents=documents)
    counts = "import sys; line = sys.stdin.buffer.readline(); open(sys.argv[1], 'w').write(str(len(line)))\n"
    assert run(counts + SAYS_DONE, tmp_path, spec=spec) == Done(result={})
    assert int(told(tmp_path).read_text()) == len(encode(msgspec.structs.replace(spec, home=str(tmp_path))))


def test_a_worker_that_closes_its_pipe_and_goes_on_is_ended(tmp_path: Path, quick: None) -> None:
    with pytest.raises(Crashed, match="nothing but a closed pipe"):
        run(READS + "os.close(1)\n" + HANGS, tmp_path)


def test_a_worker_s_last_word_counts_although_it_will_not_go(tmp_path: Path, quick: None) -> None:
    assert run(READS + IGNORES + SAYS_DONE + HANGS, tmp_path) == Done(result={})
