"""The output folder of a run: whose it is, what is refused, and what is deleted when."""

import json

import keras
import pytest

import pag_tf
from pag_tf.training import TrainConfig, run, train

KERAS_FILES = {"entry/config.json", "entry/metadata.json"}  # names of layers and dates


@pytest.fixture
def config(tmp_path, arrays_folder):
    def make(**changes):
        settings = {
            "output": str(tmp_path / "run"),
            "dataset": "arrays",
            "data_dir": str(arrays_folder),
            "arch_options": '{"widths": [4], "blocks": [1], "stem": "conv"}',
            "epochs": 1,
            "batch_size": 16,
            "augment_shift": 1,
            "validation_split": "",
            "jit_compile": False,
        }
        return TrainConfig(**settings | changes)

    return make


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def without_training(monkeypatch):
    """The folder is claimed and everything is built, but no step is taken and nothing exported."""
    monkeypatch.setattr(run, "_fit", lambda *arguments: None)
    monkeypatch.setattr(run, "_export", lambda *arguments: None)


def content(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_finished_run_is_a_zoo_entry_with_its_recipe(config, folder):
    given = config(threat_model="linf:4/255", ema_momentum=0.9)
    keras.utils.clear_session()  # names of layers count on from model to model
    entry = pag_tf.zoo.read_entry(train(given, flags_text="--dataset=arrays\n"))
    assert entry.folder == folder / "entry"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("checkpoint.npz", "config.json", "entry", "log.csv")
    ]
    assert json.loads((folder / "config.json").read_text()) == given.to_dict()
    assert (entry.id, str(entry.threat)) == ("arrays-resnet-linf-4-255", "linf:4/255")
    assert (entry.dataset, entry.class_names) == ("arrays", ("0", "1", "2"))
    assert (entry.folder / "train.flags").read_text() == "--dataset=arrays\n"
    # Where files lie on this machine is nobody else's business.
    places = {"output", "data_dir", "tensorboard"}
    assert entry.training == {k: v for k, v in given.to_dict().items() if k not in places}

    # Resuming a finished run trains nothing and exports the same weights.
    before = content(folder)
    keras.utils.clear_session()
    train(given, resume=True, flags_text="--dataset=arrays\n")
    after = content(folder)
    assert set(before) == set(after)
    assert {name for name in before if after[name] != before[name]} <= KERAS_FILES


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.usefixtures("without_training")
def test_a_new_folder_is_made_with_its_parents(config, tmp_path, resume):
    given = config(output=str(tmp_path / "many" / "runs" / "one"))
    train(given, resume=resume)
    written = tmp_path / "many" / "runs" / "one" / "config.json"
    assert json.loads(written.read_text()) == given.to_dict()


@pytest.mark.usefixtures("without_training")
def test_the_folder_of_another_run_is_refused(config, folder):
    train(config())
    (folder / "checkpoint.npz").write_bytes(b"weeks of work")
    before = content(folder)
    with pytest.raises(
        ValueError, match="is not empty: --resume goes on with it, --overwrite deletes it"
    ):
        train(config(learning_rate=0.1))
    assert content(folder) == before


@pytest.mark.usefixtures("without_training")
def test_overwrite_deletes_the_run(config, folder):
    train(config())
    (folder / "entry").mkdir()
    (folder / "entry" / "pag.json").write_text("old")
    (folder / "log.csv").write_text("old")
    train(config(learning_rate=0.1), overwrite=True)
    assert list(content(folder)) == ["config.json"]
    assert json.loads((folder / "config.json").read_text())["learning_rate"] == 0.1


@pytest.mark.parametrize("option", [{}, {"resume": True}, {"overwrite": True}], ids=str)
def test_a_folder_with_other_files_is_never_touched(config, folder, option):
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="run is not empty: choose an empty or new folder"):
        train(config(), **option)
    assert content(folder) == {"thesis.tex": b"years of work"}


