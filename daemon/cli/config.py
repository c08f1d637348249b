"""iaipctl config show | check | schema: the settings, where each comes from, and every mistake in them."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from config.load import ConfigurationError, chosen_lines, load_settings
from config.settings import Settings
from daemon.cli.result import DONE, FAILED, Result, table
from daemon.cli.root import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=("show", "check", "schema"),
        default="show",
        help="show (default): what holds and where it comes from; check: every mistake; schema: JSON Schema",
    )
    parser.epilog = (
        "Exit code of check: 0 all is well, 1 there are mistakes. The daemon reads its settings when it starts."
    )


def run(options: argparse.Namespace, context: Context) -> Result:
    actions = {"show": _show, "check": _check, "schema": _schema}
    return actions[options.action](context)


def _show(context: Context) -> Result:
    path = context.home.config_file
    lines = chosen_lines(path)
    values = by_key(context.settings)
    rows = [[key, msgspec.json.encode(value).decode(), _origin(lines.get(key))] for key, value in values.items()]
    return Result(
        schema="iaip.config/1",
        data={
            "file": str(path),
            "settings": {key: {"value": value, "line": lines.get(key)} for key, value in values.items()},
        },
        text=table(["setting", "value", "from"], rows),
    )


def by_key(settings: Settings) -> dict[str, Any]:
    """``section.key`` → value."""
    sections: dict[str, dict[str, Any]] = msgspec.to_builtins(settings)
    return {f"{section}.{key}": value for section, keys in sections.items() for key, value in keys.items()}


def _origin(line: int | None) -> str:
    return "default" if line is None else f"config.toml, line {line}"


def _check(context: Context) -> Result:
    path = context.home.config_file
    try:
        load_settings(path)
    except ConfigurationError as error:
        return Result(
            schema="iaip.config-check/1",
            data={"file": str(path), "problems": error.problems},
            text="\n".join(error.problems),
            talk=f"Next: mend {path}, then `iaipctl config check`",
            code=FAILED,
        )
    told = f"{path} is well" if path.exists() else f"there is no {path}: every setting has its default"
    return Result(schema="iaip.config-check/1", data={"file": str(path), "problems": []}, text=told, code=DONE)


def _schema(_: Context) -> Result:
    schema = msgspec.json.schema(Settings)
    text = msgspec.json.format(msgspec.json.encode(schema)).decode()
    return Result(schema="iaip.config-schema/1", data={"json_schema": schema}, text=text, verbatim=True)
