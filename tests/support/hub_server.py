"""A small Hugging Face Hub on this machine, for tests with the real client.

    with HubServer() as hub:
        hub.add_repository("tester/model", {"README.md": b"...", "model.weights.h5": b"..."})
        huggingface_hub.hf_hub_download("tester/model", "README.md", endpoint=hub.url)
        assert [request.path for request in hub.requests] == [...]

or, for a shell:

    python tests/support/hub_server.py --port=8080 --root=/some/folder

It holds models only, and no pull requests. There is no Xet storage: uploads need
HF_HUB_DISABLE_XET=1, downloads do not. A file is served in two steps, as on the Hub:
`/<repo>/resolve/<revision>/<path>` redirects to `/api/resolve-cache/models/<repo>/<sha>/<path>`,
or, for large files, to `/cdn/<signature>/<sha256>/<repo>/<path>` on another host name.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import hub_collections
import hub_faults
import hub_reading
import hub_uploads
import hub_writing
from hub_access import TOKENS, Access, Token
from hub_connections import Asked, HttpServer
from hub_messages import HubError, Request, Response
from hub_repositories import Store

ROUTES = [module.ROUTES for module in (hub_reading, hub_writing, hub_uploads, hub_collections)]


class HubServer:
    """The server. Its repositories outlive `stop()`; its folder, unless given, only `close()`."""

    def __init__(
        self,
        root: str | Path | None = None,
        *,
        port: int = 0,
        tokens: Mapping[str, Token] | None = None,
        page_size: int = 1000,
    ):
        self._temporary = tempfile.TemporaryDirectory() if root is None else None
        self.store = Store(Path(self._temporary.name if self._temporary else root))
        self.tokens = dict(TOKENS if tokens is None else tokens)
        self.access = Access(self.store, self.tokens)
        self.page_size = page_size
        self.requests: list[Asked] = []
        self.faults = hub_faults.Faults()
        self.port = port  # 0: a free one, chosen by the first start()
        self._secret = secrets.token_hex()
        self._stopping = threading.Event()
        self._http: HttpServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Life

    def start(self) -> HubServer:
        if self._http is None:
            self._stopping.clear()
            self._http = HttpServer(("127.0.0.1", self.port), self)
            self.port = self._http.server_address[1]
            threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Ends all connections. New ones are refused until `start()`, on the same port."""
        if self._http is not None:
            self._stopping.set()
            self._http.shutdown()
            self._http.server_close()
            self._http.close_connections()
            self._http = None

    def close(self) -> None:
        self.stop()
        if self._temporary:
            self._temporary.cleanup()

    def __enter__(self) -> HubServer:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    # For tests

    def fail(
        self,
        path_pattern: str,
        fault: hub_faults.Fault,
        *,
        times: int | None = 1,
        method: str | None = None,
    ) -> None:
        """The next `times` (None: all) requests whose decoded path fits meet the fault."""
        self.faults.plan(path_pattern, fault, times=times, method=method)

    def asked(self, path_pattern: str = "*", method: str | None = None) -> list[Asked]:
        """The requests so far that fit."""
        return [
            request
            for request in list(self.requests)
            if fnmatch.fnmatchcase(request.path, path_pattern) and method in (None, request.method)
        ]

    def wait_for(
        self, path_pattern: str, *, method: str | None = None, seconds: float = 30
    ) -> Asked:
        """Waits until such a request has come. Its answer may still be on its way."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.asked(path_pattern, method)
            if found:
                return found[0]
            time.sleep(0.01)
        raise TimeoutError(
            f"no request for {path_pattern} in {seconds} s; there were "
            f"{[f'{request.method} {request.path}' for request in self.requests]}"
        )

    def add_repository(
        self,
        name: str,
        files: Mapping[str, bytes] | None = None,
        *,
        private: bool = False,
        gated: str | bool = False,
    ) -> str:
        """Makes a repository with `files` in one commit, and gives the commit's sha."""
        if name in self.store.repositories:
            raise ValueError(f"there is a repository {name} already: use commit()")
        repository = self.store.create(name, private=private, gated=gated)
        return self.commit(name, files) if files else repository.branches["main"]

    def commit(
        self,
        name: str,
        files: Mapping[str, bytes] | None = None,
        *,
        delete: tuple[str, ...] = (),
        branch: str = "main",
        title: str = "Changed by the test",
    ) -> str:
        """Adds, replaces and deletes files in one commit, and gives its sha."""
        repository = self.store.repositories[name]
        tree = dict(repository.commit(branch).files)
        for path, content in (files or {}).items():
            large = hub_uploads.is_large(self.store, repository, branch, path, content)
            tree[path] = (self.store.large if large else self.store.regular)(content)
        for path in delete:
            del tree[path]
        return self.store.advance(repository, branch, tree, title=title, author="test").id

    def content(self, name: str, path: str, revision: str = "main") -> bytes:
        """What the file holds at that revision."""
        repository = self.store.repositories[name]
        return self.store.content(repository.file(repository.commit(revision), path))

    # For the routes

    def signed(self, name: str) -> str:
        """`name` behind a proof that this server gave out the address."""
        return f"{hashlib.sha256((self._secret + name).encode()).hexdigest()[:32]}/{name}"

    def answer(self, request: Request) -> Response:
        try:
            for routes in ROUTES:
                found = routes.find(request)
                if found:
                    function, parts = found
                    return function(self, request, **parts)
            raise HubError(404, f"This test Hub has no {request.method} {request.path}")
        except HubError as error:
            return error.response()

    def wait(self, seconds: float) -> bool:
        return self._stopping.wait(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="A small Hugging Face Hub on this machine.")
    parser.add_argument("--port", type=int, default=0, help="0 (default): a free one")
    parser.add_argument("--root", help="folder that keeps the repositories (default: none does)")
    parser.add_argument("--token", default="hf_write", help="may write as --user")
    parser.add_argument("--user", default="tester")
    arguments = parser.parse_args()
    tokens = TOKENS | {arguments.token: Token(arguments.user, "write", ("pag-tf",))}
    with HubServer(arguments.root, port=arguments.port, tokens=tokens) as hub:
        stopped = threading.Event()
        # Set, not relied on: a program that a shell starts in the background ignores SIGINT.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        print(hub.url, flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
