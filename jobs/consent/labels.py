"""TK and BC labels, and the steward's mapping of them to classes and uses. Nothing is mapped by itself.

A label says in a community's own words what is due. The steward reads each one, fills in the mapping file, sets
``confirmed = true`` and names who agreed; only then does it become a rule and a record.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import msgspec
import tomlkit
from msgspec import Struct

from jobs.consent.files import Record, RecordGrant
from jobs.consent.writing import Agreement, new_record, with_grant
from jobs.domain.consent import CLASSES, INDEX_MEANS, Classification, Use, strictest
from jobs.domain.corpus import digest
from jobs.domain.errors import BadInput, Refused

_HEAD = f"""\
# Labels of a Local Contexts project, waiting for a steward. For every label fill in:
#   classification   public, personal, community or sacred
#   uses             any of index, embed, expand, persona, evaluate, synthesise, share; [] allows nothing
#                    ({INDEX_MEANS})
#   confirmed        true, once you have read the label's text and agreed its meaning with its community
# Then: iaipctl consent labels EXPORT --mapping THIS-FILE
"""


class Label(Struct, frozen=True, kw_only=True):
    """``type`` as the Hub names it (``secret_sacred``, ``community_use_only``, …); ``family`` is TK or BC."""

    id: str
    family: str
    type: str
    name: str
    language: str
    text: str
    community: str

    @property
    def seal(self) -> str:
        """Changes with the label's text: a mapping of another text does not count."""
        return digest(self.type, self.text, self.community)


class Project(Struct, frozen=True, kw_only=True):
    id: str
    title: str
    labels: tuple[Label, ...]


class MappedLabel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    seal: str
    name: str = ""
    text: str = ""
    classification: str = ""
    uses: tuple[Use, ...] = ()
    season: str = ""
    confirmed: bool = False


class Mapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``folders`` are the places the labels speak of."""

    project: str
    folders: tuple[str, ...]
    contact: str = ""
    signed_by: str = ""
    until: date | None = None
    label: tuple[MappedLabel, ...]


def record_file(project: Project) -> str:
    return f"local-contexts-{project.id}.toml"


def labels_folder(consent: Path) -> Path:
    """Where each mapping that was taken in is kept, under its record's name: what a steward made of whose words."""
    return consent / "labels"


def blank_mapping(project: Project, folder: str) -> str:
    """The mapping file to fill in."""
    document = tomlkit.parse(_HEAD)
    document["project"] = project.id
    document["folders"] = [folder]
    document["contact"] = ""
    document["signed_by"] = ""
    labels = tomlkit.aot()
    for label in project.labels:
        table = tomlkit.table()
        table.update({"id": label.id, "seal": label.seal, "name": f"{label.family} {label.name}", "text": label.text})
        table.update({"classification": "", "uses": [], "confirmed": False})
        labels.append(table)
    document["label"] = labels
    return tomlkit.dumps(document)


def read_mapping(text: str, project: Project) -> Mapping:
    """A mapping whose every label was confirmed. Raises BadInput or Refused with what is still to do."""
    try:
        mapping = msgspec.toml.decode(text.encode(), type=Mapping)
    except msgspec.DecodeError as error:
        raise BadInput(f"the mapping cannot be read: {error}", remedy="mend the file") from error
    mapped = {label.id: label for label in mapping.label}
    if mapping.project != project.id or not (mapping.contact and mapping.signed_by and mapping.folders):
        raise BadInput(
            "the mapping is of another project, or lacks folders, contact or signed_by", remedy="fill in the mapping"
        )
    for label in project.labels:
        _refuse_unconfirmed(label, mapped.get(label.id))
    return mapping


def _refuse_unconfirmed(label: Label, mapped: MappedLabel | None) -> None:
    if mapped is None or not mapped.confirmed or mapped.classification not in CLASSES:
        raise Refused(
            f"the label {label.family} {label.type} is not confirmed with a classification",
            remedy="read its text, agree on its meaning with its community, then fill in the mapping",
        )
    if mapped.seal != label.seal:
        raise Refused(
            f"the label {label.family} {label.type} was changed since it was mapped",
            remedy="read its new text and write its mapping again (`iaipctl consent labels EXPORT`)",
        )
    if label.type == "secret_sacred" and mapped.classification != "sacred":
        raise Refused("a label calls this secret or sacred; no mapping lifts that", remedy='classification = "sacred"')


def agreed_class(mapping: Mapping) -> Classification:
    """All labels hold at once: the strictest counts."""
    return strictest([msgspec.convert(label.classification, Classification) for label in mapping.label])


def agreed_record(mapping: Mapping, project: Project, now: datetime) -> str:
    """The record's text: the uses that every label allows. Empty if they allow none together."""
    first, *others = mapping.label
    uses = tuple(use for use in first.uses if all(use in label.uses for label in others))
    if not uses:
        return ""
    communities = dict.fromkeys(label.community for label in project.labels if label.community)
    seasons = dict.fromkeys(label.season for label in mapping.label if label.season)
    if len(seasons) > 1:
        raise BadInput("two labels name different seasons", remedy="agree on one season for the whole project")
    record: Record = new_record(
        now,
        holder=", ".join(communities) or project.title or project.id,
        kind="community",
        contact=mapping.contact,
        language=project.labels[0].language or "en",
        signed_by=mapping.signed_by,
        source=f"Local Contexts project {project.id}",
    )
    grant = RecordGrant(uses=uses, folders=mapping.folders, until=mapping.until, season=next(iter(seasons), ""))
    return with_grant("", Agreement(record=record, grant=grant))
