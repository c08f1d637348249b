"""Speaks HTTP to the page byte by byte, so that a test can send what no browser would."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.web.household import Household


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Caller:
    """``headers`` go with every request; ``cookie`` is the session's once it has entered."""

    port: int
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, headers)

    def post(self, path: str, body: str = "", **headers: str) -> Reply:
        """A form as our own page would send it, unless ``headers`` say otherwise."""
        return self.send("POST", path, {"Origin": self.origin, "Sec_Fetch_Site": "same-origin", **headers}, body)

    def send(self, method: str, path: str, headers: dict[str, str], body: str = "") -> Reply:
        sent = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **self.headers}
        if self.cookie:
            sent["Cookie"] = self.cookie
        if method == "POST":
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body.encode()))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items() if value != "-")]
        return self.raw("\r\n".join([*lines, "", body]).encode())

    def raw(self, request: bytes) -> Reply:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(1 << 16):
                answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Reply(int(first.split()[1]), headers, body.decode("utf-8", "replace"))


def stranger(household: Household) -> Caller:
    """Somebody on this machine without a session."""
    return Caller(port=urlsplit(household.enter()).port or 0)


def owner(household: Household) -> Caller:
    """Somebody who came by a one-time link."""
    link = urlsplit(household.enter())
    caller = Caller(port=link.port or 0)
    caller.cookie = caller.get(link.path).headers["set-cookie"].split(";")[0]
    return caller
