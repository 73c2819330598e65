"""scripts/publish.py as people run it, against a test Hub."""

from pathlib import Path

import pytest
from hub_client import point_client_at
from hub_server import HubServer

import pag_tf

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with HubServer() as server:
        point_client_at(server, monkeypatch, tmp_path / "hf-home", token="hf_write")
        yield server


@pytest.fixture
def publish(run_script, monkeypatch):
    """Runs the script in the repository's root and returns all that it prints."""
    monkeypatch.chdir(ROOT)

    def run(*arguments, status=0):
        finished = run_script("publish", *arguments)
        assert finished.status == status, finished.stderr
        return finished.stdout + finished.stderr

    return run


def test_publishing_the_entry_of_a_run(hub, publish, tmp_path):
    entry = pag_tf.zoo.list_models(dataset="shapes", eps=2 / 255)[0]
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    (run_folder / "entry").symlink_to(entry.folder)
    chosen = ("--repo_id=tester/mine", "--check_images=20")
    output = publish(f"--run={run_folder}", *chosen, "--create", "--message=First")
    assert "holds: clean_accuracy: " in output and "found on 20" in output
    assert "published shapes-resnet-linf-2-255 as http" in output
    assert 'model = pag_tf.zoo.load("hf:tester/mine")' in output
    assert hub.store.repositories["tester/mine"].commit("main").title == "First"
    output = publish(f"--run={entry.folder}", *chosen, "--dry_run", f"--output={tmp_path / 'look'}")
    assert "published nothing" in output
    assert (tmp_path / "look" / "README.md").is_file()


def test_publishing_a_keras_file(hub, publish, tmp_path):
    import keras

    inputs = keras.Input((8, 8, 3))
    logits = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
    keras.Model(inputs, logits, name="tiny").save(tmp_path / "tiny.keras")
    facts = ("--dataset=mine", "--class_names=cat, dog", "--threat_model=l2:0.5", "--license=mit")
    chosen = ("--repo_id=tester/mine", "--create")
    output = publish(f"--run={tmp_path / 'tiny.keras'}", *facts, *chosen)
    assert "published mine-tiny-l2-0.5 as http" in output
    assert "metrics not compared with images: pag.json claims no metrics" in output
    assert 'pag_tf.zoo.load("hf:tester/mine", trust_config=True)' in output
    entry = pag_tf.zoo.find("hf:tester/mine")
    assert (entry.class_names, entry.license) == (("cat", "dog"), "mit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--run is needed"),
        (("--run=my.keras", "--dataset=mine"), "give --dataset, --class_names and --threat_model"),
        (("--run=no/such", "--dataset=mine"), "describe a .keras file, but a zoo folder records"),
        (("--run=zoo/shapes-resnet-natural",), "namespace/name, got ''"),
        (("--run=no/such", "--repo_id=tester/x"), "is not a folder"),
    ],
)
def test_what_is_missing_is_said_in_one_line(hub, publish, arguments, message):
    output = publish(*arguments, status=1)
    assert message in output and "Traceback" not in output
