"""What is said of an exported file: every figure that parity measures has a name, and what was asked of it."""

from __future__ import annotations

import pytest

from daemon.web.exported import figures
from daemon.web.wording import LANGUAGES, Wording
from jobs.domain.parity import Embedded, Generated, Pooling, embedding_parity, generation_parity

VECTORS = [Embedded(tokens=(1, number), vector=(1.0, number / 7)) for number in range(12)]
SAME = Pooling(trained="mean", exported="mean")
EMBEDDING = embedding_parity(VECTORS, VECTORS, SAME, least_cosine=0.995, least_overlap=0.9)
ANSWERS = [Generated(tokens=(1, 2), greedy=(3, 4))]
GENERATION = generation_parity(ANSWERS, ANSWERS, least_agreement=0.8)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("parity", [EMBEDDING, GENERATION], ids=["embedding", "generation"])
def test_every_figure_has_a_name_in_both_languages(language, parity) -> None:
    wording = Wording(language)
    told = figures(parity, wording)
    assert told and not {name for name, _ in told} & set(parity.measures) - {"texts", "prompts"}
    assert len(told) == sum(not name.endswith("_least") for name in parity.measures)


def test_a_figure_that_decides_stands_beside_the_least_that_was_asked() -> None:
    told = dict(figures(EMBEDDING, Wording("en")))
    assert told["lowest cosine"] == "1 (≥ 0.995)" and told["share of the ten nearest"] == "1 (≥ 0.9)"
    assert told["share with the same tokens"] == "1 (≥ 0.95)" and told["texts"] == "12"
    assert dict(figures(GENERATION, Wording("fr")))["part au même jeton le plus probable"] == "1 (≥ 0,8)"
