"""Requests and answers of the test Hub, and the table that leads from one to the other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote


@dataclass(frozen=True)
class Request:
    """One request, read whole. `path` is as it was sent (percent-encoded), without the query."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]  # names in lower case
    body: bytes
    origin: str  # "http://127.0.0.1:8080", as the client named this server

    @property
    def storage_origin(self) -> str:
        """This machine's other name: to the client, another host, which must not see its token."""
        names = {"//localhost": "//127.0.0.1", "//127.0.0.1": "//localhost"}
        return re.sub("//(localhost|127.0.0.1)", lambda match: names[match[0]], self.origin)

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise HubError(400, f"the body is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise HubError(400, f"the body must be a JSON object, got {value!r}")
        return value

    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True)

    def option(self, name: str, default: str = "") -> str:
        """The last value of `name` in the query."""
        return self.query.get(name, [default])[-1]

    def switch(self, name: str) -> bool:
        return self.option(name).lower() in ("true", "1")


@dataclass(frozen=True)
class Response:
    """One answer. `offset` is where `body` starts in the file it is a part of."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    offset: int = 0


class HubError(Exception):
    """A refusal, with the two headers by which the client tells refusals apart."""

    def __init__(self, status: int, message: str, code: str = "", **details: Any):
        super().__init__(message)
        self.status, self.message, self.code, self.details = status, message, code, details

    def response(self) -> Response:
        answer = json_response({"error": self.message} | self.details, status=self.status)
        answer.headers["X-Error-Message"] = " ".join(self.message.split())  # one line
        if self.code:
            answer.headers["X-Error-Code"] = self.code
        return answer


def json_response(value: Any, *, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    body = json.dumps(value).encode()
    return Response(status, {"Content-Type": "application/json; charset=utf-8"} | named, body)


class Routes:
    """Which function answers which request. The first pattern that fits the whole path wins."""

    def __init__(self) -> None:
        self._table: list[tuple[str, re.Pattern, Callable]] = []

    def add(self, methods: str, pattern: str) -> Callable[[Callable], Callable]:
        """A decorator. `<name>` is one part of a path; `<name*>` is the rest of it."""
        # A repository is "name" or "owner/name".
        expression = pattern.replace("<repo>", "(?P<repo>[^/]+(?:/[^/]+)?)")
        expression = re.sub(r"<(\w+)\*>", r"(?P<\1>.+)", expression)
        expression = re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", expression.replace("?P<", "?P\0"))
        compiled = re.compile(expression.replace("?P\0", "?P<"))

        def register(function: Callable) -> Callable:
            self._table += [(method, compiled, function) for method in methods.split()]
            return function

        return register

    def find(self, request: Request) -> tuple[Callable, dict[str, str]] | None:
        for method, pattern, function in self._table:
            match = pattern.fullmatch(request.path) if method == request.method else None
            if match:
                parts = {name: unquote(part) for name, part in match.groupdict().items() if part}
                return function, parts
        return None
