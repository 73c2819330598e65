"""The table of docs/your_model.md: every kind of model in every function works, or is refused."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "your_model.md"
FUNCTIONS = ("fit", "attack", "robust_accuracy", "explain", "localize", "publish")
IMAGES = np.random.default_rng(0).random((8, 8, 8, 3)).astype("float32")
CLASSES = np.arange(8) % 3


class Kind:
    """A model of three classes with the arguments that it needs, and its data."""

    def __init__(self, model, labels=CLASSES, images=IMAGES, loss=None, **reading):
        self.model, self.labels, self.images, self.loss = model, labels, images, loss
        self.reading = reading
        self.output = {name: reading[name] for name in ("pixel_range", "output") if name in reading}


def stack(outputs=3, *before, shape=(8, 8, 3), **options):
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    body = [layers.Conv2D(4, 3, activation="tanh", **options), layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input(shape), *before, *body, layers.Dense(outputs)])


def functional(inner=None):
    import keras

    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, (inner or stack())(keras.layers.Rescaling(2.0, -1.0)(inputs)))


def subclassed():
    import keras
    from keras import layers

    class Blocks(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.top = layers.Conv2D(4, 3, activation="tanh"), layers.Dense(3)
            self.pool = layers.GlobalAveragePooling2D()

        def call(self, images, training=False):
            return self.top(self.pool(self.first(images)))

    model = Blocks()
    model(IMAGES[:1])
    return model


def several_outputs():
    import keras

    inputs = keras.Input((8, 8, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    heads = {"kind": keras.layers.Dense(3)(features), "size": keras.layers.Dense(2)(features)}
    return keras.Model(inputs, heads)


def under(policy):
    import keras

    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return stack()
    finally:
        keras.config.set_dtype_policy(former)


def frozen():
    model = stack()
    model.layers[0].trainable = False
    return model


def random_in_training():
    import keras

    return stack(3, keras.layers.RandomFlip(), keras.layers.Dropout(0.5))


def kind(name):
    import keras

    binary = keras.losses.BinaryCrossentropy(from_logits=True)
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    makers = {
        "Sequential": lambda: Kind(stack()),
        "functional": lambda: Kind(functional()),
        "nested functional": lambda: Kind(functional(functional())),
        "subclassed": lambda: Kind(subclassed()),
        "one logit": lambda: Kind(stack(1), CLASSES % 2, loss=binary),
        "multi-label": lambda: Kind(
            stack(3), np.eye(3)[CLASSES] + np.eye(3)[0] > 0, loss=binary, multilabel=True
        ),
        "several outputs": lambda: Kind(
            several_outputs(), loss={"kind": sparse, "size": sparse}, output="kind"
        ),
        "gray": lambda: Kind(stack(shape=(8, 8, 1)), images=IMAGES[..., :1]),
        "float16": lambda: Kind(under("float16")),
        "mixed_float16": lambda: Kind(under("mixed_float16")),
        "bfloat16": lambda: Kind(under("bfloat16")),
        "mixed_bfloat16": lambda: Kind(under("mixed_bfloat16")),
        "frozen layers": lambda: Kind(frozen()),
        "dropout, augmentation inside": lambda: Kind(random_in_training()),
        "pixels 0 to 255": lambda: Kind(
            stack(3, keras.layers.Rescaling(1 / 255)), images=IMAGES * 255, pixel_range=(0, 255)
        ),
    }
    return makers[name]()


def fit(case, folder):
    import keras

    from pag_tf.attacks import FGSM
    from pag_tf.training import AdversarialModel

    trainer = AdversarialModel(case.model, FGSM("8/255"), **case.output)
    trainer.compile(keras.optimizers.SGD(0.1), case.loss, jit_compile=False)
    labels = case.labels
    if "output" in case.reading:
        labels = {"kind": labels, "size": labels % 2}
    before = case.model.get_weights()
    losses = trainer.fit(case.images, labels, epochs=3, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    changes = [np.abs(a - b).max() for a, b in zip(before, case.model.get_weights(), strict=True)]
    assert max(changes) > 0


def attack(case, folder):
    from pag_tf.attacks import FGSM

    low, high = case.reading.get("pixel_range", (0, 1))
    found = FGSM("8/255", jit_compile=False)(case.model, case.images, case.labels, **case.reading)
    moved = np.abs(found - case.images).max(axis=(1, 2, 3)) / (high - low)
    np.testing.assert_allclose(moved, 8 / 255, rtol=1e-4)


def robust_accuracy(case, folder):
    from pag_tf import attacks

    chosen = attacks.PGD("16/255", 3, jit_compile=False)
    data = (case.images, case.labels)
    report = attacks.robust_accuracy(case.model, data, chosen, progress=False, **case.reading)
    perturbed = chosen(case.model, case.images, case.labels, **case.reading)
    after = attacks.robust_accuracy(
        case.model, (perturbed, case.labels), attacks.PGD(0.0), progress=False, **case.reading
    )
    assert report.worst_case_correct <= after.clean_correct


def explain(case, folder):
    from pag_tf import explain

    for method in ("loss_gradients", "integrated_gradients", "grad_cam"):
        maps = explain.gradients(
            case.model, case.images, method=method, jit_compile=False, **case.reading
        )
        assert np.any(maps != 0, axis=tuple(range(1, maps.ndim))).mean() > 0.5, method


def localize(case, folder):
    from pag_tf import explain, localization

    gradients = explain.gradients(case.model, case.images, jit_compile=False, **case.reading)
    maps = explain.heatmaps(gradients)
    boxes = np.tile([0.25, 0.25, 0.75, 0.75], (8, 1))
    assert 0 <= localization.evaluate(maps, boxes, threshold=0.2).gt_known <= 1


def publish(case, folder):
    from pag_tf import zoo

    entry = zoo.write_entry(
        folder / "entry",
        case.model,
        dataset="mine",
        class_names=["ant", "bee", "cat"],
        threat="linf:2/255",
        pixel_range=case.reading.get("pixel_range", (0, 1)),
    )
    loaded = zoo.load(entry.folder, trust_config=True)
    low, high = case.reading.get("pixel_range", (0, 1))
    unit = (case.images - low) / (high - low)
    np.testing.assert_allclose(
        np.asarray(loaded(unit, training=False), "float32"),
        np.asarray(case.model(case.images, training=False), "float32"),
        rtol=0.01,
        atol=0.01,
    )


def cells():
    """`(kind, function, "works" or the words of the refusal)` of the page's table."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in PAGE.read_text().split("## What works")[1].splitlines()
        if line.startswith("|")
    ]
    assert tuple(name.strip("`") for name in rows[0][1:]) == FUNCTIONS
    notes = dict(re.findall(r"^\[\^(\w+)\]: `(.*)`$", PAGE.read_text(), re.MULTILINE))
    for name, *row in rows[2:]:
        for function, cell in zip(FUNCTIONS, row, strict=True):
            note = re.search(r"\[\^(\w+)\]", cell)
            assert note or cell == "works", (name, function, cell)
            yield name, function, notes[note[1]] if note else cell


CELLS = list(cells())


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "function", "expected"), [cell for cell in CELLS if cell[0] != "JAX backend"]
)
def test_cell(name, function, expected, tmp_path):
    check = globals()[function]
    if expected == "works":
        check(kind(name), tmp_path)
        return
    with pytest.raises((ValueError, RuntimeError), match=re.escape(expected)):
        check(kind(name), tmp_path)


def test_cells_on_jax(tmp_path):
    pytest.importorskip("jax")
    finished = subprocess.run(
        [sys.executable, __file__, tmp_path],
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    found = json.loads(finished.stdout.splitlines()[-1])
    for name, function, expected in CELLS:
        if name == "JAX backend":
            assert expected in found[function], (function, found[function])


def outcomes(name, folder):
    found = {}
    for function in FUNCTIONS:
        try:
            globals()[function](kind(name), Path(folder) / function)
            found[function] = "works"
        except (ValueError, RuntimeError) as error:
            found[function] = str(error)
    return found


if __name__ == "__main__":
    print(json.dumps(outcomes("Sequential", sys.argv[1])))
