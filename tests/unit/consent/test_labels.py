"""TK and BC labels become rules and records only through a steward."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.adapters.local_contexts import read_project
from jobs.consent.files import read_record
from jobs.consent.labels import Project, agreed_class, agreed_record, blank_mapping, read_mapping
from jobs.domain.errors import BadInput, Refused

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def label(kind: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """One label as the Hub's API v2 gives it."""
    return {
        "unique_id": f"0000-{number}", "name": f"TK {kind}", "label_type": kind, "language_tag": "oj",
        "language": "Ojibwa", "label_text": "Ask before use.", "img_url": "https://x/y.png", "svg_url": None,
        "audiofile": None, "community": "Sample Nation", "translations": [], "created": "2022-01-05T18:18:17Z",
        "updated": "2022-01-05T18:18:17Z",
    } | more  # fmt: skip


def export(folder: Path, *labels: dict[str, Any], wrapped: bool = False, **more: Any) -> Path:
    project: dict[str, Any] = {
        "unique_id": "p-1", "external_ids": {}, "title": "Stories", "project_privacy": "Private",
        "created_by": [{"community": {"id": 1, "name": "Sample Nation"}}], "bc_labels": [], "tk_labels": list(labels),
    } | more  # fmt: skip
    path = folder / "project.json"
    path.write_text(json.dumps({"data": [project]} if wrapped else project))
    return path


def filled(project: Project, **values: str) -> str:
    """The mapping as a steward would fill it in."""
    text = blank_mapping(project, "/notes/stories")
    for key, value in {"contact": '"band office"', "signed_by": '"A. Elder"', "confirmed": "true", **values}.items():
        for empty in ('""', "[]", "false"):
            text = text.replace(f"{key} = {empty}", f"{key} = {value}")
    return text


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_export_is_read_as_it_comes(tmp_path: Path, wrapped: bool) -> None:
    path = export(tmp_path, label("seasonal"), bc_labels=[label("research", 2)], wrapped=wrapped)
    project = read_project(path)
    assert [(one.family, one.type, one.community) for one in project.labels] == [
        ("TK", "seasonal", "Sample Nation"), ("BC", "research", "Sample Nation"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"unique_id": 3}', '{"title": "x"}', '{"unique_id": "a", "notice": []}',
     *(json.dumps({"unique_id": name, "tk_labels": [{"unique_id": "l", "label_type": "family"}]})
       for name in ("../../../evil", "a/b", "..", "", "a.b", "p\0", "a\n", "é", "x" * 65))],
)  # fmt: skip
def test_what_is_no_export_or_has_no_labels_is_refused_with_a_next_step(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(BadInput) as told:
        read_project(path)
    assert told.value.remedy


def test_a_blank_mapping_maps_nothing(tmp_path: Path) -> None:
    project = read_project(export(tmp_path, label("community_use_only")))
    blank = tomllib.loads(blank_mapping(project, "/notes/stories"))
    assert [(one["classification"], one["uses"], one["confirmed"]) for one in blank["label"]] == [("", [], False)]
    assert blank["label"][0]["text"] == "Ask before use."
    with pytest.raises((BadInput, Refused)):
        read_mapping(blank_mapping(project, "/notes/stories"), project)


@pytest.mark.parametrize(
    "values", [{"confirmed": "false"}, {"classification": '"open"'}, {"contact": '""'}, {"signed_by": '""'}]
)
def test_every_label_must_be_confirmed_by_somebody(tmp_path: Path, values: dict[str, str]) -> None:
    project = read_project(export(tmp_path, label("family")))
    text = filled(project, **{"classification": '"community"', **values})
    with pytest.raises((BadInput, Refused)):
        read_mapping(text, project)


def test_labels_together_give_the_strictest_class_and_the_uses_that_all_allow(tmp_path: Path) -> None:
    project = read_project(export(tmp_path, label("attribution"), label("seasonal", 2)))
    text = filled(project, classification='"community"', uses='["embed", "evaluate"]')
    head, _, tail = text.rpartition(', "evaluate"')  # the last label allows embedding alone
    text = head + tail
    mapping = read_mapping(text, project)
    assert agreed_class(mapping) == "community"
    record = read_record(agreed_record(mapping, project, NOW), "x.toml")
    assert (record.holder, record.kind, record.language, record.contact) == (
        "Sample Nation", "community", "oj", "band office",
    )  # fmt: skip
    assert record.grant[0].uses == ("embed",)
    assert record.grant[0].folders == ("/notes/stories",)


def test_labels_that_allow_nothing_together_give_no_record(tmp_path: Path) -> None:
    project = read_project(export(tmp_path, label("attribution")))
    mapping = read_mapping(filled(project, classification='"community"'), project)
    assert agreed_record(mapping, project, NOW) == ""


def test_secret_and_sacred_can_only_be_sacred(tmp_path: Path) -> None:
    project = read_project(export(tmp_path, label("secret_sacred")))
    with pytest.raises(Refused, match="sacred"):
        read_mapping(filled(project, classification='"public"'), project)
    assert agreed_class(read_mapping(filled(project, classification='"sacred"'), project)) == "sacred"


def test_a_label_that_changed_since_it_was_mapped_must_be_read_again(tmp_path: Path) -> None:
    before = read_project(export(tmp_path, label("family")))
    text = filled(before, classification='"community"')
    after = read_project(export(tmp_path, label("family", label_text="Do not use.")))
    with pytest.raises(Refused, match="changed"):
        read_mapping(text, after)
