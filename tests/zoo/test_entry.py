import dataclasses
import errno
import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from pag_tf import zoo
from pag_tf.core.threat_model import ThreatModel
from pag_tf.zoo import card
from pag_tf.zoo.entry import FILES, NEEDED_TO_LOAD


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def edit(folder: Path, change) -> None:
    raw = json.loads((folder / "pag.json").read_text())
    change(raw)
    (folder / "pag.json").write_text(json.dumps(raw))


def full_disk(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_folder_holds_the_files_of_the_format_and_no_others(pristine):
    assert set(content(pristine)) == set(FILES)
    assert [path.name for path in pristine.parent.iterdir()] == [pristine.name]
    umask = os.umask(0o022)
    os.umask(umask)
    assert pristine.stat().st_mode & 0o777 == 0o777 & ~umask


def test_pag_json_says_what_was_written(pristine):
    raw = json.loads((pristine / "pag.json").read_text())
    weights = (pristine / "model.weights.h5").read_bytes()
    assert raw["format"] == 1
    assert raw["threat_model"] == "linf:2/255"
    assert raw["class_names"] == ["red cube", "blue cube", "green ball"]
    assert raw["architecture"] == {
        "name": "resnet",
        "num_classes": 3,
        "image_shape": [8, 8, 3],
        "options": {"widths": [8, 16], "blocks": [1, 1]},
    }
    assert raw["weights"] == {
        "file": "model.weights.h5",
        "sha256": hashlib.sha256(weights).hexdigest(),
        "bytes": len(weights),
    }
    assert raw["metrics"][1] == {
        "name": "robust_accuracy",
        "value": 0.375,
        "images": 200,
        "correct": 75,
        "attack": "PGD(steps=50, restarts=2)",
        "threat_model": "linf:2/255",
        "command": "python scripts/evaluate.py --model=zoo/tiny --attack='pgd|50'",
    }


def test_read_entry_gives_the_record_back(pristine, metrics):
    entry = zoo.read_entry(str(pristine))
    assert (entry.id, entry.dataset, entry.arch) == ("shapes-resnet-linf-2-255", "shapes", "resnet")
    assert entry.threat == ThreatModel("linf", 2 / 255)
    assert entry.metrics == metrics
    assert entry.training == {"epochs": 3, "schedule": ["cosine", 0.1]}
    assert entry.architecture.image_shape == (8, 8, 3)
    assert (entry.folder, entry.source, entry.license) == (pristine, "folder", "apache-2.0")
    assert hash(entry) == hash(zoo.read_entry(pristine))
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.id = "other"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda raw: raw.update(format=3),
            r"format: .* reads format 1 or 2, .* format 3.*newer pag_tf",
        ),
        (lambda raw: raw.update(format=2), r"keras_config: the field is missing"),
        (lambda raw: raw.update(format="1"), r"format: expected the whole number 1 or 2, got '1'"),
        (lambda raw: raw.pop("format"), r"format: the field is missing"),
        (lambda raw: raw.pop("dataset"), r"dataset: the field is missing"),
        (lambda raw: raw.update(id="../x"), r"id: expected .* got '\.\./x'"),
        (lambda raw: raw.update(id="a--b"), r"id: expected .* got 'a--b'"),
        (lambda raw: raw.update(id="a" * 97), r"id: expected at most 96"),
        (lambda raw: raw.update(dataset=3), r"dataset: expected .* got 3"),
        (lambda raw: raw.update(license="a\nb"), r"license: expected"),
        (lambda raw: raw.update(class_names="abc"), r"class_names: expected a list, got 'abc'"),
        (lambda raw: raw.update(class_names=["a"]), r"class_names: expected 3 names .* got 1"),
        (lambda raw: raw.update(class_names=["a", "b", 1]), r"class_names\[2\]: .* got 1"),
        (
            lambda raw: raw.update(class_names=["a", "b", "c\n# d"]),
            r"class_names\[2\]: expected one",
        ),
        (lambda raw: raw.update(threat_model="linf:2"), r"threat_model: .*did you mean 2/255"),
        (
            lambda raw: raw.update(threat_model=0.1),
            r"threat_model: expected a threat model .* 0\.1",
        ),
        (lambda raw: raw.update(training=[1]), r"training: expected a JSON object"),
        (lambda raw: raw.update(metrics={}), r"metrics: expected a list"),
        (lambda raw: raw["metrics"][1].update(value="0.4"), r"metrics\[1\]\.value: .* got '0\.4'"),
        (lambda raw: raw["metrics"][1].update(value=37.5), r"metrics\[1\]\.value: .*percentage"),
        (
            lambda raw: raw["metrics"][1].update(value=0.38),
            r"metrics\[1\]\.value: .*75/200 = 0\.375",
        ),
        (lambda raw: raw["metrics"][0].update(images=True), r"metrics\[0\]\.images: .* got True"),
        (lambda raw: raw["metrics"][0].update(correct=201), r"metrics\[0\]\.correct: .* to 200"),
        (
            lambda raw: raw["metrics"][0].pop("command"),
            r"metrics\[0\]\.command: the field is missing",
        ),
        (lambda raw: raw["metrics"].append(raw["metrics"][0]), r"metrics\[2\]: a second metric"),
        (lambda raw: raw["metrics"].append(5), r"metrics\[2\]\.metric: expected a JSON object"),
        (lambda raw: raw.update(architecture="resnet"), r"architecture: expected a JSON object"),
        (lambda raw: raw["architecture"].pop("options"), r"architecture\.options: .* missing"),
        (lambda raw: raw["architecture"].update(num_classes=0), r"architecture\.num_classes: .* 0"),
        (lambda raw: raw["architecture"].update(image_shape=[8, 8]), r"image_shape: .* got 2"),
        (lambda raw: raw["architecture"].update(image_shape=[8, 8, -3]), r"image_shape: .* got -3"),
        (lambda raw: raw["weights"].update(file="../../etc/passwd"), r"weights\.file: only"),
        (lambda raw: raw["weights"].update(file="/tmp/model.weights.h5"), r"weights\.file: only"),
        (lambda raw: raw["weights"].update(sha256="ABC"), r"weights\.sha256: expected 64"),
        (lambda raw: raw["weights"].update(bytes=1.5), r"weights\.bytes: .* got 1\.5"),
        (lambda raw: raw["weights"].pop("bytes"), r"weights\.bytes: the field is missing"),
    ],
)
def test_a_wrong_field_is_named(folder, change, message):
    edit(folder, change)
    with pytest.raises(ValueError, match=message) as caught:
        zoo.read_entry(folder)
    assert str(caught.value).startswith(f"{folder / 'pag.json'}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", r"cannot be read as JSON: .*Fetch the folder again"),
        (b"\xff{}", r"cannot be read as JSON"),
        (b"[]", r"expected a JSON object, found list"),
        (b'{"format": NaN}', r"NaN is not a JSON number"),
        (b'{"format": 1' + b"0" * 5000 + b"}", r"cannot be read as JSON|format: "),
        (b'{"a":' * 100_000, r"nested too deeply"),
        (b"", r"cannot be read as JSON"),
    ],
)
def test_what_is_not_json_is_refused(folder, text, message):
    (folder / "pag.json").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        zoo.read_entry(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ValueError, match=rf"lacks {re.escape(name)}\. .*write_entry"):
        zoo.read_entry(folder)


