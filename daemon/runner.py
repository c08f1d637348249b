"""Starts one worker process for one job, and reads its events until it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from daemon.system.gentle import Wakefulness, gentle, make_gentle
from daemon.system.sandbox import confined, worker_environment
from daemon.system.witness import Witness
from jobs.domain.confinement import Receipt, waived_if
from jobs.wire import (
    LEAVE,
    LIGHT_STAGES,
    PAUSE,
    RUN,
    Done,
    Event,
    Failed,
    JobSpec,
    Order,
    decode_event,
    decode_receipt,
    encode,
)

WORKER = (sys.executable, "-m", "jobs.worker")
POLL_SECONDS = 0.5
SECONDS_TO_LEAVE = 75.0
SECONDS_TO_CONFINE = 60.0


class Crashed(Exception):
    """The worker ended without a last word."""


def run_worker(
    spec: JobSpec,
    log: Path,
    on_event: Callable[[Event], None],
    order: Callable[[], Order],
    command: Sequence[str] = WORKER,
    may_do_without: Callable[[], bool] = lambda: False,
) -> Done | Failed:
    """The worker's last word. Every other event goes to ``on_event`` as it comes.

    The first is the receipt of its confinement. With a gap in it the worker is ended before it was told anything
    of its job, and the last word is Failed with kind ``Refused``; unless the system has no sandbox at all and
    ``may_do_without`` one.

    ``order`` is asked twice a second; the worker is told when it changes. Told to leave, it is killed if it has
    not left after SECONDS_TO_LEAVE; however it left, that is Failed with kind ``stopped``, unless it had another
    last word. Raises Crashed if it ends untold without one.
    """
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as errors, Witness() as witness:
        process = subprocess.Popen(
            gentle(confined(command, witness)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=worker_environment(),
            process_group=0,
        )
        make_gentle(process.pid)
        worker = _Worker(process, Wakefulness(process.pid), light=spec.stage in LIGHT_STAGES)
        try:
            receipt = worker.receipt(witness, order)
            if receipt is None:
                return _left("it was told to leave before it began")
            receipt = waived_if(receipt, may_do_without)
            on_event(receipt)
            return worker.converse(spec, on_event, order) if receipt.holds() else _refused(receipt)
        finally:
            worker.end()


class _Worker:
    """One worker process and the talk with it."""

    def __init__(self, process: subprocess.Popen[bytes], wakefulness: Wakefulness, *, light: bool) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._wakefulness = wakefulness
        self._light = light
        self._told = RUN
        self._deadline: float | None = None

    def receipt(self, witness: Witness, order: Callable[[], Order]) -> Receipt | None:
        """What the canary inside met and the witness heard; none if it is to leave. Raises Crashed for want of it."""
        received, deadline = b"", time.monotonic() + SECONDS_TO_CONFINE
        while not received.endswith(b"\n"):
            if order() == LEAVE:
                return None
            if not select.select([self._stdout], [], [], POLL_SECONDS)[0]:
                if time.monotonic() > deadline:
                    raise Crashed(f"the worker did not prove its confinement within {SECONDS_TO_CONFINE:.0f} s")
                continue
            chunk = os.read(self._stdout.fileno(), 1 << 16)
            if not chunk:
                raise Crashed(f"the worker ended with {self._process.wait()} before it proved its confinement")
            received += chunk
        try:
            receipt = decode_receipt(received)
        except ValueError as error:
            raise Crashed("the worker said something else than its receipt") from error
        return msgspec.structs.replace(receipt, heard=witness.heard())

    def converse(self, spec: JobSpec, on_event: Callable[[Event], None], order: Callable[[], Order]) -> Done | Failed:
        if not self._say(spec):
            raise Crashed(f"the worker ended with {self._process.wait()} before it read its job")
        self._wakefulness.keep(not self._light)
        pending = b""
        while True:
            self._tell(order())
            if self._deadline is not None and time.monotonic() > self._deadline:
                return _left("it did not leave in time and was killed")
            if not select.select([self._stdout], [], [], POLL_SECONDS)[0]:
                continue
            chunk = os.read(self._stdout.fileno(), 1 << 16)
            if not chunk:
                return self._ended()
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                event = decode_event(line)
                if isinstance(event, Done | Failed):
                    return event
                on_event(event)

    def end(self) -> None:
        """Leaves nothing behind: the worker and every tool it started are in one process group."""
        self._wakefulness.keep(False)
        with suppress(BrokenPipeError):
            self._stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5.0)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stdout.close()

    def _tell(self, order: Order) -> None:
        if self._told in (order, LEAVE):
            return
        self._told = order
        self._say(order)  # if it has ended meanwhile, reading its output tells how
        if order == LEAVE:
            self._deadline = time.monotonic() + SECONDS_TO_LEAVE
        self._wakefulness.keep(not self._light and order != PAUSE)

    def _say(self, message: JobSpec | Order) -> bool:
        try:
            self._stdin.write(encode(message))
            self._stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _ended(self) -> Failed:
        code = self._process.wait()
        if self._told == LEAVE:
            return _left("it left as it was told")
        raise Crashed(f"the worker ended with {code} without a last word")


def _refused(receipt: Receipt) -> Failed:
    mend = "allow unprivileged user namespaces, or use a kernel of 6.7 or newer with Landlock and seccomp (macOS: see"
    mend += " that /usr/bin/sandbox-exec is there), then `iaipctl queue retry` the job"
    if receipt.rung == "none":
        mend += '; if every note is public, [confinement] where_none = "all-public" in config.toml does without'
    return Failed(
        message=f"this job could not be kept from the network, so it was not started ({receipt.in_words()})",
        remedy=mend,
        kind="Refused",
    )


def _left(how: str) -> Failed:
    return Failed(message=how, remedy="nothing to do: it goes on when the job runs again", kind="stopped")
