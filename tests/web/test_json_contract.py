"""What programs read of `status`, `releases` and `verdict`: keys may be added, none may go or change its kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from daemon.cli.__main__ import main
from jobs.domain.examples import Target
from jobs.publish import write_file
from jobs.releases import TRIAL, WITHDRAWN
from tests.web.household import Household

NUMBER = (int, float)
TEXT_OR_NONE = (str, type(None))
NUMBER_OR_NONE = (int, float, type(None))
Contract = dict[str, Any] | list[Any] | type | tuple[type, ...]

GAIN = {"metric": str, "delta": NUMBER, "low": NUMBER, "high": NUMBER}
STATUS: Contract = {
    "schema": "iaip.status/1",
    "daemon": {"running": bool, "pid": (int, type(None)), "stays_down": TEXT_OR_NONE},
    "live": {"release": str, "state": str, "gain": GAIN},
    "running": {
        "id": int,
        "run": int,
        "stage": str,
        "target": str,
        "phase": str,
        "progress": {"step": int, "steps": int, "loss": NUMBER, "rate": NUMBER, "unit": str, "eta": NUMBER},
        "attempts": int,
    },
    "queue": dict.fromkeys(("queued", "running", "paused", "done", "failed", "cancelled", "quarantined"), int),
    "pace": type(None),
    "confinement": type(None),
    "last_scan": {"at": str, "documents": int, "left_out": {"not-downloaded": int}, "unreadable_folders": int},
    "watching": {"collections": {}, "missed": int, "failures": int, "failure": TEXT_OR_NONE},
    "disk": {"free": int, "waits": type(None), "encryption": str},
    "consent": {"problem": str, "denied": {}},
    "curated": {"problems": [str]},
    "alerts": {"unread": int},
}
MODEL = {"base": str, "gguf": str, "sha256": str}
RELEASE = {"name": str, "state": str, "created_at": str, "run": (int, type(None)), "pinned": bool}
COMPARISON = {
    "metric": str,
    "none": NUMBER_OR_NONE,
    "current": NUMBER_OR_NONE,
    "candidate": NUMBER,
    "delta": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "floor": NUMBER,
    "p": NUMBER,
    "minimum_detectable_effect": NUMBER,
}
VERDICT: Contract = {
    "schema": "iaip.verdict/1",
    "run": int,
    "state": str,
    "target": str,
    "outcome": str,
    "rule": str,
    "reason": str,
    "alpha": NUMBER,
    "reference": str,
    "sets": [
        {
            "name": str,
            "kind": str,
            "standing": str,
            "queries": int,
            "comparisons": [COMPARISON],
            "must_pass_failed": [str],
        }
    ],
    "parity": {"measures": {"texts": NUMBER, "cosine_min": NUMBER, "cosine_min_least": NUMBER}, "problems": [str]},
    "speed": {
        "current_milliseconds": NUMBER_OR_NONE,
        "candidate_milliseconds": NUMBER_OR_NONE,
        "latency_ratio": NUMBER_OR_NONE,
        "current_fallback": NUMBER_OR_NONE,
        "candidate_fallback": NUMBER_OR_NONE,
        "fallback_p": NUMBER_OR_NONE,
    },
    "most_informative": [str],
}
QUERY = {"set": str, "query": str, "text": str, "before": NUMBER, "after": NUMBER, "change": NUMBER}


def breaches(found: Any, contract: Any, place: str = "") -> Iterator[str]:
    """Every place where a document is not what was promised."""
    if isinstance(contract, str):
        if found != contract:
            yield f"{place}: {found}, not {contract}"
    elif type(found) not in _kinds(contract):
        yield f"{place}: {type(found).__name__}"
    elif isinstance(contract, list):
        for number, one in enumerate(found):
            yield from breaches(one, contract[0], f"{place}[{number}]")
    elif isinstance(contract, dict):
        yield from (f"{place}.{key}: gone" for key in contract.keys() - found.keys())
        for key in contract.keys() & found.keys():
            yield from breaches(found[key], contract[key], f"{place}.{key}")


def _kinds(contract: Any) -> tuple[type, ...]:
    if isinstance(contract, (dict, list)):
        return (type(contract),)
    return contract if isinstance(contract, tuple) else (contract,)


Reads = Callable[..., Any]


@pytest.fixture
def reads(household: Household, capsys: pytest.CaptureFixture[str]) -> Reads:
    def types(*words: str) -> Any:
        main(["--home", str(household.home.root), *words, "--json"])
        return json.loads(capsys.readouterr().out)

    return types


def test_a_breach_of_each_kind_is_noticed() -> None:
    contract = {"schema": "a/1", "some": [{"number": NUMBER}], "none": type(None)}
    whole = {"schema": "a/1", "some": [{"number": 1, "more": True}], "none": None, "added": 1}
    assert list(breaches(whole, contract)) == []
    assert list(breaches(whole | {"schema": "a/2"}, contract)) == [".schema: a/2, not a/1"]
    assert list(breaches(whole | {"some": [{"number": "1"}, {}]}, contract)) == [
        ".some[0].number: str",
        ".some[1].number: gone",
    ]
    assert sorted(breaches(whole | {"some": {}, "none": False}, contract)) == [".none: bool", ".some: dict"]
    assert list(breaches([], contract)) == [": list"]


def test_status_keeps_its_promise_while_a_training_runs(household: Household, reads: Reads) -> None:
    household.training_now(upto=61, steps=141)
    found = reads("status")
    assert list(breaches(found, STATUS)) == []
    assert found["live"]["release"] == "v2"
    assert (found["running"]["stage"], found["running"]["progress"]["step"]) == ("train", 61)


def test_releases_keep_their_promise_in_every_state(household: Household, reads: Reads) -> None:
    told = reads("releases")
    assert list(breaches(told, {"schema": "iaip.releases/1", "releases": [RELEASE]})) == []
    v0, v1, v2 = told["releases"]
    assert (v0["targets"], v0["gain"], v0["run"]) == ({}, None, None)
    for release in (v1, v2):
        assert list(breaches(release, {"gain": GAIN, "run": int, "targets": {"embedding": MODEL}})) == []
        assert datetime.fromisoformat(release["created_at"]).tzinfo is not None
    releases = household.releases
    write_file(releases.directory("v2") / TRIAL, b"")
    on_trial = states(reads)
    releases.roll_back()
    rolled_back = states(reads)
    releases.roll_back()
    write_file(releases.directory("v1") / WITHDRAWN, b"")
    assert [on_trial, rolled_back, states(reads)] == [
        ["previous", "previous", "trial"],
        ["previous", "live", "rolled-back"],
        ["live", "withdrawn", "rolled-back"],
    ]


def states(reads: Reads) -> list[str]:
    return [release["state"] for release in reads("releases")["releases"]]


@pytest.mark.parametrize(("target", "outcome"), [("embedding", "promote"), ("expansion", "cannot-tell")])
def test_a_verdict_keeps_its_promise(household: Household, reads: Reads, target: Target, outcome: str) -> None:
    household.run(target, {target: household.judged(target, 0.12 if outcome == "promote" else 0.004)}, False)
    found = reads("verdict", "--target", target, "--queries")
    assert list(breaches(found, VERDICT)) == []
    assert list(breaches(found, {"queries": [QUERY]})) == []
    assert (found["target"], found["outcome"]) == (target, outcome)
    primary = found["sets"][0]
    assert (primary["kind"], len(found["queries"])) == ("primary", 134 + 60)
    metrics = [comparison["metric"] for comparison in primary["comparisons"]]
    assert metrics == ["RR@10", "P@5", "nDCG@10", "Success@5"]
    assert all(one["low"] <= one["delta"] <= one["high"] for one in primary["comparisons"])
    assert bool(found["most_informative"]) == (outcome == "cannot-tell")


def test_without_a_verdict_the_document_says_so(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Household(tmp_path)
    made.settle()
    assert main(["--home", str(made.home.root), "verdict", "--json"]) == 6
    found = json.loads(capsys.readouterr().out)
    made.leave()
    assert list(breaches(found, {"schema": "iaip.verdict/1", "run": type(None), "message": str})) == []
