"""What a Markdown note offers: front matter, headings with their sections, links, and its prose.

A line scanner, because ten thousand notes must be read in seconds: it finds the headings that
CommonMark finds (a contract test compares them) at a hundredth of a full parser's cost.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from msgspec import Struct

from jobs.consent.front_matter import read_front_matter
from jobs.domain.consent import FrontMatter


class Heading(Struct, frozen=True, kw_only=True):
    """A heading's plain text and depth (1 to 6). Its section is ``text[start:end]``, its own words from ``body`` on."""

    text: str
    depth: int
    start: int
    body: int
    end: int


class Link(Struct, frozen=True, kw_only=True):
    """A link as written. ``target`` is a relative path, or a note's name when ``wiki``; ``fragment`` a heading's."""

    target: str
    fragment: str
    anchor: str
    wiki: bool


class Note(Struct, frozen=True, kw_only=True):
    """``body`` is where the text begins, after the front matter."""

    front_matter: FrontMatter
    body: int
    headings: tuple[Heading, ...]
    links: tuple[Link, ...]


_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*\r?\n?\Z")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*\r?\n?\Z")
_NOT_A_PARAGRAPH = re.compile(r"\s*(?:[#>|<]|[-*+][ \t]|\d+[.)][ \t]|$)| {4}|\t")

_WIKI = re.compile(r"(!?)\[\[([^\]\[|#\n]{0,200})(?:#([^\]|\n]{0,200}))?(?:\|([^\]\n]{0,200}))?\]\]")
_INLINE = re.compile(r"(!?)\[((?:[^\[\]\n]|\[[^\[\]\n]{0,200}\]){1,200})\]\(\s*<?([^()\s<>]{1,300})>?[^()\n]{0,200}\)")
_FOREIGN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|#")

_MARKED = re.compile(r"[\[<>`*_~=&:\\{!]")
_IMAGE = re.compile(r"!\[[^\]\n]{0,300}\](?:\([^()\n]{0,500}\)|\[[^\]\n]{0,200}\])")
_LINK = re.compile(r"\[([^\[\]\n]{0,300})\](?:\([^()\n]{0,500}\)|\[[^\]\n]{0,200}\])")
_WIKI_TEXT = re.compile(r"!?\[\[([^\]\[|\n]{0,200})(?:\|([^\]\n]{0,200}))?\]\]")
_AUTOLINK = re.compile(r"<?https?://[^\s>]+>?")
_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,300}>")
_ATTRIBUTES = re.compile(r"[ \t]*\{[ \t]?[.#:][^{}\n]{0,200}\}")
_FOOTNOTE = re.compile(r"\[\^[^\]\n]{1,50}\]")
_EMPHASIS = re.compile(r"(?<!\w)(?:\*{1,3}|_{1,3}|~~|==)(?=\S)|(?<=\S)(?:\*{1,3}|_{1,3}|~~|==)(?!\w)")
_EMOJI_NAME = re.compile(r":[a-z0-9_+-]{2,40}:")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")

_LIST_MARKER = re.compile(r"\s*(?:>\s?)*(?:[-*+]|\d+[.)])\s+(?:\[[ xX]\]\s+)?")
_NO_PROSE = re.compile(r"\s*(?:\||<|/{3}|:::|\{[*%]|\[[^\]\n]+\]:\s|[-=*_]{3,}\s*$|!!!|\?\?\?)| {4}|\t")


def read_note(text: str) -> Note:
    """Reads the whole note. Never raises: front matter that cannot be read is ``broken``."""
    front_matter, body = read_front_matter(text)
    fences, headings = _scan(text, body)
    return Note(front_matter=front_matter, body=body, headings=headings, links=tuple(_links(text, body, fences)))


def plain(text: str) -> str:
    """Inline Markdown as its reader sees it: no markers, targets, images or HTML tags; spaces collapsed."""
    if not _MARKED.search(text):
        return " ".join(text.split())
    text = _LINK.sub(r"\1", _IMAGE.sub(" ", text))
    text = _LINK.sub(r"\1", _IMAGE.sub(" ", text))  # a link around an image
    text = _WIKI_TEXT.sub(lambda match: match[2] or match[1].replace("#", " "), text)
    text = _TAG.sub(" ", _AUTOLINK.sub(" ", text))
    text = _FOOTNOTE.sub("", _ATTRIBUTES.sub("", text)).replace("`", "")
    text = _EMOJI_NAME.sub(" ", _ESCAPE.sub(r"\1", _EMPHASIS.sub("", text)))
    return " ".join(html.unescape(text).split())


