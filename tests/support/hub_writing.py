"""How repositories of the test Hub are made and changed, but for their files: hub_uploads.py."""

from __future__ import annotations

import re
from typing import Any

import hub_cards
from hub_access import Token
from hub_messages import HubError, Request, Response, Routes, json_response

ROUTES = Routes()


def _full_name(token: Token, fields: dict[str, Any]) -> str:
    if fields.get("type") not in (None, "model"):
        raise HubError(400, f"This test Hub holds models only, got {fields['type']}")
    return f"{fields.get('organization') or token.user}/{fields.get('name')}"


@ROUTES.add("POST", "/api/repos/create")
def create_repository(hub: Any, request: Request) -> Response:
    fields = request.json()
    name = _full_name(hub.access.user(request), fields)
    if not re.fullmatch(r"[\w.-]+/(?!.*(--|\.\.))\w([\w.-]{0,94}\w)?", name):
        raise HubError(400, f"Invalid repository name: {name}")
    hub.access.own(request, name)
    url = f"{request.origin}/{name}"
    with hub.store.lock:
        if name in hub.store.repositories:
            raise HubError(409, "You already created this model repo", url=url)
        private = fields.get("visibility") == "private" or fields.get("private") is True
        hub.store.create(name, private=private)
    return json_response({"url": url, "name": name, "id": name})


@ROUTES.add("DELETE", "/api/repos/delete")
def delete_repository(hub: Any, request: Request) -> Response:
    name = _full_name(hub.access.user(request), request.json())
    hub.store.delete(hub.access.write(request, name).id)
    return json_response({})


@ROUTES.add("PUT", "/api/models/<repo>/settings")
def change_settings(hub: Any, request: Request, repo: str) -> Response:
    repository = hub.access.write(request, repo)
    fields = request.json()
    if "visibility" in fields:
        repository.private = fields["visibility"] == "private"
    if "gated" in fields:
        repository.gated = fields["gated"]
    hub.store.save()
    return json_response({"private": repository.private, "gated": repository.gated})


@ROUTES.add("POST", "/api/models/<repo>/branch/<branch>")
def create_branch(hub: Any, request: Request, repo: str, branch: str) -> Response:
    repository = hub.access.write(request, repo)
    if branch.startswith("refs/"):
        raise HubError(400, f"Invalid reference for a branch: {branch}")
    if branch in repository.branches:
        raise HubError(409, f"Reference already exists: refs/heads/{branch}")
    start = request.json().get("startingPoint", "main")
    repository.branches[branch] = repository.commit(start).id
    hub.store.save()
    return json_response({})


@ROUTES.add("DELETE", "/api/models/<repo>/branch/<branch>")
def delete_branch(hub: Any, request: Request, repo: str, branch: str) -> Response:
    repository = hub.access.write(request, repo)
    if branch == "main":
        raise HubError(403, "The main branch cannot be deleted")
    if repository.branches.pop(branch, None) is None:
        raise HubError(404, f"Reference does not exist: refs/heads/{branch}", "RevisionNotFound")
    hub.store.save()
    return json_response({})


@ROUTES.add("POST", "/api/models/<repo>/tag/<revision>")
def create_tag(hub: Any, request: Request, repo: str, revision: str) -> Response:
    repository = hub.access.write(request, repo)
    tag = request.json()["tag"]
    if tag in repository.tags:
        raise HubError(409, f"Tag already exists: refs/tags/{tag}")
    repository.tags[tag] = repository.commit(revision).id
    hub.store.save()
    return json_response({})


@ROUTES.add("POST", "/api/validate-yaml")
def validate_card(hub: Any, request: Request) -> Response:
    errors, warnings = hub_cards.problems(request.json().get("content", ""))
    answer = {
        "errors": [{"message": text} for text in errors],
        "warnings": [{"message": text} for text in warnings],
    }
    return json_response(answer, status=400 if errors else 200)
