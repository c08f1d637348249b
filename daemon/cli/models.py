"""iaipctl models [list | fetch NAME | template NAME | confirm NAME DIGEST | gguf NAME FOLDER]: base models.

Fetching is the only thing in the product that uses the network, and only by hand.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from config.catalogue import CatalogueEntry, read_catalogue
from daemon.cli.result import FAILED, NOT_FOUND, Result, table
from daemon.cli.root import Context, confirm_template, template_of
from daemon.system.sandbox import worker_environment

FETCH_SECONDS = 4 * 3600
GGUF_SECONDS = 3600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "fetch", "template", "confirm", "gguf"),
        default="list",
        help="list (default); fetch one from the network; template: show a fetched one's chat template; confirm it;"
        " gguf: write an untrained one as QMD reads it",
    )
    parser.add_argument("name", nargs="?", help="a name from the list")
    parser.add_argument(
        "what",
        nargs="?",
        help="confirm: how the template's digest begins; gguf: the folder to write a GGUF for QMD into",
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    catalogue = read_catalogue()
    if options.action == "list":
        return _list(catalogue, context)
    entry = catalogue.get(options.name or "")
    if options.action == "gguf" and entry is not None and options.what:
        return _gguf(options.name, entry.kind, options.what, context)
    if entry is None or not entry.repository:
        return Result(
            schema="iaip.models/1",
            data={"name": options.name},
            text="",
            talk="nothing to fetch under that name; `iaipctl models` lists what there is",
            code=NOT_FOUND,
        )
    if options.action in ("template", "confirm"):
        return _template(options.name, options.what if options.action == "confirm" else None, context)
    return _fetch(options.name, entry, context)


def _template(name: str, digits: str | None, context: Context) -> Result:
    text, digest = template_of(name, context.home)
    data = {"name": name, "digest": digest, "template": text.decode("utf-8", "replace")}
    if digits is not None:
        confirm_template(name, digits, context.home)
        return Result(
            schema="iaip.models/1", data=data, text=f"{name} may be trained with this chat template: {digest}"
        )
    talk = f"if it only writes out a conversation: `iaipctl models confirm {name} {digest[:12]}`"
    return Result(schema="iaip.models/1", data=data, text=_visible(text), talk=talk)


def _visible(text: bytes) -> str:
    """With everything that could hide a part of it on a terminal written out."""
    shown = text.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in shown)


def _fetch(name: str, entry: CatalogueEntry, context: Context) -> Result:
    place = context.home.base_models / name
    print(f"fetching {entry.repository} into {place}", file=sys.stderr)
    command = [sys.executable, "-m", "jobs.adapters.model_hub", entry.repository, entry.revision, str(place)]
    code = subprocess.run(command, timeout=FETCH_SECONDS, check=False).returncode
    return Result(
        schema="iaip.models/1",
        data={"name": name, "fetched": code == 0},
        text=_next(name, entry) if code == 0 else "",
        talk="" if code == 0 else "nothing was changed; try again when the network is there",
        code=0 if code == 0 else FAILED,
    )


def _next(name: str, entry: CatalogueEntry) -> str:
    told = f'{name} is here; set [{entry.kind}] base = "{name}" in config.toml'
    if entry.kind == "expansion":
        told += f"\nits chat template is a program: read it with `iaipctl models template {name}` and confirm it"
    return told


def _gguf(name: str, kind: str, folder: str, context: Context) -> Result:
    command = [sys.executable, "-m", "jobs.base_gguf", str(context.home.root), kind, name, str(Path(folder).absolute())]
    made = subprocess.run(
        command, env=worker_environment(), stdout=subprocess.PIPE, text=True, timeout=GGUF_SECONDS, check=False
    )
    path = made.stdout.strip().rpartition("\n")[2]
    return Result(
        schema="iaip.models/1",
        data={"name": name, "gguf": path or None},
        text=path,
        talk="" if made.returncode else "name it under models: in QMD's index.yml, then `qmd embed`",
        code=FAILED if made.returncode else 0,
    )


def _list(catalogue: dict[str, CatalogueEntry], context: Context) -> Result:
    rows = []
    for name, entry in catalogue.items():
        here = "embedded" if entry.package else "yes" if (context.home.base_models / name).is_dir() else "no"
        rows.append([name, entry.kind, here, entry.note])
    return Result(
        schema="iaip.models/1",
        data={"models": [dict(zip(("name", "kind", "here", "note"), row, strict=True)) for row in rows]},
        text=table(["name", "for", "here", ""], rows),
    )
