"""Loading from the Hub: by name and by epsilon, from a test Hub with the real client."""

import json

import numpy as np
import pytest
from hub_access import Token
from hub_fault_cases import files

from pag_tf import ThreatModel, zoo
from pag_tf.zoo import places

pytestmark = pytest.mark.tensorflow


def renamed(folder, **changes):
    """The files of a zoo folder, with other values in its record and its card's tags."""
    content = files(folder)
    record = json.loads(content["pag.json"]) | changes
    tags = ["keras", "perceptually-aligned-gradients", record["dataset"]]
    tags.append("eps-" + record["threat_model"].rpartition(":")[2].replace("/", "-"))
    card = "---\ntags:\n" + "".join(f"- {json.dumps(tag)}\n" for tag in tags) + "---\n"
    content["pag.json"] = json.dumps(record).encode()
    return content | {"README.md": card.encode()}


@pytest.fixture
def lab(hub, pristine, monkeypatch):
    """A namespace with a ladder on another data set, and with repositories to be skipped."""
    monkeypatch.setattr(places, "bundled", tuple)
    for eps in ("linf:0", "linf:2/255", "linf:4/255"):
        name = eps.replace(":", "-").replace("/", "-")
        hub.add_repository(
            f"lab/{name}", renamed(pristine, id=name, dataset="cifar10", threat_model=eps)
        )
    hub.add_repository("lab/notes", {"README.md": b"---\ntags: [keras]\n---\n"})
    hub.add_repository("other/linf-8-255", renamed(pristine, threat_model="linf:8/255"))
    return hub


def downloads(hub):
    """The names of the files whose content was sent."""
    paths = [asked.path for asked in hub.asked("*", "GET")]
    return [path.rpartition("/")[2] for path in paths if "/resolve" in path or "/cdn/" in path]


def test_a_repository_by_name(hub, pristine, model, images):
    commit = hub.add_repository("lab/tiny", files(pristine))
    loaded = zoo.load("hf:lab/tiny")
    assert loaded.name == "shapes-resnet-linf-2-255"
    np.testing.assert_array_equal(loaded(images), model(images))
    names = set(downloads(hub))
    assert names == {"pag.json", "model.weights.h5"}
    sent = len(downloads(hub))
    np.testing.assert_array_equal(zoo.load("hf:lab/tiny", revision=commit)(images), model(images))
    assert len(downloads(hub)) == sent


def test_revisions(hub, pristine):
    first = hub.add_repository("lab/tiny", files(pristine))
    hub.commit("lab/tiny", renamed(pristine, id="second"))
    assert zoo.load("hf:lab/tiny").name == "second"
    assert zoo.load("hf:lab/tiny", revision=first).name == "shapes-resnet-linf-2-255"
    with pytest.raises(FileNotFoundError, match="lab/tiny at revision 'v9'.*no such branch"):
        zoo.load("hf:lab/tiny", revision="v9")
    assert zoo.load(f"hf:lab/tiny@{first}").name == "shapes-resnet-linf-2-255"
    with pytest.raises(ValueError, match="names a revision already, got revision='v9' too"):
        zoo.load(f"hf:lab/tiny@{first}", revision="v9")
    with pytest.raises(ValueError, match='pass it with "hf:namespace/name"'):
        zoo.load(2 / 255, revision=first)


@pytest.mark.parametrize("name", ["tiny", "a/b/c", "", "lab/../x", "lab/ti ny", "lab/"])
def test_what_is_no_repository_name_is_refused(hub, name):
    with pytest.raises(ValueError, match="namespace/name"):
        zoo.load(f"hf:{name}")
    assert not hub.requests


def test_by_epsilon_in_a_namespace(lab, images, monkeypatch):
    assert zoo.load("2/255", namespace="lab").name == "linf-2-255"
    looked_at = {asked.path for asked in lab.asked("*/pag.json")}
    assert looked_at and all("linf-2-255" in path for path in looked_at)
    monkeypatch.setenv("PAG_TF_HUB_NAMESPACE", "lab")
    assert zoo.load(0).name == "linf-0"
    assert zoo.find(ThreatModel.parse("4/255"), dataset="cifar10").id == "linf-4-255"


