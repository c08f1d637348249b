"""A search never meets a switch: 4 readers, 100 switches and rollbacks."""

from __future__ import annotations

from pathlib import Path

from tests.crash.hammer import hammer, prepared, whose


def test_four_readers_meet_no_error_and_no_mixed_answer_during_a_hundred_switches(tmp_path: Path) -> None:
    found = hammer(tmp_path, readers=4, switches=100)
    assert found.tally.errors == 0
    assert found.tally.mixed == 0
    assert found.tally.crossed <= 4 * found.switches, "a search as QMD makes it meets a switch once at most"
    assert found.tally.reads > 100, "the readers slept"
    assert set(found.tally.seen) >= {"v1", "v2"}, "they never saw a switch"


def test_a_reader_that_opens_each_file_through_the_link_can_meet_a_switch(tmp_path: Path) -> None:
    """What QMD does, and why readers of ours resolve the link once."""
    releases = prepared(tmp_path)
    metadata = releases.directory("v2") / "training-metadata.json"
    releases.roll_back()
    through = releases.current
    assert whose(metadata, through / "qmd" / "index.yml", through / "index" / "index.sqlite") == {"v1", "v2"}
