"""The examples of CONTRIBUTING.md are complete: each is one file, put into its folder and used."""

import importlib
import re
import sys

import numpy as np
import pytest
from pages import blocks

from pag_tf import attacks, data, explain, measure, models, report, zoo
from pag_tf.data.readers import READERS
from pag_tf.measure import metrics, schema
from pag_tf.programs import result_table

pytestmark = pytest.mark.tensorflow

EXAMPLES = {
    match[1]: block.code
    for block in blocks("python")
    if block.page == "CONTRIBUTING.md" and (match := re.match(r"# (\S+\.py)\n", block.code))
}


@pytest.fixture
def add(tmp_path, monkeypatch):
    """Puts the example of a folder there; returns its name. Afterwards it is gone."""
    modules, entries = [], []

    def call(folder, registered, key=None):
        ((path, code),) = [item for item in EXAMPLES.items() if item[0].startswith(folder + "/")]
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(code, encoding="utf-8")
        package = importlib.import_module(folder.replace("/", "."))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / folder)])
        importlib.invalidate_caches()
        modules.append(path.removesuffix(".py").replace("/", "."))
        name = modules[-1].rpartition(".")[2]
        entries.append((registered, key or name))
        return name

    yield call
    for registered, key in entries:
        registered.pop(key, None)
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture(scope="module")
def batch():
    return next(iter(data.load("shapes", "test[:8]", batch_size=8)))


@pytest.fixture(scope="module")
def model():
    return zoo.load(eps="2/255", dataset="shapes")


def test_every_kind_has_an_example():
    assert [path.rpartition("/")[0] for path in EXAMPLES] == [
        "pag_tf/attacks/methods",
        "pag_tf/data/readers",
        "pag_tf/models/architectures",
        "pag_tf/explain/methods",
        "pag_tf/measure/metrics",
    ]


def test_an_attack(add, batch, model):
    name = add("pag_tf/attacks/methods", attacks._METHODS._things)
    assert name in attacks.names()
    attack = attacks.get(name)("linf:2/255", steps=5, jit_compile=False)
    images, labels = batch["image"].numpy(), batch["label"].numpy()
    change = attack(model, images, labels) - images
    assert np.abs(change).max() == pytest.approx(2 / 255, abs=1e-6)
    _, before, _ = attacks.loss_gradient(model, images, labels)
    _, after, _ = attacks.loss_gradient(model, images + change, labels)
    assert np.all(np.asarray(after) > np.asarray(before))
    measured = attacks.robust_accuracy(model, data.load("shapes", "test[:8]"), [attack])
    assert measured.attacks[0].accuracy < measured.clean_accuracy
    with pytest.raises(ValueError, match=f"Known: .*{name}"):
        attacks.get("mifgms")


def test_a_data_set(add):
    name = add("pag_tf/data/readers", READERS._things)
    assert name in data.names()
    assert data.info(name).class_names == ("lying", "upright")
    first = next(iter(data.load(name, "test[:10]", batch_size=10)))
    images, labels = first["image"].numpy(), first["label"].numpy()
    assert images.shape == (10, 16, 16, 3) and list(labels) == [0, 1] * 5
    # Lying gratings change from row to row only, upright ones from column to column.
    for label, changing, constant in ((0, 1, 2), (1, 2, 1)):
        assert np.ptp(images[labels == label], axis=changing).min() > 0.9
        assert np.ptp(images[labels == label], axis=constant).max() == 0
    with pytest.raises(ValueError, match=f"Known: .*{name}"):
        data.load("grating", "test")


def test_an_architecture(add):
    name = add("pag_tf/models/architectures", models._ARCHITECTURES._things)
    assert name in models.names()
    assert models.default_options(name) == {"width": 16, "depth": 2}
    built = models.build(name, 3, (8, 8, 3), depth=3)
    assert built.count_params() == models.count_parameters(name, 3, (8, 8, 3), depth=3)
    assert built(np.zeros((2, 8, 8, 3), np.float32)).shape == (2, 3)
    with pytest.raises(ValueError, match="Use a smaller depth"):
        models.build(name, 3, (8, 8, 3), depth=4)
    with pytest.raises(ValueError, match=f"Known: .*{name}"):
        models.build("plain_cmm", 3, (8, 8, 3))


def test_an_attribution_method(add, batch, model):
    name = add("pag_tf/explain/methods", explain.methods.__globals__["METHODS"]._things)
    assert name in explain.methods()
    found = {
        method: explain.gradients(
            model, batch["image"], batch["label"], method=method, jit_compile=False
        )
        for method in (name, "vanilla_gradients")
    }
    expected = np.asarray(found["vanilla_gradients"]) ** 2
    np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-10)
    with pytest.raises(ValueError, match=f"Known: .*{name}"):
        explain.gradients(model, batch["image"], method="square")


def test_a_metric(add, batch, model, tmp_path, capsys):
    add("pag_tf/measure/metrics", metrics._TABLE, key=("alignment", "sparsity"))
    metrics._load.cache_clear()
    config = measure.AlignConfig(
        dataset="shapes", eps="2/255", split="test[:8]", threshold="0.2", examples=2,
        perturbations=1, curve_steps=2, synthesis_steps=1, output=str(tmp_path / "result"),
        jit_compile=False,
    )  # fmt: skip
    result = measure.align(config)
    (value,) = [each for each in schema.values(result) if each.metric.title == "sparsity"]
    gradients, _, _ = attacks.loss_gradient(model, batch["image"], batch["label"])
    flat = np.abs(np.asarray(gradients, np.float64)).reshape(8, -1)
    ratio = flat.sum(1) / np.linalg.norm(flat, axis=1)
    root = np.sqrt(64 * 64 * 3)
    assert value.value == pytest.approx(np.mean((root - ratio) / (root - 1)), rel=1e-3)
    assert value.images == 8 and value.interval[0] < value.value < value.interval[1]
    result_table.print_result(result, "on shapes")
    assert "sparsity" in capsys.readouterr().out
    page = report.write_page(
        report.ReportConfig(results=str(tmp_path / "result"), out=str(tmp_path / "report"))
    )
    assert "sparsity" in page.read_text(encoding="utf-8")