def test_loading_needs_two_files_only(folder):
    for name in set(FILES) - set(NEEDED_TO_LOAD):
        (folder / name).unlink()
    assert zoo.read_entry(folder, files=NEEDED_TO_LOAD).dataset == "shapes"


def test_what_is_not_a_folder_is_refused(folder):
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        zoo.read_entry(folder / "nowhere")


def test_unknown_fields_are_kept_by_update_metrics(folder, metrics):
    edit(folder, lambda raw: raw.update(picture="grid.png"))
    zoo.update_metrics(folder, metrics[:1])
    assert json.loads((folder / "pag.json").read_text())["picture"] == "grid.png"


def test_update_metrics_replaces_those_with_the_same_key(folder, metrics):
    again = dataclasses.replace(metrics[1], value=0.5, images=1000, correct=500)
    other = dataclasses.replace(metrics[1], attack="APGD(steps=100)", value=0.25, correct=50)
    entry = zoo.update_metrics(folder, [other, again])
    assert entry.metrics == (metrics[0], again, other)
    assert zoo.read_entry(folder) == entry
    text = (folder / "README.md").read_text()
    assert "| 0.5000 | 500 | 1000 | `PGD(steps=50, restarts=2)` |" in text
    assert "| 0.2500 | 50 | 200 | `APGD(steps=100)` |" in text
    assert "0.3750" not in text
    assert set(content(folder)) == set(FILES)


