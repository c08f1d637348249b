"""What the ledger holds in English, the page says in French too: why a verdict is so, the plan, what a job is doing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numpy")
pytestmark = pytest.mark.ml

import jobs
from daemon.web.wording import Wording
from jobs.domain.artifacts import Parity
from jobs.domain.parity import Embedded, Generated, Pooling, embedding_parity, generation_parity
from jobs.domain.recipe import plan_for_baseline
from tests.unit.domain.judged_sets import FAITHFUL, decide, query_set, rise, scored

FRENCH = Wording("fr")
JOBS = Path(jobs.__file__).parent


def worse(vector: float) -> Parity:
    trained, exported = (
        [Embedded(tokens=(1, number), vector=(1.0, scale * number, 0.5)) for number in range(14)]
        for scale in (1.0, vector)
    )
    pooling = Pooling(trained="mean", exported="cls")
    return embedding_parity(trained, exported, pooling, least_cosine=0.999, least_overlap=0.9)


def unlike() -> Parity:
    one, other = Generated(tokens=(1, 2), greedy=(3, 4)), Generated(tokens=(1, 9), greedy=(3, 5))
    return generation_parity([one], [other], least_agreement=0.9)


@settings(max_examples=60, deadline=None)
@given(
    gain=st.sampled_from([-0.2, -0.02, 0.0, 0.01, 0.05, 0.3]),
    guards=st.lists(st.sampled_from([-0.3, -0.04, 0.0, 0.1]), max_size=3),
    size=st.sampled_from([1, 5, 19, 20, 45]),
    must_pass=st.integers(0, 2),
    without=st.booleans(),
    pace=st.sampled_from([(10.0, 10.0), (900.0, 200.0)]),
    fell_back=st.sampled_from([(0, 0), (9, 0)]),
    parity=st.sampled_from([FAITHFUL, worse(0.2), worse(-3.0), unlike()]),
)
def test_every_reason_of_a_verdict_is_known_in_french(
    gain, guards, size, must_pass, without, pace, fell_back, parity
) -> None:
    candidate, current = rise(size, gain)
    own = query_set("mes questions", kind="curated", size=size, must_pass=must_pass)
    decisive = (
        scored(own, candidate, None, none=current)
        if without
        else scored(own, candidate, current, milliseconds=pace, fell_back=fell_back)
    )
    others = [query_set(f"garde {number}", kind="curated", size=25) for number in range(len(guards))]
    more = [
        scored(other, mine, None, none=theirs) if without else scored(other, mine, theirs)
        for other, loss in zip(others, guards, strict=True)
        for mine, theirs in [rise(25, loss)]
    ]
    verdict = decide(decisive, *more, parity=parity)
    told = FRENCH.retold("judged.", verdict.reason)
    assert told is not None, verdict.reason
    left = {"queries", "query", "rose", "fell", "the", "loss", "model", "under", "file"} & set(told.split())
    assert not left, told


@given(st.floats(0, 1), st.booleans())
def test_every_plan_is_known_in_french(score: float, forced: bool) -> None:
    plan = plan_for_baseline(score, weak_below=0.4, strong_above=0.7, forced=forced)
    told = FRENCH.retold("planned.", plan.reason)
    assert told is not None and told.startswith("la recherche actuelle obtient ") and "search" not in told


def phases() -> list[str]:
    """The first argument of every ``phase(…)`` and ``Phase(text=…)`` below jobs/, with something in its blanks."""
    found = []
    for file in sorted(JOBS.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
                "phase",
                "Phase",
            ):
                words = [*node.args, *(word.value for word in node.keywords if word.arg == "text")]
                found += [text for word in words[:1] if (text := filled(word)) is not None]
    return found


def filled(word: ast.expr) -> str | None:
    if isinstance(word, ast.Constant):
        return str(word.value)
    if not isinstance(word, ast.JoinedStr):
        return None
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "candidate" for part in word.values)


def test_whatever_a_job_may_be_doing_is_known_in_french() -> None:
    told = [text.replace("usercandidate", "user (process 7)") for text in phases()]
    assert len(told) >= 14
    for text in [*told, "reading notes", "training"]:
        assert FRENCH.retold("phase.", text) is not None, text
    for text in ("reading notes", "indexing today's notes", "indexing with the candidate", "asking the current arm"):
        counted = FRENCH.retold("phase.", f"{text} 3 of 10")
        assert counted is not None and counted.endswith(", 3 sur 10")
    assert FRENCH.retold("phase.", "a phase of tomorrow 3 of 10") is None


def test_a_verdict_reads_as_french_does() -> None:
    reason = (
        "nDCG@10 on the 64 queries of “held-out” rose from 0.333 without a model to 0.595 (+0.262, 95 % interval"
        " +0.201 to +0.330, p 0.0001); every guard held"
    )
    assert FRENCH.retold("judged.", reason) == (
        "nDCG@10 sur les 64 requêtes de «\u202fheld-out\u202f» est monté de 0,333 sans modèle à 0,595 (+0,262,"
        " intervalle à 95 % de +0,201 à +0,330, p 0,0001)\u202f; toutes les gardes ont tenu"
    )
    assert Wording("en").retold("judged.", reason) == reason
