"""What macOS tells about its condition, by its own tools and without root. Every parser is pure.

Each raises NoReading for anything but the format it names; a tool of another version may print another.
"""

from __future__ import annotations

import re
from typing import Literal

import psutil

from daemon.readings import NOBODY, Heat, Memory, Power
from daemon.system.telemetry import Ask, Gauge, NoReading, SwapGrowth
from launchd.machine import PLACES

NOTIFYUTIL = (PLACES["notifyutil"], "-g", "com.apple.system.thermalpressurelevel")
PRESSURE = (PLACES["sysctl"], "-n", "kern.memorystatus_vm_pressure_level")
BATTERY = (PLACES["pmset"], "-g", "batt")
POWER_SETTINGS = (PLACES["pmset"], "-g")
INPUT = (PLACES["ioreg"], "-c", "IOHIDSystem")

# Levels of OSThermalNotification.h: nominal, moderate, heavy, trapping, sleeping.
_HEAT: tuple[Heat, ...] = ("nominal", "moderate", "heavy", "critical", "critical")
_MEMORY: dict[str, Memory] = {"1": "normal", "2": "tight", "4": "critical"}
_SOURCES: dict[str, Literal["mains", "battery", "ups"]] = {"AC": "mains", "Battery": "battery", "UPS": "ups"}


def gauges(ask: Ask) -> dict[str, Gauge]:
    """Calling a tool costs about ten milliseconds, listing the input devices more: hence the different paces."""
    return {
        "heat": Gauge(every=10.0, read=lambda: parse_heat(ask(NOTIFYUTIL)), by_tool=True),
        "memory": Gauge(every=10.0, read=lambda: parse_memory(ask(PRESSURE)), by_tool=True),
        "swap_growth": Gauge(every=0.0, read=SwapGrowth(lambda: int(psutil.swap_memory().used))),
        "power": Gauge(every=30.0, read=lambda: parse_power(ask(BATTERY)), by_tool=True),
        "low_power": Gauge(every=120.0, read=lambda: parse_low_power(ask(POWER_SETTINGS)), by_tool=True),
        "idle": Gauge(every=60.0, read=lambda: parse_idle(ask(INPUT)), by_tool=True),
    }


def parse_heat(text: str) -> Heat:
    """``com.apple.system.thermalpressurelevel 0``: the last word is the level."""
    words = text.split()
    if len(words) != 2 or words[0] != NOTIFYUTIL[-1] or not words[1].isdigit():
        raise NoReading("notifyutil told no level")
    level = int(words[1])
    if level >= len(_HEAT):
        raise NoReading(f"notifyutil told level {level}, which has no name")
    return _HEAT[level]


def parse_memory(text: str) -> Memory:
    """``1``, ``2`` or ``4``."""
    word = text.strip()
    if word not in _MEMORY:
        raise NoReading("sysctl told no memory pressure level")
    return _MEMORY[word]


def parse_power(text: str) -> Power:
    """``Now drawing from 'AC Power'`` and one line a battery, with ``\\t43%;`` in it. A Mac without prints one."""
    source = re.search(r"^Now drawing from '(AC|Battery|UPS) Power'\s*$", text, re.MULTILINE)
    if source is None:
        raise NoReading("pmset named no power source")
    batteries = [int(percent) for percent in re.findall(r"^ -.*\t(\d{1,3})%;", text, re.MULTILINE)]
    percents = [percent for percent in batteries if percent <= 100]
    return Power(source=_SOURCES[source[1]], percent=min(percents, default=None))


def parse_low_power(text: str) -> bool:
    """A line ``lowpowermode 1``, or ``powermode 1`` where there is also a high-power mode (2)."""
    mode = re.search(r"^\s*(?:lowpowermode|powermode)\s+(\d)\s*$", text, re.MULTILINE)
    if mode is not None:
        return mode[1] == "1"
    if re.search(r"^(System-wide power settings|Currently in use):", text, re.MULTILINE):
        return False  # a machine without such a mode lists its other settings
    raise NoReading("pmset listed no settings")


def parse_idle(text: str) -> float:
    """``"HIDIdleTime" = 4500000000`` in nanoseconds, once or more; without input devices there is none."""
    times = [int(nanoseconds) for nanoseconds in re.findall(r'"HIDIdleTime" = (\d+)', text)]
    if times:
        return min(min(times) / 1e9, NOBODY)
    if "IOHIDSystem" in text:
        return NOBODY
    raise NoReading("ioreg told nothing about input")
