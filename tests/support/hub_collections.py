"""Collections of the test Hub: lists of models, with notes, under a title."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from hub_access import Token
from hub_messages import HubError, Request, Response, Routes, json_response
from hub_reading import paged
from hub_repositories import now

ROUTES = Routes()
ITEMS_IN_LISTS = 4  # the Hub shows no more than these of each in a list of collections
LONGEST_DESCRIPTION = 150  # characters
LONGEST_NOTE = 500


def _id(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _visible(collection: dict[str, Any], token: Token | None) -> bool:
    return not collection["private"] or (token is not None and token.owns(collection["slug"]))


def _find(hub: Any, request: Request, slug: str, *, to_change: bool = False) -> dict[str, Any]:
    """The collection with that slug, or with the id at the end of it."""
    token = hub.access.user(request) if to_change else hub.access.token(request)
    end = slug.rpartition("-")[2]
    for collection in hub.store.collections.values():
        same = collection["slug"].rpartition("-")[2] == end
        if same and slug.partition("/")[0] == collection["slug"].partition("/")[0]:
            if not _visible(collection, token):
                break
            if to_change:
                hub.access.own(request, collection["slug"])
            return collection
    raise HubError(404, "Collection not found")


def _changed(hub: Any, collection: dict[str, Any]) -> Response:
    collection["lastUpdated"] = now()
    for position, item in enumerate(collection["items"]):
        item["position"] = position
    hub.store.save()
    return json_response(collection)


@ROUTES.add("GET", "/api/collections")
def list_collections(hub: Any, request: Request) -> Response:
    token = hub.access.token(request)
    owners, wanted = request.query.get("owner", []), set(request.query.get("item", []))
    found = []
    for collection in hub.store.collections.values():
        items = {f"{item['type']}s/{item['id']}" for item in collection["items"]}
        by_owner = not owners or collection["owner"]["name"] in owners
        if by_owner and (not wanted or wanted & items) and _visible(collection, token):
            shown = collection | {"items": collection["items"][:ITEMS_IN_LISTS]}
            del shown["position"]  # in a list, its place in the list
            found.append(shown)
    return paged(hub, request, found)


@ROUTES.add("POST", "/api/collections")
def create_collection(hub: Any, request: Request) -> Response:
    fields = request.json()
    title, namespace = fields.get("title", ""), fields.get("namespace", "")
    hub.access.own(request, f"{namespace}/")
    description = fields.get("description", "")
    if not title or len(description) > LONGEST_DESCRIPTION:
        raise HubError(400, f"title must not be empty, description at most {LONGEST_DESCRIPTION}")
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    slug = f"{namespace}/{words}-{_id(namespace, title)}"
    if slug in hub.store.collections:
        raise HubError(409, "A collection with this title exists already", slug=slug)
    collection = {"slug": slug, "title": title, "description": description, "items": []}
    collection |= {"owner": {"name": namespace}, "private": fields.get("private", False)}
    collection |= {"position": 0, "theme": "orange", "upvotes": 0}
    hub.store.collections[slug] = collection
    return _changed(hub, collection)


@ROUTES.add("GET", "/api/collections/<owner>/<name>")
def get_collection(hub: Any, request: Request, owner: str, name: str) -> Response:
    return json_response(_find(hub, request, f"{owner}/{name}"))


@ROUTES.add("DELETE", "/api/collections/<owner>/<name>")
def delete_collection(hub: Any, request: Request, owner: str, name: str) -> Response:
    collection = _find(hub, request, f"{owner}/{name}", to_change=True)
    del hub.store.collections[collection["slug"]]
    hub.store.save()
    return json_response({})


@ROUTES.add("POST", "/api/collections/<owner>/<name>/items")
def add_item(hub: Any, request: Request, owner: str, name: str) -> Response:
    collection = _find(hub, request, f"{owner}/{name}", to_change=True)
    fields = request.json()
    kind, identity = fields["item"]["type"], fields["item"]["id"]
    if any((item["type"], item["id"]) == (kind, identity) for item in collection["items"]):
        raise HubError(409, f"{kind} {identity} is in the collection already")
    if kind == "model":
        hub.access.read(request, identity)
    item = {"_id": _id(collection["slug"], kind, identity), "id": identity, "type": kind}
    _set_note(item, fields)
    collection["items"].append(item)
    return _changed(hub, collection)


@ROUTES.add("PATCH", "/api/collections/<owner>/<name>/items/<item>")
def change_item(hub: Any, request: Request, owner: str, name: str, item: str) -> Response:
    collection = _find(hub, request, f"{owner}/{name}", to_change=True)
    found = _item(collection, item)
    fields = request.json()
    _set_note(found, fields)
    if "position" in fields:
        collection["items"].remove(found)
        collection["items"].insert(fields["position"], found)
    return _changed(hub, collection)


@ROUTES.add("DELETE", "/api/collections/<owner>/<name>/items/<item>")
def delete_item(hub: Any, request: Request, owner: str, name: str, item: str) -> Response:
    collection = _find(hub, request, f"{owner}/{name}", to_change=True)
    collection["items"].remove(_item(collection, item))
    return _changed(hub, collection)


def _item(collection: dict[str, Any], identity: str) -> dict[str, Any]:
    for item in collection["items"]:
        if item["_id"] == identity:
            return item
    raise HubError(404, "Collection item not found")


def _set_note(item: dict[str, Any], fields: dict[str, Any]) -> None:
    note = fields.get("note")
    if note is not None:
        if len(note) > LONGEST_NOTE:
            raise HubError(400, f"a note must be at most {LONGEST_NOTE} characters")
        item["note"] = {"text": note, "html": note}
