"""Nothing leaves a heavy job: real processes, real walls, and a canary that finds the way out where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from daemon import runner
from daemon.runner import run_worker
from daemon.system import sandbox
from daemon.system.sandbox import confined, job_environment, worker_environment
from daemon.system.witness import Witness
from jobs.domain.confinement import WAYS_OUT, Receipt
from jobs.probes import try_every_way
from jobs.wire import RUN, Done, Event, Failed, JobSpec, Step
from tests.contracts.confining import OLD_KERNEL, have_namespaces, inside, linux

SMALL_WORKER = (sys.executable, "-m", "tests.fakes.small_worker")
WATCH = "strace -f -qq -e trace=socket,connect,sendto,sendmsg,sendmmsg,bind,io_uring_setup -o".split()


@linux
def test_on_every_rung_no_way_out_is_open_and_the_parent_hears_nothing(
    witness: Witness, around: Sequence[str], rung: str
) -> None:
    receipt, _ = inside(witness, "pass", around)
    assert receipt.rung == rung
    assert receipt.gaps() == ()
    assert {probe.way for probe in receipt.probes} == set(WAYS_OUT)
    assert witness.heard() == ()


def test_without_walls_the_canary_finds_the_way_out_and_the_parent_hears_it(witness: Witness) -> None:
    receipt = Receipt(rung="namespace", files="landlock", probes=try_every_way(witness.port, str(witness.folder)))
    parents = tuple(way for way in WAYS_OUT if way.endswith("parent"))
    assert set(parents) <= set(receipt.gaps())
    assert witness.heard() == parents


@linux
def test_where_there_is_nothing_to_confine_with_the_receipt_says_so(witness: Witness) -> None:
    receipt, _ = inside(witness, "pass", OLD_KERNEL)
    assert receipt.rung == "none"
    assert {"no sandbox", "tcp-parent", "unix-parent"} <= set(receipt.gaps())
    assert "tcp-parent" in witness.heard()


ESCAPES = {
    "a raw socket call": "import ctypes; print(ctypes.CDLL(None).socket(2, 1, 0))",
    "io_uring": "import ctypes; print(ctypes.CDLL(None).syscall(425, 8, b'\\0' * 120))",
    "netlink": "import ctypes; print(ctypes.CDLL(None).socket(16, 3, 0))",
    "vsock": "import ctypes; print(ctypes.CDLL(None).socket(40, 1, 0))",
    "a program of its own": "import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'import socket;"
    " socket.socket()'], capture_output=True).returncode - 2)",
    "the parent's descriptors": "import ctypes, os; c = ctypes.CDLL(None); pid = c.syscall(434, os.getppid(), 0);"
    " print(c.syscall(438, pid, 0, 0))",
    "tracing the parent": "import ctypes, os; print(ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0))",
}


@linux
@pytest.mark.parametrize("way", ESCAPES)
def test_what_the_canary_does_not_try_is_barred_too(witness: Witness, around: Sequence[str], way: str) -> None:
    _, answer = inside(witness, ESCAPES[way], around)
    assert answer == "-1\n"


@linux
def test_children_still_talk_over_pipes_and_stream_pairs(witness: Witness) -> None:
    code = "import socket; a, b = socket.socketpair(); a.send(b'word'); print(b.recv(9).decode())"
    assert inside(witness, code)[1] == "word\n"


def spec(home: Path) -> JobSpec:
    return JobSpec(job=7, stage="train", home=str(home))


def test_a_worker_does_its_job_and_its_receipt_comes_first(tmp_path: Path) -> None:
    events: list[Event] = []
    word = run_worker(spec(tmp_path), tmp_path / "log", events.append, lambda: RUN, SMALL_WORKER)
    assert isinstance(word, Done)
    assert isinstance(events[0], Receipt)
    assert events[0].gaps() == ()
    assert not any(isinstance(event, Receipt) for event in events[1:])


@linux
def test_a_job_that_cannot_be_confined_is_refused_before_it_knows_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "confined", lambda *given: [*OLD_KERNEL, *confined(*given)])
    events: list[Event] = []
    word = run_worker(spec(tmp_path), tmp_path / "log", events.append, lambda: RUN, SMALL_WORKER)
    assert isinstance(word, Failed)
    assert word.kind == "Refused"
    assert "open: no sandbox, tcp-parent" in word.message
    assert "queue retry" in word.remedy
    assert [type(event) for event in events] == [Receipt], "the worker never spoke: it was told nothing"
    assert list((tmp_path / "stages").iterdir()) == []


@linux
@pytest.mark.parametrize("public", [True, False])
def test_without_any_sandbox_a_job_starts_only_where_its_owner_and_its_notes_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public: bool
) -> None:
    monkeypatch.setattr(runner, "confined", lambda *given: [*OLD_KERNEL, *confined(*given)])
    events: list[Event] = []
    word = run_worker(
        spec(tmp_path), tmp_path / "log", events.append, lambda: RUN, SMALL_WORKER, may_do_without=lambda: public
    )
    receipt = events[0]
    assert isinstance(receipt, Receipt) and (receipt.rung, receipt.waived) == ("none", public)
    assert isinstance(word, Done if public else Failed)
    if isinstance(word, Failed):
        assert 'where_none = "all-public"' in word.remedy


def test_a_worker_that_skips_the_canary_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "confined", lambda command, witness, places: command)
    talks = (sys.executable, "-c", "print('{}')")
    with pytest.raises(runner.Crashed, match="something else than its receipt"):
        run_worker(spec(tmp_path), tmp_path / "log", print, lambda: RUN, talks)
    silent = (sys.executable, "-c", "")
    with pytest.raises(runner.Crashed, match="before it proved"):
        run_worker(spec(tmp_path), tmp_path / "log", print, lambda: RUN, silent)


@linux
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace watches from outside")
def test_seen_from_outside_no_socket_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "trace"
    watched = [*WATCH, str(trace)]
    monkeypatch.setattr(runner, "confined", lambda *given: [*watched, *confined(*given)])
    assert isinstance(run_worker(spec(tmp_path), tmp_path / "log", lambda e: None, lambda: RUN, SMALL_WORKER), Done)
    calls = [line for line in trace.read_text().splitlines() if re.search(r"\w+\(", line)]
    assert len([line for line in calls if " socket(" in line]) >= 6, "the canary's own attempts are seen"
    assert successes(calls) == []


@linux
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace watches from outside")
def test_the_watch_from_outside_sees_a_packet_when_one_leaves(tmp_path: Path, witness: Witness) -> None:
    code = f"import socket; socket.create_connection(('127.0.0.1', {witness.port}))"
    trace = tmp_path / "trace"
    watched = [*WATCH, str(trace)]
    subprocess.run([*watched, sys.executable, "-c", code], timeout=60, check=True)
    assert [re.split(r"\W+", line)[1] for line in successes(trace.read_text().splitlines())] == ["socket", "connect"]


def successes(calls: Sequence[str]) -> list[str]:
    return [line for line in calls if re.search(r"= \d+$", line)]


@linux
@pytest.mark.skipif(sys.platform == "linux" and not have_namespaces(), reason="Landlock leaves the network in sight")
def test_the_network_of_a_running_job_has_carried_nothing(tmp_path: Path) -> None:
    """Its interfaces as the kernel counts them, read from outside while it works."""
    counted: list[str] = []

    def look(event: Event) -> None:
        if isinstance(event, Step) and event.progress.step == 10:
            [worker] = psutil.Process().children()
            own = Path("/proc/self/ns/net").readlink()
            assert Path(f"/proc/{worker.pid}/ns/net").readlink() != own
            counted.append(Path(f"/proc/{worker.pid}/net/dev").read_text())

    assert isinstance(run_worker(spec(tmp_path), tmp_path / "log", look, lambda: RUN, SMALL_WORKER), Done)
    interfaces = [line.partition(":") for line in counted[0].splitlines()[2:]]
    assert interfaces
    assert all(set(numbers.split()) == {"0"} for _, _, numbers in interfaces)


@pytest.mark.qmd
@pytest.mark.slow
def test_real_qmd_indexes_and_answers_inside(witness: Witness, tmp_path: Path) -> None:
    suite = "tests/contracts/test_qmd.py::test_every_way_of_asking_names_documents_by_collection_and_path"
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite]
    trace = tmp_path / "trace"
    watched = [*WATCH, str(trace)] if shutil.which("strace") else []
    done = subprocess.run(
        [*watched, *confined(pytest_run, witness, {})],
        env=job_environment(witness),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout[-2000:]
    assert not watched or successes(trace.read_text().splitlines()) == []
    assert witness.heard() == ()


def test_macos_without_its_tool_confines_nothing_and_does_not_claim_to(
    witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    command = confined(["/bin/worker"], witness, {}, sandbox_exec=str(tmp_path / "absent"))
    assert command[1:4] == ["-m", "jobs.confine", "itself"]


def test_the_profile_is_balanced_and_allows_nothing_after_a_denial() -> None:
    profile = re.sub(r";.*", "", sandbox.PROFILE.read_text())
    assert profile.count("(") == profile.count(")")
    assert profile.split("(deny", 1)[0].split() == "(version 1) (allow default)".split()
    assert "(allow" not in profile.split("(deny", 1)[1]
    assert "(deny network*)" in profile


def test_no_proxy_and_no_token_reaches_a_worker() -> None:
    given = {"HTTPS_PROXY": "p", "no_proxy": "p", "ftp_proxy": "p", "CI": "1", "HF_TOKEN": "t", "PATH": "/bin"}
    kept = worker_environment(given)
    assert kept["PATH"] == "/bin"
    assert kept["HF_HUB_OFFLINE"] == "1"
    assert not set(given) - {"PATH"} & set(kept)


def test_metal_s_allocator_is_held_below_the_machine_s_memory_whatever_the_owner_s_shell_says() -> None:
    kept = worker_environment({"PYTORCH_MPS_HIGH_WATERMARK_RATIO": "0.0"})
    low, high = (float(kept[f"PYTORCH_MPS_{mark}_WATERMARK_RATIO"]) for mark in ("LOW", "HIGH"))
    assert 0.0 < low <= high < 1.0, "nought would be no limit, and a low mark over the high one an error"
