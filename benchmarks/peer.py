"""A process that a benchmark measures beside its own: another Python, other flags of a compiler.

The two talk in lines, one command and one reply at a time, so that parts of several processes can
take turns. The process imports this file too, and nothing here needs more than Python.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any


class Peer:
    """The side that asks.

    `info` is what the process said of itself once it was ready. Peers that are started one after
    another get ready together: `info` is only waited for when it is read.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._command, self._info = command, None

    @property
    def info(self) -> dict[str, Any]:
        """The first reply."""
        if self._info is None:
            self._info = self._reply()
        return self._info

    def ask(self, command: str) -> dict[str, Any]:
        """Sends one command and waits for its reply."""
        _ = self.info  # The first reply stands before that to any command.
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._reply()

    def timing(self, command: str) -> Callable[[], float]:
        """A call that returns the seconds that the process counted, without the talk."""
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
    """The side that answers: until standard input ends, one reply for each line.

    Args:
        make: Gets everything ready and returns what this process says of itself and a function
            from the words of a command to the reply. What it and its libraries print goes to
            standard error: standard output is for replies.
    """
    replies, sys.stdout = sys.stdout, sys.stderr
    info, answer = make()
    print(json.dumps(info), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(line.split())), file=replies, flush=True)


def missing(python: str, modules: str) -> str:
    """What is wrong with a Python that has to import `modules`; empty: nothing."""
    try:
        subprocess.run([python, "-c", f"import {modules}"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"must be a Python with {modules}: {error}"
    return ""
