"""What a machine at rest tells of itself."""

from __future__ import annotations

from daemon.readings import NOBODY, Power, Readings

FINE = Readings(
    heat="nominal",
    memory="normal",
    swap_growth=0,
    free_disk=1 << 40,
    power=Power(source="mains"),
    low_power=False,
    idle=NOBODY,
    load=0.5,
)
