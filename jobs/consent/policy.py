"""What the policy says now: as imported, and as its file stands. If they differ, both restrict and neither permits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from jobs.consent.book import ConsentBook
from jobs.consent.files import POLICY, Policy, PolicyRule, read_policy
from jobs.consent.roots import stays
from jobs.domain.consent import Rule
from jobs.domain.consent_log import Entry, imported
from jobs.domain.corpus import Collection
from jobs.domain.errors import BadInput
from jobs.domain.places import places
from jobs.domain.seasons import Season


class PolicyNow(Struct, frozen=True, kw_only=True):
    """``written`` are the rules as they stand in the file or stood at its import; ``rules`` what they mean here.

    A season's name holds in every text that counts.
    """

    written: tuple[PolicyRule, ...]
    rules: list[Rule]
    seasons: dict[str, tuple[Season, ...]]
    words: tuple[tuple[str, str], ...]


def policy_now(
    file: str, entry: Entry | None, collections: Sequence[Collection], to_be: str | None = None
) -> PolicyNow:
    """``entry`` is the policy's newest import; with ``to_be``, as if that were imported. ``collections``: the real."""
    taken_in = to_be if to_be is not None else entry.text if entry else ""
    settled = to_be is not None or (entry is not None and file == entry.text)
    read = [_read(text) for text in dict.fromkeys((taken_in, taken_in if settled else file))]
    known = [policy for policy in read if policy is not None]
    written = tuple(dict.fromkeys((rule.place, rule) for policy in known for rule in policy.rules))
    return PolicyNow(
        written=tuple(rule for _, rule in written),
        rules=[
            Rule(
                place=place,
                said=rule.said,
                source="policy",
                raises_only=not (settled and stays(rule.place, entry, collections)),
            )
            for _, rule in written
            for place in places(rule.place, collections)
        ],
        seasons=_seasons(read[0], known),
        words=tuple(dict.fromkeys(pair for policy in known for pair in policy.words)),
    )


def written_rules(folder: Path, collections: Sequence[Collection]) -> tuple[PolicyRule, ...]:
    """The rules as they stand, or stood at their import. ``folder`` is the consent folder."""
    book = ConsentBook(folder)
    return policy_now(book.files().get(POLICY, ""), imported(book.chain()).get(POLICY), collections).written


def _seasons(taken_in: Policy | None, known: Sequence[Policy]) -> dict[str, tuple[Season, ...]]:
    names = taken_in.seasons if taken_in else {}
    return {
        name: tuple(policy.seasons[name] for policy in known)
        for name in names
        if all(name in policy.seasons for policy in known)
    }


def _read(text: str) -> Policy | None:
    try:
        return read_policy(text)
    except BadInput:  # it never was, or no longer is, what was imported: the other version still restricts
        return None
