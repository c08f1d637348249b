"""Which queries a person should judge next."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jobs.domain.gates import Answer, ArmName, Row, ScoredSet

_CUTOFF = 10


def most_informative(
    rows: Sequence[Row], sets: Sequence[ScoredSet], reference: ArmName, *, most: int = 5
) -> tuple[str, ...]:
    """Ids of the queries whose unjudged answers could move nDCG@10 most in favour of one arm, first the strongest.

    A document counts by how differently the two arms rank it (Carterette, Allan and Sitaraman, "Minimal
    test collections for retrieval evaluation", 2006); where the arms agree, judging cannot tell them apart.
    """
    answers = {
        (scored.query_set.name, answer.query, arm): answer
        for scored in sets
        for arm in (reference, "candidate")
        for answer in scored.answers.get(arm, ())
    }
    weighed = sorted(
        (-_weight(row, answers.get((*row.key, reference)), answers.get((*row.key, "candidate"))), row.key)
        for row in rows
    )
    return tuple(query for weight, (_, query) in weighed[:most] if weight < 0.0)


def _weight(row: Row, reference: Answer | None, candidate: Answer | None) -> float:
    before, after = _discounts(reference), _discounts(candidate)
    unjudged = (before.keys() | after.keys()) - row.query.relevant.keys()
    return math.fsum(abs(after.get(document, 0.0) - before.get(document, 0.0)) for document in unjudged)


def _discounts(answer: Answer | None) -> dict[str, float]:
    if answer is None:
        return {}
    ranked = enumerate(dict.fromkeys(answer.documents), start=1)
    return {document: 1.0 / math.log2(rank + 1) for rank, document in ranked if rank <= _CUTOFF}
