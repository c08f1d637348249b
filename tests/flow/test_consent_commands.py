"""Consent at the command line: a person classifies, consents and sees what is in, and a steward takes labels over."""

from __future__ import annotations

import json
from pathlib import Path

from tests.flow.person import Person


def test_a_person_classifies_consents_and_sees_what_is_in_and_why(settled: Person) -> None:
    folder = str(settled.notes)
    assert settled.reads("consent", "coverage")["reasons"] == {"unclassified": 1}
    shown = settled.types("consent", "classify", folder, "--as", "personal")
    assert "unclassified" in shown.stdout and "--yes" in shown.stderr
    assert settled.reads("consent", "coverage")["reasons"] == {"unclassified": 1}, "asking changes nothing"
    settled.types("consent", "classify", "notes", "--as", "personal", "--yes")
    assert settled.reads("consent", "coverage")["reasons"] == {"no consent of a person": 1}
    granted = settled.reads("consent", "grant", "--person", "me", "--folder", folder, "--uses", "embed,evaluate")
    assert (granted["schema"], granted["record"], granted["revision"]) == ("iaip.consent-grant/1", "me", 2)
    [document] = settled.reads("consent", "coverage")["documents"]
    assert (document["uses"], document["consents"], document["reason"]) == (["embed", "evaluate"], ["me@2"], "")


def test_a_record_changed_by_hand_counts_after_its_import_and_a_touched_log_is_told(settled: Person) -> None:
    settled.types("consent", "classify", "notes", "--as", "personal", "--yes")
    settled.types("consent", "grant", "--person", "me", "--folder", "notes")
    record = settled.home / "consent" / "me.toml"
    record.write_text(record.read_text("utf-8").replace('"expand", ', ""), "utf-8")
    assert settled.reads("consent", "coverage")["not_imported"] == {"me.toml": "changed"}
    assert settled.reads("consent", "import")["imported"] == [{"file": "me.toml", "action": "import", "revision": 3}]
    assert settled.reads("consent", "coverage")["uses"] == {"embed": 1, "evaluate": 1}
    report = settled.types("consent", "report", "--language", "fr").stdout
    assert "Rapport sur les consentements" in report and "me@3" in report
    assert settled.types("consent", "export", "me", str(settled.home.parent / "out")).returncode == 0
    assert (settled.home.parent / "out" / "records" / "me.toml").exists()
    assert settled.types("consent", "verify").returncode == 0
    log = settled.home / "consent" / "log.jsonl"
    log.write_text(log.read_text("utf-8").replace("personal", "public"), "utf-8")
    told = settled.types("consent", "verify")
    assert told.returncode == 1 and "BROKEN" in told.stdout and "next:" in told.stderr
    assert settled.types("consent", "coverage").returncode == 1


def test_labels_of_a_project_need_a_steward(settled: Person) -> None:
    label = {"unique_id": "l-1", "label_type": "family", "name": "TK F", "label_text": "Ask.", "community": "A Nation"}
    export = settled.home.parent / "project.json"
    export.write_text(json.dumps({"unique_id": "p-1", "title": "T", "tk_labels": [label], "bc_labels": []}))
    made = settled.reads("consent", "labels", str(export), "--folder", "notes")
    mapping = Path(made["mapping"])
    assert settled.types("consent", "labels", str(export), "--mapping", str(mapping)).returncode != 0
    text = mapping.read_text("utf-8").replace('classification = ""', 'classification = "community"')
    text = text.replace("uses = []", 'uses = ["embed"]').replace("confirmed = false", "confirmed = true")
    text = text.replace('contact = ""', 'contact = "office"').replace('signed_by = ""', 'signed_by = "A. Elder"')
    mapping.write_text(text, "utf-8")
    taken = settled.reads("consent", "labels", str(export), "--mapping", str(mapping))
    assert taken["imported"] == ["local-contexts-p-1.toml", "policy.toml"]
    assert settled.reads("consent", "coverage")["uses"] == {"embed": 1}
