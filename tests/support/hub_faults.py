"""What can go wrong between a client and the Hub, on demand.

    server.fail("*/config.json", hub_faults.Status(503), times=2)
    server.fail("*.weights.h5", hub_faults.Truncate(after=1000))

A file is asked for under several addresses (see hub_server.py) that all end in its path in the
repository, so patterns are best written `*/<path>`.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import unquote

from hub_messages import HubError, Request, Response

Wait = Callable[[float], bool]  # sleeps; True when the server stops meanwhile


class Fault:
    """One way to fail. The methods are the places where it can; the defaults do not."""

    instead: ClassVar[bool] = False  # comes before the Hub has done anything

    def fits(self, request: Request, response: Response) -> bool:
        """Whether there is something in the Hub's answer to spoil."""
        return True

    def answer(self, request: Request) -> Response:
        """What is sent instead of the Hub's answer."""
        return Response()

    def alter(self, response: Response) -> Response:
        return response

    def send(self, connection: socket.socket, head: bytes, body: bytes, wait: Wait) -> bool:
        """Sends the answer. False when the connection cannot be used again."""
        connection.sendall(head + body)
        return True


class _BodyFault(Fault):
    def fits(self, request: Request, response: Response) -> bool:
        whole_or_part = response.status in (200, 206)
        return request.method != "HEAD" and whole_or_part and len(response.body) > 0


@dataclass(frozen=True)
class Status(Fault):
    """An error, as the Hub would word it.

    For a 401 give the code too: the client takes any 401 about a repository for RepoNotFound, but
    by its address, and looks for https there.
    """

    instead = True
    status: int
    retry_after: int | None = None  # seconds
    code: str = ""  # X-Error-Code: RepoNotFound, GatedRepo, EntryNotFound, RevisionNotFound
    message: str = "on demand of the test"

    def answer(self, request: Request) -> Response:
        response = HubError(self.status, self.message, self.code).response()
        if self.retry_after is not None:
            response.headers["Retry-After"] = str(self.retry_after)
        return response


@dataclass(frozen=True)
class RedirectLoop(Fault):
    """A redirect that leads to another, and so on without end. Once is enough."""

    instead = True

    def answer(self, request: Request) -> Response:
        turn = int(request.path.rpartition("/")[2]) if request.path.startswith("/loop/") else 0
        return Response(307, {"Location": f"/loop/{turn + 1}"})


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset (RST) before a byte of the answer."""

    instead = True

    def send(self, connection: socket.socket, head: bytes, body: bytes, wait: Wait) -> bool:
        # Closed here and now with nothing left to send: the usual way out would end it in order.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(connection.detach())
        return False


@dataclass(frozen=True)
class Hang(Fault):
    """No answer for some seconds, then none at all."""

    instead = True
    seconds: float = 60.0

    def send(self, connection: socket.socket, head: bytes, body: bytes, wait: Wait) -> bool:
        wait(self.seconds)
        return False


@dataclass(frozen=True)
class WrongEtag(Fault):
    """The right file under the name of another content."""

    etag: str = "0" * 64

    def fits(self, request: Request, response: Response) -> bool:
        return "ETag" in response.headers or "X-Linked-Etag" in response.headers

    def alter(self, response: Response) -> Response:
        wrong = {
            name: f'"{self.etag}"' for name in response.headers if name.lower().endswith("etag")
        }
        return dataclasses.replace(response, headers=response.headers | wrong)


@dataclass(frozen=True)
class Flip(_BodyFault):
    """One byte of the file is another one. An `offset` below 0 counts from the file's end."""

    offset: int = 0

    def alter(self, response: Response) -> Response:
        body = bytearray(response.body)
        here = self.offset + len(body) if self.offset < 0 else self.offset - response.offset
        if 0 <= here < len(body):
            body[here] ^= 0xFF
        return dataclasses.replace(response, body=bytes(body))


@dataclass(frozen=True)
class Truncate(_BodyFault):
    """The connection ends after some bytes of the body, fewer than Content-Length announced."""

    after: int = 0

    def send(self, connection: socket.socket, head: bytes, body: bytes, wait: Wait) -> bool:
        connection.sendall(head + body[: min(self.after, len(body) - 1)])
        return False


@dataclass(frozen=True)
class Slow(_BodyFault):
    """The body comes in small pieces with pauses, so that a download can be killed midway."""

    piece: int = 1024  # bytes
    pause: float = 0.1  # seconds

    def send(self, connection: socket.socket, head: bytes, body: bytes, wait: Wait) -> bool:
        connection.sendall(head)
        for start in range(0, len(body), self.piece):
            connection.sendall(body[start : start + self.piece])
            if wait(self.pause):
                return False
        return True


@dataclass
class _Planned:
    pattern: str
    fault: Fault
    left: int | None  # None: always
    method: str | None


class Faults:
    """The faults that wait for their request."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()

    def plan(self, pattern: str, fault: Fault, *, times: int | None, method: str | None) -> None:
        if not isinstance(fault, Fault):
            raise TypeError(f"fault must be made by hub_faults, as in Status(503), got {fault!r}")
        with self._lock:
            self._planned.append(_Planned(pattern, fault, times, method))

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()

    def take(self, request: Request, response: Response | None) -> Fault | None:
        """The first planned fault that fits, used up by one.

        Before the Hub has answered (`response` None) these are the faults that come instead.
        """
        path = unquote(request.path)
        with self._lock:
            for planned in self._planned:
                if planned.left == 0 or planned.method not in (None, request.method):
                    continue
                if planned.fault.instead != (response is None):
                    continue
                if not fnmatch.fnmatchcase(path, planned.pattern):
                    continue
                if response is None or planned.fault.fits(request, response):
                    planned.left = None if planned.left is None else planned.left - 1
                    return planned.fault
        return None
