"""Foreign tools at pinned versions: what they are (package.json, converter.txt) and how they get into ``.tools/``."""
