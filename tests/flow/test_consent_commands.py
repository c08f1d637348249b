"""Consent at the command line: a person classifies, consents and sees what is in, and a steward takes labels over."""

from __future__ import annotations

import json
import time
from pathlib import Path

from jobs.domain.consent import INDEX_MEANS
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
    assert "Rapport sur les consentements" in report and "me@3" in report and "v0 est en service." in report
    assert "à titre de personne" in report and "vectoriser, évaluer" in report and "sans fin" in report
    assert settled.types("consent", "export", "me", str(settled.home.parent / "out")).returncode == 0
    assert (settled.home.parent / "out" / "records" / "me.toml").exists()
    assert settled.types("consent", "verify").returncode == 0
    log = settled.home / "consent" / "log.jsonl"
    log.write_text(log.read_text("utf-8").replace("personal", "public"), "utf-8")
    told = settled.types("consent", "verify")
    assert told.returncode == 1 and "BROKEN" in told.stdout and "next:" in told.stderr
    assert settled.types("consent", "coverage").returncode == 1
    broken = settled.types("consent", "report", "--language", "fr")
    assert broken.returncode == 1 and "la ligne 1 a été modifiée" in broken.stdout
    assert settled.reads("status")["consent"]["problem"]
    [finding] = settled.reads("doctor", "consent")["findings"]
    assert finding["level"] == "fail" and "head" in finding["remedy"]


def test_two_nations_have_a_record_each_and_no_person_speaks_for_one(settled: Person) -> None:
    settled.types("consent", "classify", "notes", "--as", "community", "--yes")
    grant = ("consent", "grant", "--folder", "notes", "--contact")
    first = settled.reads(*grant, "a@x.org", "--community", "ᓄᓇᕗᑦ")
    second = settled.reads(*grant, "b@y.org", "--community", "ᐊᓂᔑᓈᐯ", "--conditions", "not in winter")
    assert first["record"] != second["record"]
    assert "not in winter" in Path(second["file"]).read_text("utf-8")
    assert INDEX_MEANS in Path(second["file"]).read_text("utf-8")
    assert INDEX_MEANS not in settled.types("consent", "coverage").stdout
    again = (*grant, "a@x.org")
    assert settled.types(*again, "--community", "ᓄᓇᕗᑦ", "--uses", "share,index").returncode == 0
    assert INDEX_MEANS in settled.types("consent", "coverage").stdout
    assert "n'empêche rien" in settled.types("consent", "report", "--language", "fr").stdout
    taken = settled.types(*again, "--person", "ᓄᓇᕗᑦ")
    assert taken.returncode == 5 and "ᓄᓇᕗᑦ" in taken.stderr, taken.stderr
    dropped = settled.types(*again, "--community", "ᓄᓇᕗᑦ", "--conditions", "only here")
    assert dropped.returncode == 5 and "conditions" in dropped.stderr, dropped.stderr


def test_after_a_withdrawal_a_new_agreement_is_in_new_words(settled: Person) -> None:
    settled.types("consent", "classify", "notes", "--as", "personal", "--yes")
    grant = ("consent", "grant", "--person", "me", "--folder", "notes")
    file = Path(settled.reads(*grant)["file"])
    withdrawn = file.read_text("utf-8")
    settled.types("withdraw", "--person", "me", "--yes")
    file.write_text(withdrawn, "utf-8")
    back = settled.types(*grant)
    assert back.returncode == 5 and "withdrawn" in back.stderr and "next:" in back.stderr, back.stderr
    assert file.read_text("utf-8") == withdrawn
    file.unlink()
    time.sleep(1.0)  # an agreement says to the second when it was written: its words are new ones then
    assert settled.types(*grant).returncode == 0
    assert settled.reads("consent", "coverage")["reasons"] == {}


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
    assert (settled.home / "consent" / "labels" / "local-contexts-p-1.toml").read_text("utf-8") == text
    mapping.write_text(text.replace('uses = ["embed"]', "uses = []"), "utf-8")
    tightened = settled.types("consent", "labels", str(export), "--mapping", str(mapping))
    assert "no consent of a community" in tightened.stdout
    assert "iaipctl withdraw --consent local-contexts-p-1" in tightened.stderr
    assert settled.reads("consent", "coverage")["reasons"] == {"no consent of a community": 1}
    assert settled.types("withdraw", "--consent", "local-contexts-p-1", "--yes").returncode == 0
