"""Collections of the test Hub, with the real client."""

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError


@pytest.fixture
def api(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    for i in range(6):
        hub.add_repository(f"tester/model-{i}")
    return HfApi()


def test_create_and_get(hub, api):
    made = api.create_collection("Models: eps 2/255", description="All of them")
    assert made.slug.startswith("tester/models-eps-2-255-")
    assert made.url == f"{hub.url}/collections/{made.slug}"
    got = api.get_collection(made.slug)
    assert (got.title, got.description, got.items) == (made.title, "All of them", [])
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_collection("Models: eps 2/255")
    assert api.create_collection("Models: eps 2/255", exists_ok=True).slug == made.slug
    other = api.create_collection("Models: eps 2/255", namespace="pag-tf")
    assert other.slug != made.slug
    with pytest.raises(HfHubHTTPError, match="404"):
        api.get_collection("tester/nothing-0123456789abcdef01234567")
    with pytest.raises(HfHubHTTPError, match="150"):
        api.create_collection("Long", description="x" * 151)


def test_items(hub, api):
    slug = api.create_collection("Models").slug
    api.add_collection_item(slug, "tester/model-1", "model", note="first")
    got = api.add_collection_item(slug, "tester/model-0", "model")
    assert [(item.item_id, item.note, item.position) for item in got.items] == [
        ("tester/model-1", "first", 0),
        ("tester/model-0", None, 1),
    ]
    with pytest.raises(HfHubHTTPError, match="409"):
        api.add_collection_item(slug, "tester/model-0", "model")
    again = api.add_collection_item(slug, "tester/model-0", "model", exists_ok=True)
    assert len(again.items) == 2
    with pytest.raises(HfHubHTTPError, match="404"):
        api.add_collection_item(slug, "tester/nothing", "model")
    first, second = (item.item_object_id for item in again.items)
    api.update_collection_item(slug, second, note="now first", position=0)
    items = api.get_collection(slug).items
    assert [(item.item_object_id, item.note) for item in items] == [
        (second, "now first"),
        (first, "first"),
    ]
    api.delete_collection_item(slug, first)
    assert [item.item_object_id for item in api.get_collection(slug).items] == [second]


def test_list(hub, api):
    full = api.create_collection("Full")
    for i in range(6):
        api.add_collection_item(full.slug, f"tester/model-{i}", "model")
    api.create_collection("Empty", namespace="pag-tf")
    found = list(api.list_collections(owner="tester"))
    assert [(collection.slug, len(collection.items)) for collection in found] == [(full.slug, 4)]
    found = list(api.list_collections(owner=["tester", "pag-tf"]))
    assert [collection.title for collection in found] == ["Full", "Empty"]
    found = api.list_collections(item="models/tester/model-5")
    assert [collection.title for collection in found] == ["Full"]
    assert len(api.get_collection(full.slug).items) == 6
    api.delete_collection(full.slug)
    assert [collection.title for collection in api.list_collections()] == ["Empty"]


def test_who_may_see_and_change(hub, api):
    public, private = api.create_collection("Open"), api.create_collection("Secret", private=True)
    for token in ("hf_read", "hf_stranger"):
        with pytest.raises(HfHubHTTPError, match="403"):
            api.add_collection_item(public.slug, "tester/model-0", "model", token=token)
        with pytest.raises(HfHubHTTPError, match="403"):
            api.create_collection("New", namespace="tester", token=token)
    for token in (False, "hf_stranger"):
        assert api.get_collection(public.slug, token=token).title == "Open"
        with pytest.raises(HfHubHTTPError, match="404"):
            api.get_collection(private.slug, token=token)
        assert [found.title for found in api.list_collections(token=token)] == ["Open"]
    with pytest.raises(HfHubHTTPError, match="401"):
        api.add_collection_item(public.slug, "tester/model-0", "model", token=False)
    assert api.get_collection(private.slug).private
