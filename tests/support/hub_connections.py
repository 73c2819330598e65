"""Connections of the test Hub: requests come in, are noted, and answers, or faults, go out."""

from __future__ import annotations

import contextlib
import socket
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import hub_faults
from hub_messages import Request, Response

HEADERS_OF_INTEREST = ("authorization", "range", "user-agent", "content-type", "content-length")


@dataclass
class Asked:
    """One request as the server saw it. `status` is None until, or unless, it is answered."""

    method: str
    path: str  # decoded, without the query
    query: str
    headers: dict[str, str]  # names in lower case
    status: int | None = None
    fault: hub_faults.Fault | None = field(default=None, repr=False)


class HttpServer(ThreadingHTTPServer):
    """Listens for `hub`, a thread to each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], hub: Any):
        super().__init__(address, _Handler)
        self.hub = hub
        self.connections: set[socket.socket] = set()

    def close_connections(self) -> None:
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that goes away in the middle is what some tests are about.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)
        # Head and body go out in one write; waiting for more would only add 40 ms.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: `requests` is the log."""

    def _serve(self) -> None:
        hub = self.server.hub
        request = self._read()
        headers = {name: request.headers.get(name) for name in HEADERS_OF_INTEREST}
        asked = Asked(
            request.method,
            unquote(request.path),
            urlsplit(self.path).query,
            {name: text for name, text in headers.items() if text is not None},
        )
        hub.requests.append(asked)
        fault = hub.faults.take(request, None)
        if fault:
            response = fault.answer(request)
        elif request.path.startswith("/loop/"):
            response = hub_faults.RedirectLoop().answer(request)
        else:
            response = hub.answer(request)
            fault = hub.faults.take(request, response)
        asked.fault = fault
        fault = fault or hub_faults.Fault()
        if not isinstance(fault, hub_faults.Hang | hub_faults.Reset):
            asked.status = response.status
        self.close_connection = not self._send(request, fault, fault.alter(response))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815

    def _read(self) -> Request:
        address = urlsplit(self.path)
        headers = {name.lower(): text for name, text in self.headers.items()}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b"".join(iter(self._read_chunk, b""))
        else:
            body = self.rfile.read(int(headers.get("content-length", 0)))
        origin = f"http://{headers.get('host', self.server.hub.url.partition('//')[2])}"
        query = parse_qs(address.query, keep_blank_values=True)
        return Request(self.command, address.path, query, headers, body, origin)

    def _read_chunk(self) -> bytes:
        size = int(self.rfile.readline().partition(b";")[0], 16)
        content = self.rfile.read(size)
        self.rfile.readline()
        return content

    def _send(self, request: Request, fault: hub_faults.Fault, response: Response) -> bool:
        """Whether the connection may be used again."""
        phrase = HTTPStatus(response.status).phrase
        number = len(self.server.hub.requests)
        headers = response.headers | {
            "Content-Length": str(len(response.body)),
            "X-Request-Id": f"test-{number}",
        }
        lines = [f"HTTP/1.1 {response.status} {phrase}"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        body = b"" if request.method == "HEAD" else response.body
        return fault.send(self.connection, head, body, self.server.hub.wait)
