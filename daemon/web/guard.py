"""Whom the page answers. Pure: the headers of a request and the page's port go in, a refusal or none comes out.

A name that somebody else's server resolves to 127.0.0.1 fails by its Host (DNS rebinding); another site, and
another port of this machine, fails by the browser's Sec-Fetch-Site and Origin; whoever has no session fails last.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Reason = Literal["wrong-host", "other-site", "no-session"]
OWN_NAVIGATION = ("", "none", "same-origin")
READING = ("GET", "HEAD")
OPEN_PATHS = ("/page.css", "/page.js", "/icon.svg")
"""The looks of the page, also of its refusals. They tell nothing."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Not no-referrer: with it browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Asked(Struct, frozen=True, kw_only=True):
    """What of a request decides. A header that was not sent is an empty string."""

    method: str
    path: str
    host: str
    origin: str = ""
    fetch_site: str = ""
    purpose: str = ""
    """``Sec-Purpose``: a browser that only fetches ahead."""
    has_session: bool = False


def hosts(port: int) -> tuple[str, ...]:
    """The only names that the page answers to."""
    return (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}")


def refusal(asked: Asked, port: int) -> Reason | None:
    """Why the request is not answered; none if it is."""
    if asked.host not in hosts(port):
        return "wrong-host"
    if asked.fetch_site not in OWN_NAVIGATION or asked.purpose:
        return "other-site"
    if asked.origin != f"http://{asked.host}" and (asked.origin or asked.method not in READING):
        return "other-site"
    if asked.has_session or asked.path in OPEN_PATHS or _enters(asked):
        return None
    return "no-session"


def _enters(asked: Asked) -> bool:
    return asked.method == "GET" and asked.path.startswith("/enter/")
