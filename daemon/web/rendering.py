"""Jinja2: the templates, filled in one language. Everything is escaped; a name that is missing is an error."""

from __future__ import annotations

from functools import cache, partial
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from daemon.web.exported import figures
from daemon.web.wording import LANGUAGES, Wording


class Rendering:
    def __init__(self) -> None:
        self._environments = {language: _environment(language) for language in LANGUAGES}

    def render(self, template: str, language: str, **values: Any) -> str:
        return self._environments[language].get_template(f"{template}.html").render(**values)


def _environment(language: str) -> Environment:
    """Known to every template and macro: ``w`` the wording, ``say`` its shorthand, ``exported`` a parity's figures."""
    environment = Environment(
        loader=PackageLoader("daemon.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    wording = Wording(language)
    environment.globals |= {"w": wording, "say": wording.say, "exported": partial(figures, wording=wording)}
    for name in environment.list_templates():
        environment.get_template(name)  # compiled now, not while somebody waits for a first page
    return environment


@cache
def asset(name: str) -> bytes:
    """A file of ``static/``; the routes name which."""
    return resources.files("daemon.web").joinpath("static", name).read_bytes()
