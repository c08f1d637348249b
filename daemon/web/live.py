"""Server-sent events: parts of a page, sent again when they have changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from werkzeug.wrappers import Response

EVERY_SECONDS = 1.0
BEAT_SECONDS = 15.0
MOST_READERS = 6
"""Each holds a thread of the server; the others stay free for pages."""
LONGEST_SECONDS = 900.0
"""A browser comes back by itself, and shows its session again when it does."""


class Live:
    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._seats = threading.Semaphore(MOST_READERS)

    def response(self, parts: Callable[[], dict[str, str]]) -> Response:
        """A stream of ``parts``, each under its name; 503 when too many read already."""
        if not self._seats.acquire(blocking=False):
            return Response("", 503, headers={"Retry-After": "30"})
        response = Response(self._events(parts), mimetype="text/event-stream", direct_passthrough=True)
        response.call_on_close(self._seats.release)
        return response

    def _events(self, parts: Callable[[], dict[str, str]]) -> Iterator[bytes]:
        sent: dict[str, str] = {}
        end = time.monotonic() + LONGEST_SECONDS
        beat = time.monotonic()
        yield b"retry: 3000\n\n"
        while time.monotonic() < end:
            for name, text in parts().items():
                if sent.get(name) != text:
                    sent[name] = text
                    beat = time.monotonic()
                    yield event(name, text)
            if time.monotonic() - beat > BEAT_SECONDS:
                beat = time.monotonic()
                yield b": still here\n\n"  # a reader that went away is noticed by writing to it
            if self._stopping.wait(EVERY_SECONDS):
                return


def event(name: str, text: str) -> bytes:
    """One event in the format of the HTML standard (§ 9.2, server-sent events): a line of text a data line."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: {name}\n{lines}\n".encode()
