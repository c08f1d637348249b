"""Server-sent events: parts of a page, sent again when they have changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from werkzeug.wrappers import Response

EVERY_SECONDS = 1.0
BEAT_SECONDS = 4.0
MOST_READERS = 6
"""Each holds a thread of the server; the others stay free for pages."""
LONGEST_SECONDS = 900.0
"""A browser comes back by itself, and shows its session again when it does."""


class Live:
    """The newest readers are served; the oldest makes room, and comes back if it is still there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: list[threading.Event] = []

    def response(self, parts: Callable[[], dict[str, str]]) -> Response:
        """A stream of ``parts``, each under its name."""
        over = threading.Event()
        with self._lock:
            self._readers.append(over)
            for oldest in self._readers[:-MOST_READERS]:
                oldest.set()
        response = Response(_events(parts, over), mimetype="text/event-stream", direct_passthrough=True)
        response.call_on_close(lambda: self._leave(over))
        return response

    def stop(self) -> None:
        with self._lock:
            for over in self._readers:
                over.set()

    def _leave(self, over: threading.Event) -> None:
        with self._lock:
            self._readers.remove(over)


def _events(parts: Callable[[], dict[str, str]], over: threading.Event) -> Iterator[bytes]:
    sent: dict[str, str] = {}
    beat = began = time.monotonic()
    yield b"retry: 3000\n\n"
    while not over.wait(EVERY_SECONDS) and time.monotonic() - began < LONGEST_SECONDS:
        changed = {name: text for name, text in parts().items() if sent.get(name) != text}
        sent |= changed
        yield from (event(name, text) for name, text in changed.items())
        if changed:
            beat = time.monotonic()
        elif time.monotonic() - beat > BEAT_SECONDS:
            beat = time.monotonic()
            yield b": still here\n\n"  # only by writing to it is a reader noticed that went away


def event(name: str, text: str) -> bytes:
    """One event in the format of the HTML standard (§ 9.2, server-sent events): a line of text a data line."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])  # without data a browser drops it
    return f"event: {name}\n{lines}\n".encode()
