"""Translates errors of the Hub's client into one sentence with the remedy.

`ConnectionError` if trying again later may help, `PermissionError` and `FileNotFoundError` if it
does not, `ValueError` for an invalid request, other `OSError` for the local disk.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

_BUSY = 429
_DENIED = (401, 403)
_ABSENT = 404
_CONFLICT = 412  # the parent commit is no longer the head of the branch
_DISK = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def explained(
    repo_id: str,
    filename: str | None = None,
    revision: str | None = None,
    former: Exception | None = None,
    *,
    writing: bool = False,
) -> Iterator[None]:
    """Translates an exception of the block into one of the errors above.

    Args:
        repo_id: The repository, for the message.
        filename: The requested file.
        revision: The requested revision; None is the main branch.
        former: The reason why the file is requested a second time.
        writing: True if the block writes to the repository.
    """
    what = repo_id if filename is None else f"{filename} of {repo_id}"
    if revision is not None:
        what = f"{what} at revision {revision!r}"
    try:
        yield
    except Exception as error:
        explanation = _explanation(error, what)
        if writing:
            explanation = _of_writing(error, what) or explanation
        if former is not None:
            text = f"{former} That copy was deleted from the cache, but then: {explanation}"
            explanation = type(explanation)(text)
        raise explanation from error


def _explanation(error: Exception, what: str) -> Exception:
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    if isinstance(error, LocalTokenNotFoundError):
        return PermissionError(
            f"{what}: no token is stored here. Run `hf auth login`, set HF_TOKEN, or pass token=."
        )
    if isinstance(error, LocalEntryNotFoundError):
        if isinstance(error.__cause__, Exception):
            return _explanation(error.__cause__, what)
        return _not_cached(what)
    if isinstance(error, OfflineModeIsEnabled):
        return _not_cached(what)
    if isinstance(error, HfHubHTTPError):
        return _of_status(error, error.response.status_code, what)
    if isinstance(error, OSError) and error.errno in _DISK:
        return type(error)(
            error.errno,
            f"{what}: {error.strerror}. Free the disk, or choose another cache with HF_HOME or "
            "cache_dir=",
            error.filename,
        )
    if isinstance(error, ValueError):
        return ValueError(f"{what}: {_line(error)}")
    # The client passes on errors of its HTTP library, which are not OSErrors.
    return _unreachable(what, error)


def _of_status(error: OSError, status: int, what: str) -> Exception:
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RevisionNotFoundError

    if isinstance(error, EntryNotFoundError):
        return FileNotFoundError(
            f"{what} does not exist: the repository has no such file. An entry of pag_tf has "
            "pag.json and model.weights.h5: choose another repository or revision."
        )
    if isinstance(error, RevisionNotFoundError):
        return FileNotFoundError(
            f"{what} does not exist: the repository has no such branch, tag or commit. Choose one "
            "that its page lists."
        )
    if isinstance(error, GatedRepoError):
        return PermissionError(
            f"{what}: the repository is gated. Request access on its page at {_endpoint()}, then "
            "pass your token (token=, HF_TOKEN or `hf auth login`)."
        )
    if _is_token_refused(error):
        return PermissionError(
            f"{what}: the Hub answered 401: the token is not valid (expired, revoked or mistyped). "
            f"Renew it at {_endpoint()}/settings/tokens, or send none to read a public repository: "
            "unset HF_TOKEN, run `hf auth logout`, or pass token=False."
        )
    if status in _DENIED or status == _ABSENT:
        denied = f"the Hub answered {status}: the repository does not exist, or it is private"
        kind = FileNotFoundError if status == _ABSENT else PermissionError
        return kind(
            f"{what}: {denied} and no token that opens it was sent. Check the name, and pass a "
            "token that may read it (token=, HF_TOKEN or `hf auth login`). A copy in the cache is "
            "read with local_files_only=True."
        )
    if status == _BUSY:
        wait = getattr(error, "response").headers.get("Retry-After")  # noqa: B009
        when = f"in {wait} seconds" if wait else "later"
        return ConnectionError(
            f"{what}: the Hub received too many requests (429). Try again {when}."
        )
    if status >= 500:
        return _unreachable(what, error)
    return OSError(f"{what}: the Hub refused the request: {_line(error)}")


def _of_writing(error: Exception, what: str) -> Exception | None:
    """Returns the explanation of an error that only writing can cause; otherwise None."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if _is_token_refused(error):
        return None  # explained as in reading
    if isinstance(error, RevisionNotFoundError):
        return FileNotFoundError(f"{what}: no such branch. Pass create=True (--create) to make it.")
    if status == _ABSENT or isinstance(error, RepositoryNotFoundError):
        return FileNotFoundError(
            f"{what} does not exist, or the token does not open it. Pass create=True (--create) to "
            "make it, or a token that may write (token=, HF_TOKEN or `hf auth login`)."
        )
    if status in _DENIED:
        return PermissionError(
            f"{what}: the Hub answered {status}: {_line(error)}. A token that may write is needed "
            "(token=, HF_TOKEN or `hf auth login`)."
        )
    if status == _CONFLICT:
        return OSError(
            f"{what} changed on the Hub while this was prepared: nothing was published. "
            "Publish again."
        )
    return None


def _is_token_refused(error: Exception) -> bool:
    """Returns True if a token was sent that the Hub does not know.

    To a valid token, the Hub answers 404 or 403 for repositories that it does not open. See
    https://github.com/huggingface/huggingface_hub/pull/2847.
    """
    from huggingface_hub.errors import HfHubHTTPError

    if not isinstance(error, HfHubHTTPError) or error.response.status_code != 401:
        return False
    return "authorization" in error.response.request.headers


def _not_cached(what: str) -> FileNotFoundError:
    return FileNotFoundError(
        f"{what} is not in the cache, and the Hub is not asked in offline mode "
        "(local_files_only=True or HF_HUB_OFFLINE=1). Load it once with a connection, or copy the "
        "folder and pass its path."
    )


def _unreachable(what: str, error: Exception) -> ConnectionError:
    return ConnectionError(
        f"{what}: the Hub at {_endpoint()} could not be reached, or the connection broke off "
        f"({_line(error)}). Check the connection and HF_ENDPOINT, and try again."
    )


def _endpoint() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


def _line(error: Exception) -> str:
    """Returns the type of an error and the first line of its message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
