"""Every reading is a value or unknown with its reason, whatever a tool prints."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.readings import NOBODY, Power, Readings, Unknown
from daemon.system import telemetry_linux as linux
from daemon.system import telemetry_macos as macos
from daemon.system.telemetry import SILENT_SECONDS, Gauge, NoReading, SwapGrowth, Telemetry, ask, telemetry

BATTERY = (
    "Now drawing from 'Battery Power'\n"
    " -InternalBattery-0 (id=4653155)\t43%; discharging; 3:02 remaining present: true\n"
)
CHARGING = (
    "Now drawing from 'AC Power'\n -InternalBattery-0 (id=4653155)\t80%; AC attached; not charging present: true\n"
)
UPS = "Now drawing from 'UPS Power'\n -Back-UPS (id=123)\t97%; discharging; (no estimate) present: true\n"
SETTINGS = (
    "System-wide power settings:\nCurrently in use:\n standby              1\n lowpowermode         {}\n sleep   1\n"
)
SETTINGS_PRO = "System-wide power settings:\nCurrently in use:\n powermode            {}\n womp                 1\n"
SETTINGS_WITHOUT = "System-wide power settings:\nCurrently in use:\n womp                 1\n sleep                0\n"
INPUT = '+-o IOHIDSystem  <class IOHIDSystem>\n    |   "HIDIdleTime" = {}\n    |   "HIDIdleTime" = {}\n'


@pytest.mark.parametrize(
    ("level", "heat"), [(0, "nominal"), (1, "moderate"), (2, "heavy"), (3, "critical"), (4, "critical")]
)
def test_macos_tells_its_thermal_pressure(level: int, heat: str) -> None:
    assert macos.parse_heat(f"com.apple.system.thermalpressurelevel {level}\n") == heat


@pytest.mark.parametrize(("text", "memory"), [("1\n", "normal"), ("2\n", "tight"), ("4\n", "critical")])
def test_macos_tells_its_memory_pressure(text: str, memory: str) -> None:
    assert macos.parse_memory(text) == memory


@pytest.mark.parametrize(
    ("text", "power"),
    [
        ("Now drawing from 'AC Power'\n", Power(source="mains")),
        (BATTERY, Power(source="battery", percent=43)),
        (CHARGING, Power(source="mains", percent=80)),
        (UPS, Power(source="ups", percent=97)),
        (BATTERY.replace("43%", "243%"), Power(source="battery")),
    ],
)
def test_macos_tells_its_power_source(text: str, power: Power) -> None:
    assert macos.parse_power(text) == power


@pytest.mark.parametrize(
    ("text", "on"),
    [
        (SETTINGS.format(0), False),
        (SETTINGS.format(1), True),
        (SETTINGS_PRO.format(1), True),
        (SETTINGS_PRO.format(2), False),
        (SETTINGS_WITHOUT, False),
    ],
)
def test_macos_tells_its_low_power_mode_under_either_name(text: str, on: bool) -> None:
    assert macos.parse_low_power(text) is on


def test_macos_tells_how_long_nobody_touched_it() -> None:
    assert macos.parse_idle(INPUT.format(9_000_000_000, 4_500_000_000)) == 4.5
    assert macos.parse_idle("+-o IOHIDSystem  <class IOHIDSystem>\n") == NOBODY, "a headless Mac has no input devices"


MACOS_PARSERS = [macos.parse_heat, macos.parse_memory, macos.parse_power, macos.parse_low_power, macos.parse_idle]
OTHER_FORMATS = [
    "",
    "\n",
    "com.apple.system.thermalpressurelevel",
    "com.apple.system.thermalpressurelevel -1",
    "com.apple.system.thermalpressurelevel 9",
    "com.apple.system.thermalpressurelevel: Failed",
    "com.apple.something.else 2",
    "3",
    "kern.memorystatus_vm_pressure_level: 1",
    "sysctl: unknown oid 'kern.memorystatus_vm_pressure_level'",
    "Now drawing from AC",
    "Now drawing from 'Solar Power'",
    "Error:Failed to get power source information with error code 0xe00002bc",
]


@pytest.mark.parametrize("text", OTHER_FORMATS)
@pytest.mark.parametrize("parse", MACOS_PARSERS)
def test_another_format_is_unknown_and_no_value(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(NoReading):
        parse(text)


@given(text=st.text(max_size=200), parse=st.sampled_from([*MACOS_PARSERS, linux.parse_stalls]))
def test_garbage_never_raises_anything_else(text: str, parse: Callable[[str], object]) -> None:
    try:
        parse(text)
    except NoReading as reason:
        assert str(reason)


class Mac:
    """Answers every tool as recorded, and can lose one."""

    def __init__(self, missing: str = "") -> None:
        self.missing = missing
        self.asked: list[str] = []

    def __call__(self, argv: Sequence[str]) -> str:
        self.asked.append(argv[0])
        if argv[0].endswith(self.missing or "nothing at all"):
            raise NoReading(f"{self.missing} is not there")
        return {
            macos.NOTIFYUTIL: "com.apple.system.thermalpressurelevel 1\n",
            macos.PRESSURE: "1\n",
            macos.BATTERY: "Now drawing from 'AC Power'\n",
            macos.POWER_SETTINGS: SETTINGS.format(0),
            macos.INPUT: INPUT.format(10**12, 10**12),
        }[tuple(argv)]


def test_a_mac_is_read_whole() -> None:
    readings = Telemetry(gauges=macos.gauges(Mac())).sample()
    assert (readings.heat, readings.memory, readings.power, readings.low_power, readings.idle) == (
        "moderate",
        "normal",
        Power(source="mains"),
        False,
        1000.0,
    )


def test_a_missing_tool_is_one_unknown_reading_with_its_reason() -> None:
    readings = Telemetry(gauges=macos.gauges(Mac(missing="notifyutil"))).sample()
    assert readings.heat == Unknown(reason="notifyutil is not there")
    assert readings.memory == "normal"


def test_tools_are_asked_at_their_own_pace() -> None:
    mac, clock = Mac(), Clock()
    readings = Telemetry(gauges=macos.gauges(mac), clock=clock, patience=60.0)
    for _ in range(60):
        readings.sample()
        clock.now += 5.0
    assert mac.asked.count(macos.NOTIFYUTIL[0]) == 30
    assert mac.asked.count(macos.INPUT[0]) == 5


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_sample_waits_for_no_tool_that_hangs_and_has_its_answer_later() -> None:
    clock, answered, loads = Clock(), threading.Event(), iter([0.1, 0.2, 0.3, 0.4])
    answered.set()

    def hangs() -> float:
        assert answered.wait(30.0)
        return clock.now

    gauges = {
        "idle": Gauge(every=10.0, read=hangs, by_tool=True),
        "load": Gauge(every=0.0, read=lambda: next(loads)),
    }
    machine = Telemetry(gauges=gauges, clock=clock, patience=0.0)
    first = machine.sample()
    assert (first.idle, first.load) == (1000.0, 0.1), "the first sample leaves nothing out"

    answered.clear()
    clock.now += 10.0
    hanging = machine.sample()
    assert (hanging.idle, hanging.load) == (1000.0, 0.2), "the tool's last word stands, the rest is fresh"
    clock.now += SILENT_SECONDS + 1
    assert machine.sample().idle == Unknown(reason="its tool neither answers nor ends")
    machine.patience = 30.0
    answered.set()
    assert machine.sample().idle == clock.now, "nobody asked it twice meanwhile"


def test_a_reading_that_breaks_is_unknown_until_it_works_again() -> None:
    values = iter([ValueError("odd"), 1.5])

    def read() -> object:
        value = next(values)
        if isinstance(value, Exception):
            raise value
        return value

    gauges = Telemetry(gauges={"load": Gauge(every=0.0, read=read)})
    assert gauges.sample().load == Unknown(reason="reading it failed (ValueError)")
    assert gauges.sample().load == 1.5


def test_swap_growth_is_that_of_the_last_minute() -> None:
    used, clock = [100, 100, 350, 350, 350], Clock()
    growth = SwapGrowth(lambda: used.pop(0), clock)
    found = []
    for _ in range(5):
        found.append(growth())
        clock.now += 25.0
    assert found == [0, 0, 250, 250, 0]


def test_a_tool_that_is_missing_slow_or_failing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoReading, match="nosuchtool is not there"):
        ask([str(tmp_path / "nosuchtool")])
    monkeypatch.setattr("daemon.system.telemetry.TOOL_SECONDS", 0.05)
    with pytest.raises(NoReading, match="did not answer within"):
        ask([sys.executable, "-c", "import time; time.sleep(5)"])
    monkeypatch.undo()
    with pytest.raises(NoReading, match="ended with 3"):
        ask([sys.executable, "-c", "raise SystemExit(3)"])
    assert ask([sys.executable, "-c", r"print('\udcff' if 0 else 'fine')"]) == "fine\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads this machine's own gauges")
def test_this_machine_is_read_within_its_budget(tmp_path: Path) -> None:
    here = telemetry(tmp_path)
    first = here.sample()
    began = time.process_time()
    here.sample()
    assert time.process_time() - began < 0.05
    values: dict[str, Any] = {name: getattr(first, name) for name in Readings.__struct_fields__}
    for name in ("memory", "swap_growth", "free_disk", "load", "power", "low_power"):
        assert not isinstance(values[name], Unknown), (name, values[name])
