"""A second process of a benchmark, with another Python or other compiler flags.

The processes exchange one command line and one reply line at a time, so that several processes can
be timed in turn. Both import this file, which needs only the standard library.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any


class Peer:
    """The client side: starts the process and sends commands.

    `info` is the first reply of the process, sent when it is ready. It is awaited only when it is
    read, so that several processes start in parallel.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._command, self._info = command, None

    @property
    def info(self) -> dict[str, Any]:
        """The first reply of the process."""
        if self._info is None:
            self._info = self._reply()
        return self._info

    def ask(self, command: str) -> dict[str, Any]:
        """Sends one command and waits for its reply."""
        _ = self.info  # The first reply precedes those to commands.
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._reply()

    def timing(self, command: str) -> Callable[[], float]:
        """Returns a call that returns the seconds measured by the process itself."""
        return lambda: self.ask(command)["seconds"]

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()

    def _reply(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self._command[:2])} ended; its own message stands above.")
        return json.loads(line)


def serve(
    make: Callable[[], tuple[dict[str, Any], Callable[[list[str]], dict[str, Any]]]],
) -> None:
    """The server side: answers each line of standard input with one reply.

    Args:
        make: Prepares everything and returns the first reply and a function from the words of a
            command to its reply. Anything it prints goes to standard error, as standard output is
            for replies.
    """
    replies, sys.stdout = sys.stdout, sys.stderr
    info, answer = make()
    print(json.dumps(info), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(line.split())), file=replies, flush=True)


def missing(python: str, modules: str) -> str:
    """Returns an error message if `python` cannot import `modules`; otherwise ""."""
    try:
        subprocess.run([python, "-c", f"import {modules}"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"must be a Python with {modules}: {error}"
    return ""
