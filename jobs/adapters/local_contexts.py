"""A project's labels as the Local Contexts Hub exports them: the JSON of ``GET /api/v2/projects/<id>/``.

Format of API v2 (the Hub's own serializers): ``{unique_id, title, tk_labels: [...], bc_labels: [...]}``, a label
``{unique_id, name, label_type, language_tag, label_text, community, …}``. A project has labels or notices, not both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from jobs.consent.labels import Label, Project
from jobs.domain.errors import BadInput


class _Label(Struct, frozen=True):
    unique_id: str
    label_type: str
    name: str | None = None
    language_tag: str | None = None
    label_text: str | None = None
    community: str | None = None


class _Project(Struct, frozen=True):
    unique_id: Annotated[str, Meta(pattern=r"\A[0-9A-Za-z-]{1,64}\Z")]
    title: str | None = None
    tk_labels: list[_Label] = []
    bc_labels: list[_Label] = []


class _Multiple(Struct, frozen=True):
    """Some calls wrap the project in a list under ``data`` or ``results``."""

    data: list[_Project] = []
    results: list[_Project] = []


def read_project(path: Path) -> Project:
    """Raises BadInput for a file that is no export, or has notices but no labels."""
    try:
        content = path.read_bytes()
        wrapped = msgspec.json.decode(content, type=_Multiple)
        (project,) = [*wrapped.data, *wrapped.results] or [msgspec.json.decode(content, type=_Project)]
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise BadInput(
            f"{path} is not one project's export ({error})",
            remedy="save the answer of https://localcontextshub.org/api/v2/projects/<id>/ as a file",
        ) from error
    labels = [_label("TK", one) for one in project.tk_labels] + [_label("BC", one) for one in project.bc_labels]
    if not labels:
        raise BadInput(
            "this project has no TK or BC labels",
            remedy="notices carry no permission: ask the community, and write a record with `iaipctl consent grant`",
        )
    return Project(id=project.unique_id, title=project.title or "", labels=tuple(labels))


def _label(family: str, label: _Label) -> Label:
    return Label(
        id=label.unique_id,
        family=family,
        type=label.label_type,
        name=label.name or "",
        language=label.language_tag or "",
        text=label.label_text or "",
        community=label.community or "",
    )
