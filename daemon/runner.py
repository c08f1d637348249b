"""Starts one worker process for one job, and reads its events until it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jobs.wire import CONTROL_STOP, Done, Event, Failed, JobSpec, decode_event, encode

POLL_SECONDS = 0.5
SECONDS_TO_LEAVE = 75.0
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "WANDB_MODE": "disabled",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
DROPPED = ("CI", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


class Crashed(Exception):
    """The worker ended without a last word."""


def run_worker(
    spec: JobSpec, log: Path, on_event: Callable[[Event], None], should_stop: Callable[[], bool]
) -> Done | Failed:
    """The worker's last word. Every other event goes to ``on_event`` as it comes.

    ``should_stop`` is asked twice a second; once true, the worker is told to checkpoint and leave, and is
    killed if it has not left after SECONDS_TO_LEAVE. Raises Crashed if it ends without a last word.
    """
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=worker_environment(),
            process_group=0,
        )
        try:
            return _converse(process, spec, on_event, should_stop)
        finally:
            _end(process)


def worker_environment() -> dict[str, str]:
    """The surroundings of every process that loads a model: offline, and without progress bars."""
    return {key: value for key, value in os.environ.items() if key not in DROPPED} | OFFLINE


def _converse(
    process: subprocess.Popen[bytes], spec: JobSpec, on_event: Callable[[Event], None], should_stop: Callable[[], bool]
) -> Done | Failed:
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(encode(spec))
        process.stdin.flush()
    except BrokenPipeError as error:
        raise Crashed(f"the worker ended with {process.wait()} before it read its job") from error
    deadline: float | None = None
    descriptor = process.stdout.fileno()
    pending = b""
    while True:
        if deadline is None and should_stop():
            _tell_to_stop(process)
            deadline = time.monotonic() + SECONDS_TO_LEAVE
        if deadline is not None and time.monotonic() > deadline:
            raise Crashed("the worker did not leave in time and was killed")
        if not select.select([descriptor], [], [], POLL_SECONDS)[0]:
            continue
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            raise Crashed(f"the worker ended with {process.wait()} without a last word")
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            event = decode_event(line)
            if isinstance(event, Done | Failed):
                return event
            on_event(event)


def _tell_to_stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(CONTROL_STOP.encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        return  # it has ended; reading its output tells how


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leaves nothing behind: the worker and every tool it started are in one process group."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5.0)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
