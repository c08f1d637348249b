"""A Mac's heat comes and goes through its own tools, as the fake machine speaks them, and the pace does not flap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import time
from itertools import pairwise
from pathlib import Path

import pytest

from config.load import load_settings
from daemon.pace import Decision, PaceState, Work, decide
from daemon.readings import Unknown
from daemon.system import telemetry_macos as macos
from daemon.system.telemetry import Gauge, NoReading, Telemetry
from tests.fakes.macos.machine import FakeMachine, fake_machine

EVERY = 5.0
SETTINGS = load_settings(Path("absent.toml")).governor


class Mac:
    """Looks at the fake machine every five seconds, while a training runs on it."""

    def __init__(self, fake: FakeMachine) -> None:
        self.fake = fake
        self.now = 1000.0
        self.state = PaceState()
        shared = {"free_disk": Gauge(every=0.0, read=lambda: 1 << 40), "load": Gauge(every=0.0, read=lambda: 0.5)}
        self.telemetry = Telemetry(gauges={**macos.gauges(self.ask), **shared}, clock=lambda: self.now, patience=60.0)

    def ask(self, argv: Sequence[str]) -> str:
        answer = self.fake.run([str(self.fake.tools / Path(argv[0]).name), *argv[1:]], 1.0)
        if answer.code != 0:
            raise NoReading(f"{Path(argv[0]).name} ended with {answer.code}")
        return answer.out

    def looks(self, thermal: Sequence[int]) -> Iterator[Decision]:
        for level in thermal:
            self.fake.set(readings={**self.fake.state.read()["readings"], "thermal": level})
            decision, self.state = decide(
                self.state,
                self.telemetry.sample(),
                Work(training=True),
                SETTINGS,
                reserve=0,
                now=self.now,
                wall=time(3, 0),
            )
            self.now += EVERY
            yield decision


@pytest.fixture
def mac(tmp_path: Path) -> Iterator[Mac]:
    with fake_machine(tmp_path / "mac") as fake:
        fake.set(readings={"idle_ns": 10**13, "swap": "total = 0.00M  used = 0.00M  free = 0.00M"})
        yield Mac(fake)


def kinds(decisions: Iterator[Decision]) -> list[str]:
    return [decision.order.kind for decision in decisions]


def test_it_slows_pauses_and_goes_on_as_the_heat_rises_and_falls(mac: Mac) -> None:
    assert set(kinds(mac.looks([0] * 6))) == {"run"}
    assert kinds(mac.looks([1] * 12))[-1] == "slow"
    assert kinds(mac.looks([2] * 12))[-1] == "pause"
    calm = kinds(mac.looks([0] * 60))
    assert calm[0] == "pause" and calm[-1] == "run", "it waits until the machine has stayed cool"
    assert kinds(mac.looks([3] * 3))[-1] == "checkpoint-and-exit", "a critical one is not waited for"


def test_heat_that_flaps_between_nominal_and_heavy_makes_few_changes(mac: Mac) -> None:
    made = kinds(mac.looks([0, 0, 2, 2] * 60))
    assert sum(before != after for before, after in pairwise(made)) <= 4
    assert "checkpoint-and-exit" not in made


def test_a_mac_that_tells_no_heat_is_slowed_and_never_stopped(mac: Mac) -> None:
    mac.fake.script("notifyutil -g", *[(1, "", "notifyutil: failed\n")] * 400)
    made = kinds(mac.looks([0] * 60))
    assert made[-1] == "slow" and set(made) <= {"run", "slow"}
    heat = mac.telemetry.sample().heat
    assert isinstance(heat, Unknown) and "notifyutil ended with 1" in heat.reason


def test_pressure_and_power_are_read_from_the_fakes_too(mac: Mac) -> None:
    mac.fake.set(readings={**mac.fake.state.read()["readings"], "pressure": 4})
    assert kinds(mac.looks([0] * 6))[-1] == "checkpoint-and-exit"
