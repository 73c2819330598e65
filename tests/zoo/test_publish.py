"""Publishing to a test Hub with the real client, and loading what was published."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from hub_fault_cases import files
from hub_faults import Status, Truncate

from pag_tf import zoo

pytestmark = pytest.mark.tensorflow
REPO_ID = "tester/tiny"


@pytest.fixture
def online(hub, monkeypatch):
    """A Hub where somebody who may write is logged in."""
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    return hub


def publish(folder, **arguments):
    return zoo.publish(folder, REPO_ID, **({"create": True, "check_images": 0} | arguments))


def test_what_was_published_is_what_is_loaded(online, folder, model, images):
    made = publish(folder)
    loaded = zoo.load(f"hf:{REPO_ID}")
    np.testing.assert_array_equal(loaded(images), model(images))
    assert made.how_to_load == 'model = pag_tf.zoo.load("hf:tester/tiny")'
    assert made.commit and made.commit in made.url
    repository = online.store.repositories[REPO_ID]
    assert set(repository.commit("main").files) >= set(files(folder))
    for name in ("pag.json", "model.weights.h5", "config.json", "metadata.json", "train.flags"):
        assert online.content(REPO_ID, name) == (folder / name).read_bytes()
    assert f'zoo.load("hf:{REPO_ID}")' in online.content(REPO_ID, "README.md").decode()


def test_all_files_go_into_one_commit(online, folder):
    publish(folder)
    assert len(online.asked(f"/api/models/{REPO_ID}/commit/*", "POST")) == 1


def test_it_is_found_by_its_tags(online, folder, monkeypatch):
    publish(folder)
    found = zoo.list_models(namespace="tester", dataset="shapes", eps=2 / 255)
    assert [e.source.partition("@")[0] for e in found if e.source != "bundled"] == [f"hf:{REPO_ID}"]


def test_publishing_again_changes_nothing(online, folder):
    first = publish(folder)
    assert publish(folder).commit == first.commit


def test_text_that_people_wrote_in_the_card_stays(online, folder):
    publish(folder)
    card = online.content(REPO_ID, "README.md").decode()
    card = card.replace("library_name: keras", "library_name: keras\nlanguage: de")
    online.commit(REPO_ID, {"README.md": (card + "\n## Ours\n\nAsk Ada.\n").encode()})
    zoo.update_metrics(
        folder,
        [zoo.Metric(name="clean_accuracy", value=0.5, images=10, correct=5, command="measured")],
    )
    publish(folder)
    now = online.content(REPO_ID, "README.md").decode()
    assert "## Ours\n\nAsk Ada.\n" in now and "language: de" in now and "`measured`" in now


def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(online, folder, monkeypatch):
    from pag_tf.zoo import publishing

    publish(folder)
    real = publishing._files

    def slowly(*arguments):
        online.commit(REPO_ID, {"README.md": b"# Mine\n"})
        return real(*arguments)

    monkeypatch.setattr(publishing, "_files", slowly)
    (folder / "train.flags").write_text("--epochs=9\n")
    with pytest.raises(OSError, match="changed on the Hub while.*nothing was published"):
        publish(folder)
    assert online.content(REPO_ID, "README.md") == b"# Mine\n"


def test_a_private_repository_and_a_branch(online, folder, monkeypatch):
    publish(folder, private=True, revision="trial")
    repository = online.store.repositories[REPO_ID]
    assert repository.private
    assert "pag.json" not in repository.commit("main").files
    assert zoo.load(f"hf:{REPO_ID}", revision="trial").name == "shapes-resnet-linf-2-255"
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PermissionError, match="private"):
        zoo.load(f"hf:{REPO_ID}", revision="trial", token=False)


def test_a_repository_is_made_only_if_asked(online, folder):
    with pytest.raises(FileNotFoundError, match="create=True"):
        publish(folder, create=False)
    assert REPO_ID not in online.store.repositories


@pytest.mark.parametrize("token", [None, "hf_read", "hf_stranger"])
def test_who_may_not_write_is_told(online, folder, token, monkeypatch):
    publish(folder)
    before = online.store.repositories[REPO_ID].branches["main"]
    monkeypatch.setenv("HF_TOKEN", token or "")
    (folder / "train.flags").write_text("--epochs=9\n")
    with pytest.raises((PermissionError, FileNotFoundError), match="token"):
        publish(folder)
    assert online.store.repositories[REPO_ID].branches["main"] == before


def test_an_expired_token_is_told(online, folder):
    with pytest.raises(PermissionError, match="token is not valid .expired, .*Renew it at http"):
        publish(folder, token="hf_expired")


def test_after_an_interruption_files_that_arrived_are_not_sent_again(online, folder, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    online.fail("*/commit/*", Status(403))
    with pytest.raises(PermissionError, match="403"):
        publish(folder)
    sent = len(online.asked("*", "PUT"))
    assert sent == 1
    publish(folder)
    assert len(online.asked("*", "PUT")) == sent
    assert zoo.load(f"hf:{REPO_ID}").name == "shapes-resnet-linf-2-255"


def test_a_connection_lost_during_the_upload(online, folder, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    online.fail("*/commit/*", Truncate(0), times=None)
    with pytest.raises(ConnectionError, match="could not be reached, or the connection broke off"):
        publish(folder)


def test_a_dry_run_writes_the_folder_and_publishes_nothing(online, folder, tmp_path):
    made = publish(folder, dry_run=tmp_path / "look" / "here")
    assert made.commit is None and made.url == str(tmp_path / "look" / "here")
    assert not online.store.repositories
    written = files(tmp_path / "look" / "here")
    assert set(written) == set(files(folder))
    assert f'zoo.load("hf:{REPO_ID}")' in written["README.md"].decode()
    assert zoo.load(tmp_path / "look" / "here").name == "shapes-resnet-linf-2-255"
    with pytest.raises(ValueError, match="exists: a dry run writes a new folder"):
        publish(folder, dry_run=tmp_path / "look" / "here")
    assert sorted(path.name for path in (tmp_path / "look").iterdir()) == ["here"]


def test_a_damaged_folder_is_not_published(online, folder):
    weights = folder / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="is damaged or not the file"):
        publish(folder)
    assert not online.store.repositories


def test_what_plain_keras_reads_otherwise_is_not_published(online, folder):
    config = json.loads((folder / "config.json").read_text())
    text = json.dumps(config).replace('"silu"', '"relu"')
    assert text != json.dumps(config)
    (folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match="Plain Keras reads another model"):
        publish(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="expected the configuration of a functional"):
        publish(folder)
    assert not online.store.repositories


def test_claims_are_compared_with_images(online, tmp_path):
    import shutil

    entry = zoo.list_models(dataset="shapes", eps=2 / 255)[0]
    honest = shutil.copytree(entry.folder, tmp_path / "honest")
    made = publish(honest, check_images=60)
    assert made.not_compared is None and all(claim.holds for claim in made.claims)
    assert {claim.metric.name for claim in made.claims} == {"clean_accuracy", "robust_accuracy"}
    metric = next(metric for metric in entry.metrics if metric.attack)
    zoo.update_metrics(honest, [dataclasses.replace(metric, value=1.0, correct=metric.images)])
    with pytest.raises(ValueError, match="claims what its model does not show"):
        publish(honest, check_images=60)


def test_data_that_is_not_here_is_said(online, folder, monkeypatch, tmp_path):
    record = json.loads((folder / "pag.json").read_text())
    (folder / "pag.json").write_text(json.dumps(record | {"dataset": "tiny_imagenet"}))
    monkeypatch.delenv("PAG_TF_DATA", raising=False)
    made = publish(folder, check_images=10)
    assert made.claims == () and "Tiny-ImageNet" in made.not_compared
    with pytest.raises(ValueError, match="does not exist"):
        publish(folder, check_images=10, data_dir=str(tmp_path / "nowhere"))


def test_a_collection_holds_the_ladder_in_order(online, folder, pristine):
    repositories = []
    for eps in ("linf:4/255", "linf:0", "linf:2/255"):
        record = json.loads((pristine / "pag.json").read_text()) | {"threat_model": eps}
        (folder / "pag.json").write_text(json.dumps(record))
        name = "tester/" + eps.replace(":", "-").replace("/", "-")
        zoo.publish(folder, name, create=True, check_images=0)
        repositories.append(name)
    url = zoo.collection(repositories[:2])
    assert zoo.collection(repositories) == url
    from huggingface_hub import get_collection

    found = get_collection(url.partition("/collections/")[2])
    assert found.title == "shapes: perceptually aligned gradients"
    assert [item.item_id for item in found.items] == [
        "tester/linf-0", "tester/linf-2-255", "tester/linf-4-255"
    ]  # fmt: skip
    assert found.items[1].note == (
        "trained at linf:2/255, 75.0% correct, 37.5% correct under attack at linf:2/255"
    )


def test_what_makes_no_collection(online, pristine):
    online.add_repository("tester/a", files(pristine))
    record = json.loads((pristine / "pag.json").read_text()) | {"dataset": "cifar10"}
    online.add_repository("tester/b", files(pristine) | {"pag.json": json.dumps(record).encode()})
    for repositories, message in (
        ([], "expected a list of repositories"),
        ("tester/a", "expected a list of repositories"),
        (["tester/a", "tester/a"], "names a repository twice"),
        (["tester/a", "tester/b"], "have cifar10, shapes"),
    ):
        with pytest.raises(ValueError, match=message):
            zoo.collection(repositories)
    with pytest.raises(ValueError, match="title: expected 1 to 59 characters"):
        zoo.collection(["tester/a"], title="x" * 60)


PLAIN_KERAS = """
import sys
sys.modules["pag_tf"] = None  # any import of it fails
import keras, numpy as np
model = keras.saving.load_model("hf://tester/tiny")
np.save(sys.argv[1], model(np.load(sys.argv[2]), training=False))
"""


def test_plain_keras_loads_what_was_published(online, folder, model, images, tmp_path):
    publish(folder)
    np.save(tmp_path / "images.npy", images)
    files_of_it = [str(tmp_path / "logits.npy"), str(tmp_path / "images.npy")]
    subprocess.run([sys.executable, "-c", PLAIN_KERAS, *files_of_it], check=True, timeout=300)
    np.testing.assert_allclose(np.load(files_of_it[0]), model(images), atol=1e-6)
