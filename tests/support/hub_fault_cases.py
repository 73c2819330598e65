"""Everything that goes wrong between pag_tf and the Hub, and what is made of it.

`python tests/support/hub_fault_cases.py` prints the table of docs/hub.md.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_client import point_client_at
from hub_faults import Flip, Hang, RedirectLoop, Reset, Slow, Status, Truncate, WrongEtag
from hub_server import HubServer

REPO_ID = "lab/tiny"
RECORD, WEIGHTS = "*/pag.json", "*/model.weights.h5"
ALWAYS = None
MODEL = "the right model"

# What differs from run to run.
_SHORT = (
    (r"http://127\.0\.0\.1:\d+", "https://hub"),
    (r"/\S*/snapshots/[0-9a-f]{40}/", "..."),
    (r"([0-9a-f]{6})[0-9a-f]{34,58}", r"\1..."),
    (r"test-\d+", "..."),
)

Break = Callable[[HubServer], object]


@dataclasses.dataclass(frozen=True)
class Case:
    """One fault, and what it leads to with an empty cache and with a complete one."""

    name: str
    happens: Break
    cold: type[Exception] | str  # the error, or MODEL
    cached: type[Exception] | str = MODEL
    token: str = ""  # sent along


def fails(pattern: str, fault: object, times: int | None = 1, method: str | None = None) -> Break:
    return lambda hub: hub.fail(pattern, fault, times=times, method=method)  # type: ignore[arg-type]


CASES = (
    Case("connection refused", lambda hub: hub.stop(), ConnectionError),
    Case("connection reset, then well", fails(RECORD, Reset()), MODEL),
    Case("connection always reset", fails("*", Reset(), ALWAYS), ConnectionError),
    Case("no answer in time", fails("*", Hang(5), ALWAYS), ConnectionError),
    Case("no answer for the weights", fails(WEIGHTS, Hang(5), ALWAYS), ConnectionError),
    Case(
        "401, no token, private or absent",
        fails("*", Status(401, code="RepoNotFound"), ALWAYS),
        PermissionError,
        PermissionError,
    ),
    Case(
        "401, token expired",
        lambda hub: None,
        PermissionError,
        PermissionError,
        token="hf_expired",
    ),
    Case(
        "403, no right to read", fails("*", Status(403), ALWAYS), PermissionError, PermissionError
    ),
    Case(
        "403, gated, terms not accepted",
        fails("*", Status(403, code="GatedRepo"), ALWAYS),
        PermissionError,
        PermissionError,
    ),
    Case(
        "404, no such repository",
        fails("*", Status(404, code="RepoNotFound"), ALWAYS),
        FileNotFoundError,
        FileNotFoundError,
    ),
    Case(
        "404, no pag.json in it",
        fails(RECORD, Status(404, code="EntryNotFound"), ALWAYS),
        FileNotFoundError,
        FileNotFoundError,
    ),
    Case(
        "404, no weights in it",
        fails(WEIGHTS, Status(404, code="EntryNotFound"), ALWAYS),
        FileNotFoundError,
    ),
    Case("429 with Retry-After, then well", fails(RECORD, Status(429, retry_after=2)), MODEL),
    Case("429 always", fails("*", Status(429, retry_after=2), ALWAYS), ConnectionError),
    Case("500, then well", fails("*", Status(500)), MODEL),
    Case("500 always", fails("*", Status(500), ALWAYS), ConnectionError),
    Case("503 for the weights, always", fails(WEIGHTS, Status(503), ALWAYS), ConnectionError),
    Case("weights cut short, then well", fails(WEIGHTS, Truncate(5000)), MODEL),
    Case("weights always cut short", fails(WEIGHTS, Truncate(0), ALWAYS), ConnectionError),
    Case("record cut short, then well", fails(RECORD, Truncate(100)), MODEL),
    Case("one byte of the weights flipped, once", fails(WEIGHTS, Flip(9000)), MODEL),
    Case("one byte of the weights always flipped", fails(WEIGHTS, Flip(9000), ALWAYS), ValueError),
    Case("one byte of the record flipped, once", fails(RECORD, Flip(40)), MODEL),
    Case("one byte of the record always flipped", fails(RECORD, Flip(40), ALWAYS), ValueError),
    Case("wrong ETag of the weights", fails(WEIGHTS, WrongEtag(), ALWAYS), MODEL),
    Case("wrong ETag of the record", fails(RECORD, WrongEtag(), ALWAYS), ValueError),
    Case("redirect loop", fails("*", RedirectLoop(), ALWAYS), ConnectionError),
    Case("slow, in small pieces", fails(WEIGHTS, Slow(20000, 0.01), ALWAYS), MODEL),
)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fetch() -> str:
    """What `zoo.load` does before it builds the model: the record and the checked weights."""
    from pag_tf.zoo import Hub

    entry = Hub().entry(REPO_ID)
    Hub().fetch_weights(entry)
    return entry.weights_sha256


def outcome(sha256: str) -> Exception | str:
    try:
        return MODEL if fetch() == sha256 else "WRONG WEIGHTS"
    except Exception as error:
        return error


def cache_state(cache: Path) -> str:
    """What a later load finds, offline."""
    from pag_tf.zoo import Hub

    if list(cache.rglob("*.incomplete")):
        return "PARTIAL FILES"
    hub = Hub(local_files_only=True)
    if hub.cached_file(REPO_ID, "pag.json") is None:
        return "empty"
    entry = hub.entry(REPO_ID)
    if hub.cached_file(REPO_ID, "model.weights.h5", entry.folder.name) is None:
        return "record only"
    hub.fetch_weights(entry)
    return "complete, checked"


def hurried(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No waiting between retries; gives the list of the waits there would have been."""
    from huggingface_hub import constants

    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.2)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    monkeypatch.setattr("huggingface_hub.file_download._ETAG_RETRY_TIMEOUT", 0.2)
    return waits


def main() -> None:
    """Prints the table for an entry: fault, what the user sees, the cache afterwards."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "zoo/shapes-resnet-natural")
    print("| fault | empty cache | then in the cache | model in the cache |\n|---|---|---|---|")
    for case in CASES:
        cold, state = _run(case, folder, warm=False)
        cached, _ = _run(case, folder, warm=True)
        same = not isinstance(cached, str) and _cell(cached) == _cell(cold)
        print(
            f"| {case.name} | {_cell(cold)} | {state} | {'the same' if same else _cell(cached)} |"
        )


def _run(case: Case, folder: Path, *, warm: bool) -> tuple[Exception | str, str]:
    import hashlib

    sha256 = hashlib.sha256((folder / "model.weights.h5").read_bytes()).hexdigest()
    home = Path(tempfile.mkdtemp())
    try:
        with HubServer() as hub, pytest.MonkeyPatch.context() as patch:
            point_client_at(hub, patch, home)
            hub.add_repository(REPO_ID, files(folder))
            if warm:
                fetch()
            hurried(patch)
            if case.token:
                patch.setenv("HF_TOKEN", case.token)
            case.happens(hub)
            return outcome(sha256), cache_state(home / "hub")
    finally:
        shutil.rmtree(home)


def _cell(result: Exception | str) -> str:
    if isinstance(result, str):
        return result
    text = str(result).replace("\n", " ").replace("|", "\\|")
    for pattern, short in _SHORT:
        text = re.sub(pattern, short, text)
    return f"`{type(result).__name__}`: {text}"


if __name__ == "__main__":
    main()