def test_by_id_in_a_namespace_and_then_in_the_cache(lab, pristine):
    assert zoo.load("linf-4-255", namespace="lab").name == "linf-4-255"
    with pytest.raises(ValueError, match="No model has the id 'linf-8-255'. Similar: linf-"):
        zoo.load("linf-8-255", namespace="lab")
    lab.stop()
    asked = len(lab.requests)
    assert zoo.load("linf-4-255", namespace="lab").name == "linf-4-255"
    assert len(lab.requests) == asked


def test_what_list_models_prints_of_a_namespace_can_be_loaded(lab):
    printed = [str(entry) for entry in zoo.list_models(namespace="lab")]
    assert [name.partition("@")[0] for name in printed] == [
        *("hf:lab/linf-0", "hf:lab/linf-2-255", "hf:lab/linf-4-255")
    ]
    assert zoo.load(printed[1]).name == "linf-2-255"


def test_a_cached_model_is_found_without_asking(lab):
    zoo.load("2/255", namespace="lab")
    lab.stop()
    asked = len(lab.requests)
    assert zoo.load("2/255", namespace="lab").name == "linf-2-255"
    assert zoo.load("2/255", namespace="lab", local_files_only=True).name == "linf-2-255"
    assert len(lab.requests) == asked


def test_what_is_nowhere_is_an_error_that_says_where_was_looked(lab, monkeypatch):
    with pytest.raises(ValueError, match="linf:1/255.*The Hub's namespace lab has none either"):
        zoo.load("1/255", namespace="lab")
    with pytest.raises(ValueError, match="name a namespace .* or PAG_TF_HUB_NAMESPACE"):
        zoo.load("1/255")
    with pytest.raises(ValueError, match="Of lab only the cache was searched"):
        zoo.load("2/255", namespace="lab", local_files_only=True)
    with pytest.raises(ValueError, match=r"namespace: .*got 'lab/x'"):
        zoo.load("1/255", namespace="lab/x")
    lab.stop()
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(ConnectionError, match="list of models of lab.*could not be reached"):
        zoo.load("2/255", namespace="lab")


def test_two_of_one_epsilon_are_not_chosen_from(lab, pristine):
    more = renamed(pristine, id="longer", dataset="cifar10", threat_model="linf:2/255")
    lab.add_repository("lab/longer", more)
    with pytest.raises(ValueError, match=r"Several.*linf-2-255 \(hf:lab/linf-2-255@.*longer"):
        zoo.load("2/255", namespace="lab")


def test_a_damaged_repository_is_skipped_with_a_warning(lab, caplog):
    lab.commit("lab/linf-4-255", {"pag.json": b"{"})
    listed = zoo.list_models(namespace="lab")
    assert [entry.id for entry in listed] == ["linf-0", "linf-2-255"]
    assert "lab/linf-4-255 is skipped: " in caplog.text
    assert listed[1].source.startswith("hf:lab/linf-2-255@")
    assert zoo.load(listed[1]).name == "linf-2-255"


def test_a_listed_namespace_offline_is_what_is_cached(lab, monkeypatch):
    from huggingface_hub import constants

    zoo.load("4/255", namespace="lab")
    zoo.list_models(namespace="lab")  # records alone do not make a model
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert [entry.id for entry in zoo.list_models(namespace="lab")] == ["linf-4-255"]
    assert zoo.load("4/255", namespace="lab").name == "linf-4-255"
    assert zoo.load("hf:lab/linf-4-255").name == "linf-4-255"
    with pytest.raises(FileNotFoundError, match="linf-2-255.*not in the cache"):
        zoo.load("hf:lab/linf-2-255")


def test_a_private_repository_needs_its_token(hub, pristine):
    hub.add_repository("lab/secret", files(pristine), private=True)
    hub.tokens["hf_reader"] = Token("lab", "read")
    with pytest.raises(PermissionError, match="does not exist, or it is private.*hf auth login"):
        zoo.load("hf:lab/secret")
    assert zoo.load("hf:lab/secret", token="hf_reader").name == "shapes-resnet-linf-2-255"


def test_arguments_that_do_not_go_together(hub, lab):
    with pytest.raises(ValueError, match="norm, arch and namespace choose among models"):
        zoo.load("hf:lab/linf-0", namespace="lab")


def test_listing_the_bundled_models_does_not_ask_the_hub(hub):
    assert zoo.list_models()
    assert not hub.requests
