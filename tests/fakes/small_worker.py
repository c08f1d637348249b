"""A worker whose training is small but real: seeded noise, checkpoints, the real lifeline and wire.

    python -m tests.fakes.small_worker

Its result is the last weight, which depends on every step before it.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from jobs import checkpoints
from jobs.domain.artifacts import Progress
from jobs.lifeline import Lifeline
from jobs.wire import Done, Event, Failed, Step, decode_spec, encode

STEPS = 60
STEP_SECONDS = 0.02


def tell(event: Event) -> None:
    sys.stdout.buffer.write(encode(event))
    sys.stdout.buffer.flush()


def train(work: Path, lifeline: Lifeline) -> Done | Failed:
    found = checkpoints.newest(work)
    step = checkpoints.step_of(found) if found else 0
    weight = float.fromhex((found / "weight").read_text()) if found else 1.0
    while step < STEPS:
        if lifeline.should_stop():
            with checkpoints.publish(work, step) as stage:
                (stage / "weight").write_text(weight.hex())
            return Failed(message=f"stopped after step {step} of {STEPS}", remedy="", kind="stopped")
        time.sleep(STEP_SECONDS)
        weight = weight * 0.97 + random.Random(step).gauss(0, 0.1)
        step += 1
        tell(Step(progress=Progress(step=step, steps=STEPS, loss=abs(weight), rate=50.0, unit="pairs", eta=0.0)))
    return Done(result={"weight": weight.hex(), "nice": os.nice(0)})


if __name__ == "__main__":
    spec = decode_spec(sys.stdin.buffer.readline())
    tell(train(Path(spec.home) / "stages", Lifeline(sys.stdin.buffer, spec.stage)))
    os._exit(0)
