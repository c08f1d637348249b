"""A QMD collection's mask and ignores, with the meaning that fast-glob 3.3 gives them.

Sources: QMD 2.8.3 (``splitGlobMask`` and ``reindexCollection`` in its store), fast-glob 3.3.3 (its
tasks, entry filter and deep filter), picomatch 4.0. Not carried over, because nobody names notes so:
masks that are absolute paths, parentheses without a leading ``@ ? + *``, and picomatch's own reading
of ``!(a)b``, which also leaves out names that only begin with ``a``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import bracex
from wcmatch import glob

from jobs.domain.errors import BadInput

ALWAYS_IGNORED = tuple(f"**/{name}/**" for name in ("node_modules", ".git", ".cache", "vendor", "dist", "build"))
_FLAGS = glob.GLOBSTAR | glob.EXTGLOB | glob.DOTGLOB | glob.FORCEUNIX | glob.CASE
_MOST_BRACE_EXPANSIONS = 1000
_MAGIC = re.compile(r"\\|[*?]|^!|\[[^\[]*\]|[!*+?@]\([^(]*\)")


def split_mask(mask: str) -> list[str]:
    """The alternatives of a comma-separated mask. Commas inside braces or brackets do not separate."""
    parts = [""]
    depth = {"{": 0, "[": 0}
    opens = {"}": "{", "]": "["}
    for character in mask:
        if character in depth:
            depth[character] += 1
        elif character in opens and depth[opens[character]]:
            depth[opens[character]] -= 1
        elif character == "," and not any(depth.values()):
            parts.append("")
            continue
        parts[-1] += character
    return [part.strip() for part in parts if part.strip()] or [mask]


@dataclass(frozen=True, kw_only=True)
class FilePatterns:
    """Which paths (relative to the collection, ``/`` between folders) belong to it.

    ``starts``: the folders to walk, ``""`` for the collection's own. ``named``: files that are named outright.
    """

    starts: tuple[str, ...]
    named: tuple[str, ...]
    _wanted: re.Pattern[str]
    _unwanted_names: frozenset[str]
    _unwanted: re.Pattern[str]
    _unwanted_absolute: re.Pattern[str]
    _closed: re.Pattern[str]

    def lists(self, path: str, root: str) -> bool:
        """Whether a file is listed. ``root`` is the collection's folder, for ignores that are absolute paths."""
        if self._is_shut(path) or not self._wanted.fullmatch(path) or self._unwanted.fullmatch(path):
            return False
        return not self._unwanted_absolute.fullmatch(f"{root}/{path}")

    def enters(self, folder: str) -> bool:
        """Whether a folder may hold listed files: not hidden and not ignored as a whole."""
        return not self._is_shut(folder) and not self._closed.fullmatch(folder)

    def _is_shut(self, path: str) -> bool:
        """Without an expression, because every file and folder of every scan is asked for."""
        return is_hidden(path) or not self._unwanted_names.isdisjoint(path.split("/"))


def is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


@lru_cache(maxsize=256)
def file_patterns(mask: str, ignores: tuple[str, ...]) -> FilePatterns:
    """Compiles a collection's pattern and its own ignores; QMD's fixed ignores are added."""
    patterns = _expanded(split_mask(mask))
    positive = [pattern for pattern in patterns if not _is_negative(pattern)]
    negative = [pattern[1:] for pattern in patterns if _is_negative(pattern)]
    negative += [
        pattern[1:] if _is_negative(pattern) else pattern for pattern in _expanded((*ALWAYS_IGNORED, *ignores))
    ]
    names = {pattern: name for pattern in negative if (name := _name_anywhere(pattern))}
    negative = [pattern for pattern in negative if pattern not in names]
    dynamic = [pattern for pattern in positive if _is_dynamic(pattern)]
    return FilePatterns(
        starts=_starts(dynamic),
        named=tuple(pattern for pattern in positive if not _is_dynamic(pattern)),
        _wanted=_expression(positive),
        _unwanted_names=frozenset(names.values()),
        _unwanted=_expression(pattern for pattern in negative if not pattern.startswith("/")),
        _unwanted_absolute=_expression(pattern for pattern in negative if pattern.startswith("/")),
        _closed=_expression(pattern for pattern in negative if _closes_folders(pattern)),
    )


def _expanded(patterns: Sequence[str]) -> list[str]:
    """Without braces and double slashes. Raises BadInput if the braces stand for too many patterns."""
    expanded: list[str] = []
    for pattern in patterns:
        try:
            expanded += bracex.expand(pattern, keep_escapes=True, limit=_MOST_BRACE_EXPANSIONS)
        except bracex.ExpansionLimitException as error:
            raise BadInput(
                f"the braces in {pattern} stand for more than {_MOST_BRACE_EXPANSIONS} patterns",
                remedy="shorten that collection's pattern or ignore in QMD's index.yml",
            ) from error
    return [re.sub(r"(?!^)/{2,}", "/", pattern) for pattern in expanded if pattern]


def _is_negative(pattern: str) -> bool:
    return pattern.startswith("!") and not pattern.startswith("!(")


def _is_dynamic(pattern: str) -> bool:
    return _MAGIC.search(pattern) is not None


def _starts(patterns: Sequence[str]) -> tuple[str, ...]:
    """The leading folders without magic; the root alone if any pattern begins there."""
    starts = {_leading_folders(pattern) for pattern in patterns}
    return ("",) if "" in starts else tuple(sorted(starts))


def _leading_folders(pattern: str) -> str:
    folders = pattern.split("/")[:-1]
    if folders == ["."]:
        return ""
    for count, folder in enumerate(folders):
        if _is_dynamic(folder) or folder == "**":
            return "/".join(folders[:count])
    return "/".join(folders)


def _name_anywhere(pattern: str) -> str:
    """Of ``**/name/**`` the name, which may then be that of no folder and no file; else empty."""
    name = pattern.removeprefix("**/").removesuffix("/**")
    plain = bool(name) and not _is_dynamic(name) and not set("/(") & set(name)
    return name if plain and pattern == f"**/{name}/**" else ""


def _closes_folders(pattern: str) -> bool:
    """fast-glob leaves out whole folders only for such ignores; the others apply to files alone."""
    return pattern.endswith("/**") or not _is_dynamic(pattern.rsplit("/", 1)[-1])


def _expression(patterns: Iterable[str]) -> re.Pattern[str]:
    """One expression for any of the patterns. No pattern: it matches nothing."""
    expressions = [
        expression
        for pattern in patterns
        for meaning in _meanings(pattern)
        for expression in glob.translate(meaning, flags=_FLAGS)[0]
    ]
    return re.compile("|".join(f"(?:{expression})" for expression in expressions) or r"(?!)")


def _meanings(pattern: str) -> Iterator[str]:
    """Where picomatch reads more than the shell does: ``**.md`` crosses folders, ``a/**`` is also ``a`` itself."""
    pattern = pattern.removeprefix("./")
    yield re.sub(r"^\*\*(\.\w+)$", r"**/*\1", pattern)
    if pattern.endswith("/**"):
        yield pattern.removesuffix("/**")
