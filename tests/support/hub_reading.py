"""What can be asked of the test Hub: models, their revisions, and their files."""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import quote, urlencode

import hub_cards
from hub_messages import HubError, Request, Response, Routes, json_response
from hub_repositories import Commit, File, Repository

ROUTES = Routes()
get = "GET HEAD"


@ROUTES.add(get, "/api/whoami-v2")
def whoami(hub: Any, request: Request) -> Response:
    token = hub.access.user(request)
    orgs = [{"type": "org", "id": name, "name": name} for name in token.organizations]
    access_token = {"displayName": "test", "role": token.role}
    user = {"type": "user", "id": token.user, "name": token.user, "fullname": token.user}
    auth = {"type": "access_token", "accessToken": access_token}
    return json_response(user | {"orgs": orgs, "auth": auth})


@ROUTES.add(get, "/api/models")
def list_models(hub: Any, request: Request) -> Response:
    token = hub.access.token(request)
    wanted = {tag for text in request.query.get("filter", []) for tag in text.split(",")}
    author, search = request.option("author"), request.option("search").lower()
    found = []
    for repository in list(hub.store.repositories.values()):
        if not hub.access.may_see(token, repository):
            continue
        model = describe(hub, repository, repository.commit("main"))
        by_author = not author or model["author"] == author
        if by_author and search in model["id"].lower() and wanted <= set(model["tags"]):
            found.append(model)
    if request.option("sort") in ("lastModified", "createdAt", "downloads", "likes"):
        found.sort(key=lambda model: model[request.option("sort")], reverse=True)
    for model in found:
        if not request.switch("full"):
            del model["siblings"]
        if not request.switch("cardData"):
            del model["cardData"]
    return paged(hub, request, found)


def paged(hub: Any, request: Request, items: list[dict]) -> Response:
    """One page of `items`, and where the next one is, if there is more."""
    start = int(request.option("cursor", "0"))
    size = min(int(request.option("limit", "1000")), hub.page_size)
    response = json_response(items[start : start + size])
    if start + size < len(items):
        query = request.query | {"cursor": [str(start + size)]}
        address = f"{request.origin}{request.path}?{urlencode(query, doseq=True)}"
        response.headers["Link"] = f'<{address}>; rel="next"'
    return response


@ROUTES.add(get, "/api/models/<repo>/tree/<revision>(?:/<path*>)?")
def tree(hub: Any, request: Request, repo: str, revision: str, path: str = "") -> Response:
    commit = hub.access.read(request, repo).commit(revision)
    below = path.rstrip("/") + "/" if path else ""
    recursive, expand = request.switch("recursive"), request.switch("expand")
    entries = {}
    for name in commit.files:
        if not name.startswith(below):
            continue
        parts = name[len(below) :].split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            folder = below + "/".join(parts[:depth])
            entries[folder] = show_path(commit, folder, expand)
        if recursive or len(parts) == 1:
            entries[name] = show_path(commit, name, expand)
    if path and not entries:
        raise HubError(404, f"{path} does not exist on {revision!r}", "EntryNotFound")
    return paged(hub, request, [entries[name] for name in sorted(entries)])


@ROUTES.add("POST", "/api/models/<repo>/paths-info/<revision>")
def paths_info(hub: Any, request: Request, repo: str, revision: str) -> Response:
    commit = hub.access.read(request, repo).commit(revision)
    form = request.form()
    expand = form.get("expand", ["false"])[-1].lower() == "true"
    shown = [show_path(commit, path, expand) for path in form.get("paths", [])]
    return json_response([entry for entry in shown if entry])


def show_path(commit: Commit, path: str, expand: bool) -> dict[str, Any]:
    """A file or a folder as the tree listing has it; {} when the commit has neither."""
    if path in commit.files:
        file = commit.files[path]
        entry: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
        if file.sha256:
            entry["lfs"] = lfs(file, "oid")
    else:
        inside = [f.oid for name, f in commit.files.items() if name.startswith(path + "/")]
        if not inside:
            return {}
        oid = hashlib.sha1("".join(inside).encode()).hexdigest()
        entry = {"type": "directory", "oid": oid, "size": 0, "path": path}
    if expand:
        entry["lastCommit"] = {"id": commit.id, "title": commit.title, "date": commit.date}
    return entry


def lfs(file: File, name_of_sha256: str) -> dict[str, Any]:
    return {name_of_sha256: file.sha256, "size": file.size, "pointerSize": file.pointer_size}


@ROUTES.add(get, "/api/models/<repo>/refs")
def refs(hub: Any, request: Request, repo: str) -> Response:
    repository = hub.access.read(request, repo)

    def show(folder: str, named: dict[str, str]) -> list[dict[str, str]]:
        return [
            {"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": sha}
            for name, sha in named.items()
        ]

    answer = {"branches": show("heads", repository.branches), "converts": []}
    answer["tags"] = show("tags", repository.tags)
    if request.switch("include_prs"):
        answer["pullRequests"] = []
    return json_response(answer)


