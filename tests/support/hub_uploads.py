"""How files come into a repository of the test Hub, step by step as the client takes them.

1. preupload: which files are large, and which the revision has already;
2. LFS batch: where to put the contents of large files, and which are here already;
3. PUT of each, without a token but to a signed address, and a call that verifies it;
4. commit: all changes at once, the contents of small files among them.
"""

from __future__ import annotations

import base64
import codecs
import fnmatch
import hashlib
import json
from typing import Any

import hub_cards
from hub_messages import HubError, Request, Response, Routes, json_response
from hub_repositories import File, Repository, Store

ROUTES = Routes()
LARGEST_REGULAR = 10 * 1024 * 1024  # bytes


def is_large(
    store: Store, repository: Repository, revision: str, path: str, sample: bytes, size: int = 0
) -> bool:
    """Whether a file belongs into LFS: by .gitattributes, by its size, or as it is not text."""
    if max(size, len(sample)) > LARGEST_REGULAR:
        return True
    try:
        # The sample may end inside a character.
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return True
    files = repository.commit(revision).files
    rules = store.content(files[".gitattributes"]).decode() if ".gitattributes" in files else ""
    for pattern, *attributes in (line.split() for line in rules.splitlines() if line.strip()):
        name = path if "/" in pattern else path.rpartition("/")[2]
        if "filter=lfs" in attributes and fnmatch.fnmatchcase(name, pattern):
            return True
    return "\0" in text


@ROUTES.add("POST", "/api/models/<repo>/preupload/<revision>")
def preupload(hub: Any, request: Request, repo: str, revision: str) -> Response:
    repository = hub.access.write(request, repo)
    _no_pull_requests(request)
    present = repository.commit(revision).files
    answers = []
    for file in request.json()["files"]:
        path, sample = file["path"], base64.b64decode(file["sample"])
        large = is_large(hub.store, repository, revision, path, sample, file["size"])
        answer = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        if path in present:
            answer["oid"] = present[path].etag
        answers.append(answer)
    return json_response({"files": answers})


@ROUTES.add("POST", r"/<repo>\.git/info/lfs/objects/batch")
def lfs_batch(hub: Any, request: Request, repo: str) -> Response:
    hub.access.write(request, repo)
    fields = request.json()
    if fields.get("operation") != "upload" or "basic" not in fields.get("transfers", ["basic"]):
        raise HubError(400, "This test Hub takes uploads by basic transfer only")
    objects = []
    for wanted in fields["objects"]:
        sha256, size = wanted["oid"], wanted["size"]
        answer = {"oid": sha256, "size": size}
        if not hub.store.has(sha256):
            put = f"{request.storage_origin}/lfs/{hub.signed(f'{sha256}/{size}')}"
            verify = f"{request.origin}/{repo}.git/info/lfs/objects/verify"
            answer["actions"] = {"upload": {"href": put}, "verify": {"href": verify}}
        objects.append(answer)
    answer = json_response({"transfer": "basic", "objects": objects})
    answer.headers["Content-Type"] = "application/vnd.git-lfs+json"
    return answer


@ROUTES.add("PUT", "/lfs/<signature>/<sha256>/<size>")
def lfs_put(hub: Any, request: Request, signature: str, sha256: str, size: str) -> Response:
    if hub.signed(f"{sha256}/{size}") != f"{signature}/{sha256}/{size}":
        raise HubError(403, "Access Denied: the signature does not fit the object")
    if len(request.body) != int(size):
        raise HubError(400, f"BadDigest: expected {size} bytes, got {len(request.body)}")
    arrived = hashlib.sha256(request.body).hexdigest()
    if arrived != sha256:
        raise HubError(400, f"BadDigest: expected sha256 {sha256}, got {arrived}")
    hub.store.put(sha256, request.body)
    return Response(200, {"ETag": f'"{sha256}"'})


@ROUTES.add("POST", r"/<repo>\.git/info/lfs/objects/verify")
def lfs_verify(hub: Any, request: Request, repo: str) -> Response:
    hub.access.write(request, repo)
    fields = request.json()
    if not hub.store.has(fields["oid"]):
        raise HubError(404, f"LFS object {fields['oid']} was not uploaded")
    if hub.store.size(fields["oid"]) != fields["size"]:
        raise HubError(400, f"LFS object {fields['oid']} is not of {fields['size']} bytes")
    return json_response({})


@ROUTES.add("POST", "/api/models/<repo>/commit/<branch>")
def commit(hub: Any, request: Request, repo: str, branch: str) -> Response:
    repository = hub.access.write(request, repo)
    _no_pull_requests(request)
    header, operations = _parse(request.body)
    with hub.store.lock:
        if branch not in repository.branches:
            raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        files = dict(repository.commit(branch).files)
        for kind, value in operations:
            _apply(hub.store, files, kind, value)
        made = hub.store.advance(
            repository,
            branch,
            files,
            title=header["summary"],
            message=header.get("description", ""),
            author=hub.access.user(request).user,
            expected_parent=header.get("parentCommit"),
        )
    url = f"{request.origin}/{repo}/commit/{made.id}"
    answer = {"success": True, "commitOid": made.id, "commitUrl": url, "hookOutput": ""}
    return json_response(answer)


def _no_pull_requests(request: Request) -> None:
    if request.switch("create_pr"):
        raise HubError(400, "This test Hub has no pull requests")


def _parse(body: bytes) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """The header of a commit and its operations, from one JSON value a line."""
    lines = [json.loads(line) for line in body.splitlines() if line.strip()]
    if not lines or lines[0].get("key") != "header" or not lines[0]["value"].get("summary"):
        raise HubError(400, "The first line of a commit must be its header, with a summary")
    return lines[0]["value"], [(line["key"], line["value"]) for line in lines[1:]]


def _apply(store: Store, files: dict[str, File], kind: str, value: dict[str, Any]) -> None:
    """Changes `files` as one operation of a commit says."""
    path = value["path"]
    parts = path.rstrip("/").split("/")
    if not path or {"", ".", "..", ".git"} & set(parts):
        raise HubError(400, f"Invalid path in a commit: {path!r}")
    if kind == "file":
        files[path] = store.regular(_content(path, value))
    elif kind == "lfsFile":
        files[path] = store.pointer(value["oid"])
        if value.get("size", files[path].size) != files[path].size:
            raise HubError(400, f"LFS object {value['oid']} is not of {value['size']} bytes")
    elif kind == "deletedFile" and path in files:
        del files[path]
    elif kind == "deletedFolder":
        inside = [name for name in files if name.startswith("/".join(parts) + "/")]
        if not inside:
            raise HubError(404, f"A folder with the name {path!r} does not exist", "EntryNotFound")
        for name in inside:
            del files[name]
    elif kind == "deletedFile":
        raise HubError(404, f"A file with the name {path!r} does not exist", "EntryNotFound")
    else:
        raise HubError(400, f"Unknown operation in a commit: {kind!r}")


def _content(path: str, value: dict[str, Any]) -> bytes:
    """The content of a small file, if the Hub takes it."""
    encoded = value.get("encoding") == "base64"
    content = base64.b64decode(value["content"]) if encoded else value["content"].encode()
    if len(content) > LARGEST_REGULAR:
        raise HubError(400, f"{path} is larger than 10 MiB and must go through LFS")
    if path == "README.md":
        errors, _ = hub_cards.problems(content.decode(errors="replace"))
        if errors:
            raise HubError(400, "Invalid metadata in README.md: " + "; ".join(errors))
    return content
