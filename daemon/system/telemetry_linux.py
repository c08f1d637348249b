"""What Linux tells about its condition: sysfs, pressure-stall information, psutil and logind."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from daemon.readings import NOBODY, Heat, Memory, Power
from daemon.system.telemetry import Ask, Gauge, NoReading, SwapGrowth
from launchd.machine import PLACES

SEAT = (PLACES["loginctl"], "show-seat", "seat0", "--property=IdleHint", "--property=IdleSinceHintMonotonic")

_HEATS: tuple[Heat, ...] = ("nominal", "moderate", "heavy", "critical")
_TRIPS = {"passive": 1, "hot": 2, "critical": 3}
_PLAUSIBLE_TRIP = range(45_000, 130_000)  # firmware also reports 0 and absolute zero for "none"
_PLAUSIBLE_HEAT = range(-40_000, 130_001)
_UNTOLD_TRIPS = {1: 90_000, 2: 97_000, 3: 104_000}  # for zones that name none; processors end at about 105 °C
_CRITICAL_MARGIN = 3_000  # at the critical trip itself the kernel switches the machine off

_TIGHT_STALL, _CRITICAL_STALL = 20.0, 10.0  # percent of ten seconds in which some, or all, tasks waited for memory
_TIGHT_ROOM, _CRITICAL_ROOM = 10.0, 4.0  # percent of memory available


@dataclass(frozen=True, kw_only=True)
class LinuxFiles:
    """Where the kernel tells; a test has its own."""

    thermal: Path
    memory_pressure: Path
    platform_profile: Path
    processor: Path


LINUX = LinuxFiles(
    thermal=Path("/sys/class/thermal"),
    memory_pressure=Path("/proc/pressure/memory"),
    platform_profile=Path("/sys/firmware/acpi/platform_profile"),
    processor=Path("/proc/cpuinfo"),
)


def gauges(files: LinuxFiles, ask: Ask) -> dict[str, Gauge]:
    return {
        "heat": Gauge(every=0.0, read=lambda: heat(files)),
        "memory": Gauge(every=0.0, read=lambda: memory(files)),
        "swap_growth": Gauge(every=0.0, read=SwapGrowth(lambda: int(psutil.swap_memory().used))),
        "power": Gauge(every=10.0, read=power),
        "low_power": Gauge(every=60.0, read=lambda: low_power(files)),
        "idle": Gauge(every=30.0, read=lambda: idle(ask), by_tool=True),
    }


def heat(files: LinuxFiles) -> Heat:
    """The hottest zone, each against its own trip points. A virtual machine has no temperature: its host cools."""
    found = [level for level in map(zone_heat, sorted(files.thermal.glob("thermal_zone*"))) if level is not None]
    if found:
        return _HEATS[max(found)]
    if " hypervisor" in files.processor.read_text("ascii", "replace"):
        return "nominal"
    raise NoReading("no thermal zone tells a temperature")


def zone_heat(zone: Path) -> int | None:
    """0 (nominal) to 3 (critical); none for a zone that is switched off or tells an impossible temperature."""
    try:
        temperature = int((zone / "temp").read_text("ascii"))
    except (OSError, ValueError):
        return None
    if temperature not in _PLAUSIBLE_HEAT:
        return None
    trips = _trips(zone) or _UNTOLD_TRIPS
    return max((level for level, trip in trips.items() if temperature >= trip), default=0)


def _trips(zone: Path) -> dict[int, int]:
    """The lowest plausible trip point of each level, in thousandths of a degree Celsius."""
    trips: dict[int, int] = {}
    for kind in zone.glob("trip_point_*_type"):
        try:
            level = _TRIPS.get(kind.read_text("ascii").strip())
            trip = int(kind.with_name(kind.name.removesuffix("type") + "temp").read_text("ascii"))
        except (OSError, ValueError):
            continue
        if level is not None and trip in _PLAUSIBLE_TRIP:
            trip -= _CRITICAL_MARGIN if level == 3 else 0
            trips[level] = min(trip, trips.get(level, trip))
    return trips


def memory(files: LinuxFiles) -> Memory:
    """The worse of what stalls (where the kernel counts them) and the room that is left say."""
    room = psutil.virtual_memory()
    available = 100 * room.available / room.total
    try:
        some, full = parse_stalls(files.memory_pressure.read_text("ascii"))
    except (OSError, NoReading):
        some, full = 0.0, 0.0
    return judge_memory(some, full, available)


def judge_memory(some: float, full: float, available: float) -> Memory:
    """All in percent: of the last ten seconds, of the last ten seconds, of all memory."""
    if full >= _CRITICAL_STALL or available < _CRITICAL_ROOM:
        return "critical"
    return "tight" if some >= _TIGHT_STALL or available < _TIGHT_ROOM else "normal"


def parse_stalls(text: str) -> tuple[float, float]:
    """``some avg10=0.00 avg60=…`` and ``full avg10=…``: the two averages over ten seconds, in percent."""
    found = dict(re.findall(r"^(some|full) avg10=(\d+\.\d+) ", text, re.MULTILINE))
    if set(found) != {"some", "full"} or any(float(share) > 100 for share in found.values()):
        raise NoReading("the kernel told no memory stalls")
    return float(found["some"]), float(found["full"])


def power() -> Power:
    """Without a battery it must be the mains."""
    battery = psutil.sensors_battery()
    if battery is None:
        return Power(source="mains")
    if battery.power_plugged is None:
        raise NoReading("the battery does not tell whether it is charging")
    percent = round(battery.percent)
    return Power(
        source="mains" if battery.power_plugged else "battery", percent=percent if 0 <= percent <= 100 else None
    )


def low_power(files: LinuxFiles) -> bool:
    """The firmware's platform profile; a machine without one has no such mode."""
    try:
        return files.platform_profile.read_text("ascii").strip() == "low-power"
    except FileNotFoundError:
        return False


def idle(ask: Ask) -> float:
    """Seconds since the seat (screen and keyboard) or a terminal was used; NOBODY if nobody is logged in."""
    users = psutil.users()
    terminals = [terminal for user in users if (terminal := user.terminal)]
    typed = _since_typed(terminals)
    try:
        return min([parse_seat(ask(SEAT), time.monotonic()), *typed])
    except NoReading:
        if users and not typed:
            raise
        return min(typed, default=NOBODY)


def _since_typed(terminals: Iterable[str]) -> Sequence[float]:
    """A terminal device is read when somebody types on it. A screen session's name is no device."""
    ages = []
    for terminal in terminals:
        device = Path("/dev") / terminal
        if device.is_char_device():
            ages.append(max(0.0, time.time() - device.stat().st_atime))
    return ages


def parse_seat(text: str, now: float) -> float:
    """``IdleHint=yes`` and ``IdleSinceHintMonotonic=`` in microseconds of the clock that ``now`` is read from."""
    told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if told.get("IdleHint") == "no":
        return 0.0
    since = told.get("IdleSinceHintMonotonic", "")
    if told.get("IdleHint") != "yes" or not since.isdigit():
        raise NoReading("loginctl told nothing about the seat")
    return NOBODY if int(since) == 0 else max(0.0, now - int(since) / 1e6)
