"""What Linux says of heat, memory, power and use, in the kernel's files and to systemd, and what is not believed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.readings import NOBODY, Power
from daemon.system import telemetry_linux as linux
from daemon.system.telemetry import NoReading


def zone(folder: Path, number: int, temperature: str, **trips: str) -> None:
    directory = folder / f"thermal_zone{number}"
    directory.mkdir(parents=True)
    (directory / "temp").write_text(temperature)
    for place, (kind, trip) in enumerate(trips.items()):
        (directory / f"trip_point_{place}_type").write_text(kind + "\n")
        (directory / f"trip_point_{place}_temp").write_text(trip + "\n")


def files(folder: Path, *, hypervisor: bool = False) -> linux.LinuxFiles:
    (folder / "cpuinfo").write_text("flags\t\t: fpu vme hypervisor lahf_lm\n" if hypervisor else "flags\t\t: fpu vme\n")
    return linux.LinuxFiles(
        thermal=folder / "thermal",
        memory_pressure=folder / "memory",
        platform_profile=folder / "platform_profile",
        processor=folder / "cpuinfo",
    )


@pytest.mark.parametrize(
    ("temperature", "heat"),
    [("45000", "nominal"), ("86000", "moderate"), ("96000", "heavy"), ("103000", "critical")],
)
def test_linux_judges_a_zone_by_its_own_trip_points(tmp_path: Path, temperature: str, heat: str) -> None:
    zone(tmp_path / "thermal", 0, temperature, passive="85000", hot="95000", critical="105000")
    zone(tmp_path / "thermal", 1, "30000", critical="100000")
    assert linux.heat(files(tmp_path)) == heat


def test_linux_does_not_believe_impossible_trip_points_or_temperatures(tmp_path: Path) -> None:
    zone(tmp_path / "thermal", 0, "50000", passive="0", hot="-274000", critical="20000")
    zone(tmp_path / "thermal", 1, "-273200", passive="60000")
    zone(tmp_path / "thermal", 2, "999000000")
    zone(tmp_path / "thermal", 3, "hot!")
    assert linux.heat(files(tmp_path)) == "nominal"


def test_without_a_sensor_the_heat_is_unknown_but_a_virtual_machine_has_none(tmp_path: Path) -> None:
    with pytest.raises(NoReading, match="no thermal zone"):
        linux.heat(files(tmp_path))
    assert linux.heat(files(tmp_path, hypervisor=True)) == "nominal"


STALLS = "some avg10={} avg60=0.00 avg300=0.00 total=0\nfull avg10={} avg60=0.00 avg300=0.00 total=0\n"


def test_linux_tells_memory_stalls() -> None:
    assert linux.parse_stalls(STALLS.format("21.50", "3.25")) == (21.5, 3.25)


@pytest.mark.parametrize("text", ["", "some avg10=1.00 avg60=0", STALLS.format("120.00", "0.00"), "full\nsome\n"])
def test_another_kernel_s_stalls_are_no_reading(text: str) -> None:
    with pytest.raises(NoReading):
        linux.parse_stalls(text)


@given(
    some=st.floats(0, 100),
    full=st.floats(0, 100),
    room=st.floats(0, 100),
    worse=st.floats(0, 50),
    less=st.floats(0, 50),
)
def test_memory_is_never_judged_milder_for_being_worse(
    some: float, full: float, room: float, worse: float, less: float
) -> None:
    order = ["normal", "tight", "critical"]
    before = order.index(linux.judge_memory(some, full, room))
    assert order.index(linux.judge_memory(some + worse, full + worse, room - less)) >= before


def test_linux_without_stall_counts_judges_by_the_room_that_is_left(tmp_path: Path) -> None:
    assert linux.memory(files(tmp_path)) in ("normal", "tight", "critical")
    (tmp_path / "memory").write_text(STALLS.format("0.00", "60.00"))
    assert linux.memory(files(tmp_path)) == "critical"


def test_linux_tells_its_power_source(monkeypatch: pytest.MonkeyPatch) -> None:
    for battery, expected in [
        (None, Power(source="mains")),
        (Battery(41.6, False), Power(source="battery", percent=42)),
        (Battery(100.0, True), Power(source="mains", percent=100)),
        (Battery(-3.0, True), Power(source="mains")),
    ]:
        monkeypatch.setattr(psutil, "sensors_battery", lambda battery=battery: battery)
        assert linux.power() == expected
    monkeypatch.setattr(psutil, "sensors_battery", lambda: Battery(50.0, None))
    with pytest.raises(NoReading):
        linux.power()


class Battery:
    def __init__(self, percent: float, plugged: bool | None) -> None:
        self.percent = percent
        self.power_plugged = plugged


def test_linux_tells_its_low_power_mode(tmp_path: Path) -> None:
    machine = files(tmp_path)
    assert not linux.low_power(machine)
    machine.platform_profile.write_text("low-power\n")
    assert linux.low_power(machine)


def test_linux_tells_how_long_the_seat_was_idle() -> None:
    now = time.monotonic()
    since = int((now - 300.0) * 1e6)
    assert linux.parse_seat("IdleHint=no\nIdleSinceHintMonotonic=0\n", now) == 0.0
    assert linux.parse_seat(f"IdleHint=yes\nIdleSinceHintMonotonic={since}\n", now) == pytest.approx(300.0, abs=0.1)
    assert linux.parse_seat("IdleHint=yes\nIdleSinceHintMonotonic=0\n", now) == NOBODY
    for other in ("", "IdleHint=\n", "IdleHint=yes\n", "IdleHint=maybe\nIdleSinceHintMonotonic=7\n"):
        with pytest.raises(NoReading):
            linux.parse_seat(other, now)


def test_nobody_is_logged_in_on_a_server_without_logind(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(argv: Sequence[str]) -> str:
        raise NoReading("loginctl is not there")

    monkeypatch.setattr(psutil, "users", list)
    assert linux.idle(absent) == NOBODY
    monkeypatch.setattr(psutil, "users", lambda: [User(":0")])
    with pytest.raises(NoReading, match="loginctl"):
        linux.idle(absent)


class User:
    def __init__(self, terminal: str) -> None:
        self.terminal = terminal
