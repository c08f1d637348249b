"""What heavy jobs and alerts need of this machine, as the process that asks finds it.

The agent has another PATH than a terminal, so the daemon answers the same question at its socket. Nothing heavy is
imported to find out.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys

from msgspec import Struct

from config.paths import Home
from config.settings import Settings
from jobs.adapters.base_places import base_shape
from jobs.adapters.node import find_node, find_qmd, package_version
from jobs.domain.errors import IaipError

TRAINERS = ("torch", "transformers", "sentence_transformers", "datasets", "accelerate", "peft")
ON_APPLE_SILICON = ("mlx", "mlx_lm")
NOTIFIERS = {"darwin": ("terminal-notifier", "osascript"), "linux": ("notify-send",)}


class Need(Struct, frozen=True, kw_only=True):
    """What was found, or what is missing and, as ``remedy``, how to get it."""

    told: str
    remedy: str = ""


class Installed(Struct, frozen=True, kw_only=True):
    node: Need
    qmd: Need
    qmd_version: str
    trainers: Need
    bases: Need
    notifier: str | None
    """What hands alerts to the desktop, if anything does."""


def installed(home: Home, settings: Settings) -> Installed:
    qmd, version = _qmd(settings)
    return Installed(
        node=_node(settings),
        qmd=qmd,
        qmd_version=version,
        trainers=trainers(on_apple_silicon=(sys.platform, platform.machine()) == ("darwin", "arm64")),
        bases=_bases(home, settings),
        notifier=next((tool for tool in NOTIFIERS.get(sys.platform, ()) if shutil.which(tool)), None),
    )


def trainers(*, on_apple_silicon: bool) -> Need:
    """Whether the packages that training imports are there."""
    wanted = (*TRAINERS, *(ON_APPLE_SILICON if on_apple_silicon else ()))
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        told = f"no model can be trained: {', '.join(missing)} not installed for {sys.executable}"
        return Need(told=told, remedy="`make install` in iaip's folder, then `iaipctl restart`")
    return Need(told=f"what training needs is installed ({', '.join(wanted)})")


def _node(settings: Settings) -> Need:
    try:
        return Need(told=f"Node at {find_node(settings.qmd.node)}")
    except IaipError as error:
        return Need(told=error.message, remedy=error.remedy)


def _qmd(settings: Settings) -> tuple[Need, str]:
    try:
        package = find_qmd(settings.qmd.package)
        return Need(told=str(package)), package_version(package)
    except IaipError as error:
        return Need(told=error.message, remedy=error.remedy), ""


def _bases(home: Home, settings: Settings) -> Need:
    """Each target's base model; the first that is missing or damaged decides."""
    names = {"embedding": settings.embedding.base, "expansion": settings.expansion.base}
    for target, name in names.items():
        try:
            base_shape(home.base_models, name)
        except IaipError as error:
            return Need(told=f"no {target} model can be trained: {error.message}", remedy=error.remedy)
    return Need(told=", ".join(f"{name} for {target}" for target, name in names.items()))