def test_update_metrics_keeps_what_people_wrote_into_the_card(folder, metrics):
    path = folder / "README.md"
    text = path.read_text().replace(card.BEGIN, f"Our hospital's model.\n\n{card.BEGIN}")
    path.write_text(text + "\nAsk us: a@b.org\n")
    zoo.update_metrics(folder, [dataclasses.replace(metrics[0], value=0.5, correct=100)])
    text = path.read_text()
    assert text.index("---\n") < text.index("Our hospital's model.") < text.index(card.BEGIN)
    assert text.index(card.END) < text.index("Ask us: a@b.org")
    assert "0.7500" not in text and "0.5000" in text
    assert text.count("library_name: keras") == 1


def test_update_metrics_refuses_what_is_not_a_metric(folder, metrics):
    before = content(folder)
    with pytest.raises(ValueError, match=r"metrics\[0\]: expected a pag_tf.zoo.Metric, got dict"):
        zoo.update_metrics(folder, [metrics[0].to_json()])
    with pytest.raises(ValueError, match=r"metrics\[1\]: a second metric"):
        zoo.update_metrics(folder, [metrics[0], metrics[0]])
    assert content(folder) == before


def test_update_metrics_on_a_full_disk_changes_nothing(folder, metrics, monkeypatch):
    before = content(folder)
    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        zoo.update_metrics(folder, [dataclasses.replace(metrics[0], value=0.5, correct=100)])
    assert content(folder) == before


@pytest.mark.parametrize(
    ("threat", "expected"),
    [
        ("linf:2/255", "cifar10-wide_resnet-linf-2-255"),
        ("linf:0.5/255", "cifar10-wide_resnet-linf-0.5-255"),
        ("l2:0.5", "cifar10-wide_resnet-l2-0.5"),
        ("0", "cifar10-wide_resnet-natural"),
        ("l2:0", "cifar10-wide_resnet-natural"),
        ("l2:1e-7", "cifar10-wide_resnet-l2-1e-07"),
        ("l2:1e20", "cifar10-wide_resnet-l2-1e20"),
    ],
)
def test_entry_id(threat, expected):
    assert zoo.entry_id("cifar10", "wide_resnet", ThreatModel.parse(threat)) == expected


def test_entry_ids_differ_where_epsilons_differ():
    levels = [k / 1000 / 255 for k in range(1, 4000)] + [1 / 3, 0.1, 0.01, 1e-5, 2.0000001 / 255]
    threats = {ThreatModel(norm, eps) for norm in ("linf", "l2") for eps in levels}
    texts = {str(threat) for threat in threats}  # 0.01 and 2.55/255 differ in the last bit only
    assert len(texts) > 8000
    assert len({zoo.entry_id("d", "a", threat) for threat in threats}) == len(texts)


def test_entry_id_refuses_names_that_are_no_folder_names():
    with pytest.raises(ValueError, match="dataset: expected .* got 'my data'"):
        zoo.entry_id("my data", "resnet", ThreatModel("linf", 0.1))
