"""Starts one worker process for one job, and reads its events until it ends.

Whatever it does, the worker is gone SECONDS_TO_LEAVE and a few seconds after it was told to leave: it is asked down
its pipe, which is then closed; it gets SIGTERM; it is killed, with every tool it started.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from config.paths import Home
from daemon.orphans import noted
from daemon.patience import Silence, patience
from daemon.system.gentle import Wakefulness, gentle, make_gentle
from daemon.system.logs import keep_small
from daemon.system.sandbox import confined, job_environment, places_of
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
SECONDS_TO_CONFINE = 60.0
SECONDS_TO_LEAVE = 45.0
SECONDS_TO_END = 5.0  # once its pipe is closed
SECONDS_TO_TERMINATE = 3.0
SECONDS_TO_DIE = 10.0  # a killed process that still waits for a dead disk is left to the system
TOOL_SECONDS = 3600.0


class Crashed(Exception):
    """The worker ended without a last word."""


def run_worker(
    spec: JobSpec,
    log: Path,
    on_event: Callable[[Event], None],
    order: Callable[[], Order],
    command: Sequence[str] = WORKER,
    tool_seconds: float = TOOL_SECONDS,
    may_do_without: Callable[[], bool] = lambda: False,
) -> Done | Failed:
    """The worker's last word. Every other event goes to ``on_event`` as it comes.

    The first is the receipt of its confinement. With a gap in it the worker is ended before it was told anything
    of its job, and the last word is Failed with kind ``Refused``; unless the system has no sandbox at all and
    ``may_do_without`` one.

    ``order`` is asked twice a second; the worker is told when it changes. Told to leave, it is killed if it has
    not left after SECONDS_TO_LEAVE; however it left, that is Failed with kind ``stopped``, unless it had another
    last word. Raises Crashed if it ends untold without one, or has said nothing for longer than its ``patience``,
    of which ``tool_seconds`` is the longest that one foreign tool may take.
    """
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("a+b") as errors, Witness() as witness:
        errors.write(_stamp(spec))
        errors.flush()
        process = subprocess.Popen(
            gentle(confined(command, witness, places_of(spec))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=job_environment(witness),
            start_new_session=True,  # it has no terminal, and a process group of its own
        )
        make_gentle(process.pid)
        longest = patience(spec.stage, tool_seconds)
        small = partial(keep_small, errors.fileno())
        worker = _Worker(process, Wakefulness(process.pid), small, light=spec.stage in LIGHT_STAGES, patience=longest)
        with noted(Home(root=Path(spec.home)), process.pid, spec.stage):
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

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        wakefulness: Wakefulness,
        keep_log_small: Callable[[], None],
        *,
        light: bool,
        patience: float,
    ) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._wakefulness = wakefulness
        self._keep_log_small = keep_log_small
        self._light = light
        self._patience = patience
        self._told = RUN
        self._unsaid = bytearray()
        self._deadline: float | None = None
        os.set_blocking(self._stdin.fileno(), False)  # a worker that does not listen must not stop us

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
                raise Crashed(f"the worker ended with {self._code()} before it proved its confinement")
            received += chunk
        try:
            receipt = decode_receipt(received)
        except ValueError as error:
            raise Crashed("the worker said something else than its receipt") from error
        return msgspec.structs.replace(receipt, heard=witness.heard())

    def converse(self, spec: JobSpec, on_event: Callable[[Event], None], order: Callable[[], Order]) -> Done | Failed:
        self._unsaid += encode(spec)
        self._wakefulness.keep(not self._light)
        pending, silence, looked = b"", Silence(), time.monotonic()
        while True:
            self._tell(order())
            if self._deadline is not None and time.monotonic() > self._deadline:
                return _left("it did not leave in time and was ended")
            chunk = self._exchange()
            self._keep_log_small()
            now = time.monotonic()
            silence, looked = silence.after(now - looked, self._told), now
            if chunk is None:
                self._require_word(silence)
                continue
            if not chunk:
                return self._ended()
            silence = Silence()
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
        if not self._has_ended(SECONDS_TO_END):
            self._signal(signal.SIGTERM)
            self._has_ended(SECONDS_TO_TERMINATE)
        self._signal(signal.SIGKILL)
        self._has_ended(SECONDS_TO_DIE)
        self._stdout.close()

    def _exchange(self) -> bytes | None:
        """Hands over what is unsaid. What the worker said, nothing at its end, or none if it kept silent."""
        unsaid = [self._stdin] if self._unsaid else []
        readable, writable, _ = select.select([self._stdout], unsaid, [], POLL_SECONDS)
        if writable:
            try:
                del self._unsaid[: os.write(self._stdin.fileno(), self._unsaid)]
            except BrokenPipeError:  # it has ended, and reading its output tells how
                self._unsaid.clear()
        return os.read(self._stdout.fileno(), 1 << 16) if readable else None

    def _tell(self, order: Order) -> None:
        if self._told in (order, LEAVE):
            return
        self._told = order
        self._unsaid += encode(order)
        if order == LEAVE:
            self._deadline = time.monotonic() + SECONDS_TO_LEAVE
        self._wakefulness.keep(not self._light and order != PAUSE)

    def _require_word(self, silence: Silence) -> None:
        if self._told != LEAVE and silence.seconds > self._patience:
            raise Crashed(f"the worker said nothing for {silence.seconds / 60:.0f} minutes of work and was ended")

    def _ended(self) -> Failed:
        code = self._code()
        if self._told == LEAVE:
            return _left("it left as it was told")
        raise Crashed(f"the worker ended with {code} without a last word")

    def _code(self) -> str:
        """Its exit code, once it has said its last. One that has closed its pipe and goes on has none."""
        return str(self._process.returncode) if self._has_ended(SECONDS_TO_END) else "nothing but a closed pipe"

    def _has_ended(self, within: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=within)
        return self._process.returncode is not None

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of which only a zombie is left
            os.killpg(self._process.pid, number)


def _stamp(spec: JobSpec) -> bytes:
    """The line before whatever the worker's libraries write: whose words they are, and since when."""
    moment = datetime.now(UTC).isoformat()
    return (
        msgspec.json.encode({"timestamp": moment, "event": "worker starts", "job": spec.job, "run": spec.run}) + b"\n"
    )


def _refused(receipt: Receipt) -> Failed:
    mend = "allow unprivileged user namespaces, or use a kernel of 6.7 or newer with Landlock and seccomp (macOS: see"
    mend += " that /usr/bin/sandbox-exec is there), then `iaipctl queue retry` the job"
    if receipt.rung == "none":
        mend += '; if every note is public, [confinement] where_none = "all-public" in config.toml does without'
    return Failed(
        message=f"this job could not be confined, so it was not started ({receipt.in_words()})",
        remedy=mend,
        kind="Refused",
    )


def _left(how: str) -> Failed:
    return Failed(message=how, remedy="nothing to do: it goes on when the job runs again", kind="stopped")
