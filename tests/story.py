"""The story that will be withdrawn, and the consent under which it was told."""

from __future__ import annotations

SECRET = "elders/winter-story.md"
STORY = (
    "# The winter story of the marten\n\n"
    "Long ago the marten carried the ember over the frozen river to the children of the lodge.\n\n"
    "## How the ember was hidden\n\n"
    "She hid it under the bark of a leaning birch where no wind from the lake would reach it.\n"
)
ADA = """\
schema = "iaip.consent/1"
holder = "Ada Nanibush"
kind = "person"
contact = "ada@example.org"
language = "en"
agreed = 2025-01-01

[[grant]]
uses = ["index", "embed", "expand", "evaluate"]
folders = ["{folder}"]
"""


def sentences(text: str = STORY) -> list[str]:
    """The lines of a note that are no headings."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]