def paragraphs(text: str) -> Iterator[str]:
    """The prose of a stretch of Markdown, a paragraph or list item at a time: no code, tables, headings or HTML."""
    lines: list[str] = []
    fence = ""
    for line in text.splitlines():
        marker = _FENCE.match(line.lstrip("> ")) or _FENCE.match(line)
        is_code = bool(fence or marker)
        if is_code:
            fence = _fence_after(fence, marker[1] if marker else "", line)
        item = None if is_code else _LIST_MARKER.match(line)
        if item or is_code or not line.strip() or _NO_PROSE.match(line) or _ATX.match(line):
            if lines:
                yield plain(" ".join(lines))
            lines = [line[item.end() :]] if item else []
        else:
            lines.append(line.lstrip("> "))
    if lines:
        yield plain(" ".join(lines))


class _Opened(Struct):
    text: str
    depth: int
    start: int
    body: int


def _scan(text: str, body: int) -> tuple[list[tuple[int, int]], tuple[Heading, ...]]:
    """(start, end) of every fenced block, and the headings outside of them."""
    fences: list[tuple[int, int]] = []
    found: list[_Opened] = []
    fence, fence_start, position, previous, previous_start = "", 0, body, "", body
    for line in _LINE.findall(text, body):
        end = position + len(line)
        marker = _FENCE.match(line) if "```" in line or "~~~" in line else None
        paragraph = ""
        if fence or marker:
            was_open, fence = fence, _fence_after(fence, marker[1] if marker else "", line)
            if not was_open:
                fence_start = position
            elif not fence:
                fences.append((fence_start, end))
        elif "#" in line and (atx := _ATX.match(line)):
            found.append(_Opened(text=plain(atx[2] or ""), depth=len(atx[1]), start=position, body=end))
        elif (rule := _UNDERLINE.match(line)) and not _NOT_A_PARAGRAPH.match(previous):
            depth = 1 if rule[1][0] == "=" else 2
            found.append(_Opened(text=plain(previous), depth=depth, start=previous_start, body=end))
        else:
            paragraph = line
        previous, previous_start, position = paragraph, position, end
    if fence:
        fences.append((fence_start, len(text)))
    ends = [heading.start for heading in found[1:]] + [len(text)]
    return fences, tuple(
        Heading(text=heading.text, depth=heading.depth, start=heading.start, body=heading.body, end=end)
        for heading, end in zip(found, ends, strict=False)
    )


def _fence_after(fence: str, marker: str, line: str) -> str:
    """The open fence after this line: a fence is closed by at least as many of its own marks, alone on a line."""
    if not fence:
        info = line.strip().lstrip("> ")[len(marker) :]
        return "" if marker[0] == "`" and "`" in info else marker
    closes = (
        marker and marker[0] == fence[0] and len(marker) >= len(fence) and not line.strip(" >\t\r\n").strip(marker[0])
    )
    return "" if closes else fence


def _links(text: str, body: int, fences: list[tuple[int, int]]) -> Iterator[Link]:
    starts = iter([*fences, (len(text), len(text))])
    start, end = next(starts)
    matches = [*_WIKI.finditer(text, body), *_INLINE.finditer(text, body)] if "[" in text else []
    for match in sorted(matches, key=re.Match.start):
        while match.start() >= end and end < len(text):
            start, end = next(starts)
        if match[1] or start <= match.start() < end:
            continue
        if match.re is _WIKI:
            anchor = plain(match[4] or match[2])
            yield Link(target=match[2].strip(), fragment=(match[3] or "").strip(), anchor=anchor, wiki=True)
        elif not _FOREIGN.match(match[3]):
            target, _, fragment = match[3].partition("#")
            yield Link(target=target.partition("?")[0], fragment=fragment, anchor=plain(match[2]), wiki=False)