@ROUTES.add(get, "/api/models/<repo>/commits/<revision>")
def commits(hub: Any, request: Request, repo: str, revision: str) -> Response:
    repository = hub.access.read(request, repo)
    commit: Commit | None = repository.commit(revision)
    history = []
    while commit:
        fields = {"id": commit.id, "title": commit.title, "message": commit.message}
        history.append(fields | {"authors": [{"user": commit.author}], "date": commit.date})
        commit = repository.commits[commit.parent] if commit.parent else None
    return paged(hub, request, history)


@ROUTES.add(get, "/api/models/<repo>/auth-check(?:/write)?")
def auth_check(hub: Any, request: Request, repo: str) -> Response:
    if request.path.endswith("/write"):
        hub.access.write(request, repo)
    else:
        hub.access.download(request, repo)
    return json_response({})


@ROUTES.add(get, "/api/models/<repo>/revision/<revision>")
@ROUTES.add(get, "/api/models/<repo>")
def model_info(hub: Any, request: Request, repo: str, revision: str = "main") -> Response:
    repository = hub.access.read(request, repo)
    model = describe(hub, repository, repository.commit(revision), request.switch("blobs"))
    wanted = request.query.get("expand")
    if wanted:
        model = {key: value for key, value in model.items() if key in {"id", *wanted}}
    return json_response(model)


def describe(
    hub: Any, repository: Repository, commit: Commit, blobs: bool = False
) -> dict[str, Any]:
    """A model as the API shows it. Tags come from the card of this commit."""
    card = ""
    if "README.md" in commit.files:
        card = hub.store.content(commit.files["README.md"]).decode(errors="replace")
    data = hub_cards.metadata(card)
    siblings = []
    for path, file in commit.files.items():
        sibling: dict[str, Any] = {"rfilename": path}
        if blobs:
            sibling |= {"size": file.size, "blobId": file.oid}
        if blobs and file.sha256:
            sibling["lfs"] = lfs(file, "sha256")
        siblings.append(sibling)
    return {
        "_id": repository.id,
        "id": repository.id,
        "modelId": repository.id,
        "author": repository.id.partition("/")[0],
        "sha": commit.id,
        "createdAt": repository.created,
        "lastModified": commit.date,
        "private": repository.private,
        "gated": repository.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": hub_cards.tags(card),
        "cardData": data,
        "model-index": data.get("model-index"),
        "siblings": siblings,
        "spaces": [],
        "usedStorage": sum(file.size for file in commit.files.values()),
    } | {key: data[key] for key in ("library_name", "pipeline_tag") if key in data}


@ROUTES.add(get, "/<repo>/resolve/<revision>/<path*>")
def resolve(hub: Any, request: Request, repo: str, revision: str, path: str) -> Response:
    """Where a file lies: on the Hub, or, for an LFS file, on a host of its own (the CDN)."""
    repository = hub.access.download(request, repo)
    commit = repository.commit(revision)
    headers = {"X-Repo-Commit": commit.id}
    try:
        file = repository.file(commit, path)
    except HubError as error:
        response = error.response()
        response.headers.update(headers)
        return response
    if file.sha256 is None:
        where = f"/api/resolve-cache/models/{quote(repo)}/{commit.id}/{quote(path)}"
        return Response(307, headers | {"Location": where})
    where = f"{request.storage_origin}/cdn/{hub.signed(file.sha256)}/{quote(repo)}/{quote(path)}"
    headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    return Response(302, headers | {"Location": where})


@ROUTES.add(get, "/api/resolve-cache/models/<repo>/<revision>/<path*>")
def resolve_cache(hub: Any, request: Request, repo: str, revision: str, path: str) -> Response:
    repository = hub.access.download(request, repo)
    commit = repository.commit(revision)
    file = repository.file(commit, path)
    headers = {"X-Repo-Commit": commit.id, "ETag": f'"{file.etag}"'}
    return part(request, hub.store.content(file), headers)


@ROUTES.add(get, "/cdn/<signature>/<sha256>/<path*>")
def cdn(hub: Any, request: Request, signature: str, sha256: str, path: str) -> Response:
    """The content of an LFS file for whoever has its signed address, without a token."""
    if hub.signed(sha256) != f"{signature}/{sha256}" or not hub.store.has(sha256):
        raise HubError(403, "Access Denied: the signature does not fit the object")
    return part(request, hub.store.content(File("", 0, sha256)), {"ETag": f'"{sha256}"'})


def part(request: Request, content: bytes, headers: dict[str, str]) -> Response:
    """The content, or the part of it that the Range header asks for."""
    headers = headers | {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if not match or match.groups() == ("", ""):
        return Response(200, headers, content)
    first, last = match.groups()
    start = int(first) if first else max(0, len(content) - int(last))
    end = min(int(last) + 1, len(content)) if first and last else len(content)
    if start >= end:
        error = HubError(416, "Range Not Satisfiable").response()
        error.headers["Content-Range"] = f"bytes */{len(content)}"
        return error
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return Response(206, headers, content[start:end], start)