@pytest.mark.usefixtures("without_training")
def test_a_run_of_an_older_version_had_the_defaults_of_newer_settings(config, folder):
    train(config())
    document = folder / "config.json"
    newer = {"image_size", "fit", "train_fit", "initial_weights", "head_learning_rate_factor"}
    older = {k: v for k, v in json.loads(document.read_text()).items() if k not in newer}
    document.write_text(json.dumps(older))
    with pytest.raises(ValueError, match=r"\(head_learning_rate_factor: 1.0 then, 10.0 now\)"):
        train(config(head_learning_rate_factor=10.0), resume=True)
    train(config(), resume=True)
    assert json.loads(document.read_text()) == config().to_dict()


@pytest.mark.usefixtures("without_training")
def test_resume_with_other_settings_lists_them(config, folder):
    train(config())
    before = content(folder)
    with pytest.raises(
        ValueError,
        match=r"run holds a run with other settings \(epochs: 1 then, 2 now, "
        r"learning_rate: 0.2 then, 0.1 now\)\. Use the same settings to resume it, another output "
        "folder, or --overwrite",
    ):
        train(config(learning_rate=0.1, epochs=2), resume=True)
    assert content(folder) == before


@pytest.mark.usefixtures("without_training")
def test_resume_may_find_the_data_elsewhere(config, folder, tmp_path, arrays_folder):
    train(config())
    moved = tmp_path / "moved"
    moved.symlink_to(arrays_folder)
    train(config(data_dir=str(moved)), resume=True)
    assert json.loads((folder / "config.json").read_text())["data_dir"] == str(moved)


@pytest.mark.usefixtures("without_training")
def test_a_run_killed_while_it_claimed_its_folder_can_be_resumed(config, folder):
    folder.mkdir()
    (folder / "config.json.partial").write_text('{"output": "ru')
    train(config(), resume=True)
    assert list(content(folder)) == ["config.json"]


def test_a_damaged_config_is_named(config, folder):
    folder.mkdir()
    (folder / "config.json").write_text('{"output": "ru')
    with pytest.raises(ValueError, match=r"config\.json cannot be read .*--overwrite"):
        train(config(), resume=True)


def test_resume_and_overwrite_exclude_each_other(config):
    with pytest.raises(ValueError, match="resume and overwrite exclude each other: choose one"):
        train(config(), resume=True, overwrite=True)


def test_a_run_needs_a_folder(config):
    with pytest.raises(ValueError, match=r"output is empty: name a folder .*--output=runs/my-run"):
        train(config(output=""))


def test_a_file_is_no_folder(config, folder):
    folder.write_text("a file")
    with pytest.raises(ValueError, match="The output folder .*run is a file"):
        train(config())
    assert folder.read_text() == "a file"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "mnist"}, "Unknown data set 'mnist'. Known: arrays, cifar10, cub,"),
        ({"data_dir": "/no/such/folder"}, "data_dir='/no/such/folder' is neither an .npz file nor"),
        ({"train_split": "training"}, "arrays has no split 'training'"),
        ({"validation_split": "val"}, "arrays has no split 'val'"),
        ({"batch_size": 65}, "batch_size=65 is larger than arrays 'train' .64 images"),
        ({"arch_options": '{"stem": "deep"}'}, "stem must be one of .* got 'deep'"),
    ],
    ids=str,
)
def test_what_cannot_start_leaves_no_folder_behind(config, folder, changes, message):
    with pytest.raises(ValueError, match=message):
        train(config(**changes))
    assert not folder.exists()


@pytest.mark.parametrize("changes", [{"batch_size": 65}, {"augment_shift": 8}], ids=str)
@pytest.mark.usefixtures("without_training")
def test_what_cannot_start_overwrites_nothing(config, folder, changes):
    train(config())
    before = content(folder)
    with pytest.raises(ValueError, match="is (larger|too large)"):
        train(config(**changes), overwrite=True)
    assert content(folder) == before
