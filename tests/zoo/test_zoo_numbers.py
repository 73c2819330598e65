"""The published models, measured again: on the real test images where they are there."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

import pag_tf

EXPECTED = json.loads(Path(__file__).with_name("expected_counts.json").read_text())
# Images near the decision boundary may fall either way on another processor.
SLACK = 1
IMAGES = 100

ENTRIES = pag_tf.zoo.list_models()


def parameters(entries):
    for entry in entries:
        marks = [] if entry.dataset == "shapes" else [pytest.mark.realdata]
        yield pytest.param(entry, marks=marks, id=entry.id)


@functools.cache
def first_images(dataset, image_size, fit):
    """The first test images and their labels, as entries of the data set take them: read once."""
    examples = pag_tf.data.load(
        dataset, f"test[:{IMAGES}]", batch_size=IMAGES, image_size=image_size or None, fit=fit
    )
    batch = next(iter(examples))
    return batch["image"].numpy(), batch["label"].numpy()


@pytest.fixture(scope="module", params=parameters(ENTRIES))
def entry(request):
    return request.param


@pytest.fixture(scope="module")
def model(entry):
    return pag_tf.zoo.load(entry.folder)


@pytest.fixture(scope="module")
def examples(entry):
    return first_images(entry.dataset, *entry.image_fit())


def test_the_zoo_has_its_default_entry_and_counts_for_every_entry():
    assert {str(e.threat) for e in ENTRIES if e.dataset == "shapes"} >= {"linf:0", "linf:2/255"}
    assert sorted(EXPECTED) == sorted(entry.id for entry in ENTRIES)


def test_counts_on_the_first_images_of_the_test_split(entry, model, examples):
    expected = EXPECTED[entry.id]
    images, labels = (each[: expected["images"]] for each in examples)
    # XLA takes longer to compile than these few images need without it.
    attack = pag_tf.attacks.PGD(expected["threat_model"], expected["steps"], jit_compile=False)
    report = pag_tf.attacks.robust_accuracy(
        model, (images, labels), [attack], batch_size=IMAGES, progress=False
    )
    assert report.images == expected["images"]
    assert abs(report.clean_correct - expected["clean_correct"]) <= SLACK
    assert abs(report.attacks[0].correct - expected["robust_correct"]) <= SLACK


def test_published_accuracy_fits_the_first_images(entry):
    """The published number is of all test images; a sample of them cannot be far from it."""
    published = {m.name: m for m in entry.metrics if m.name == "clean_accuracy"}["clean_accuracy"]
    expected = EXPECTED[entry.id]
    share = expected["clean_correct"] / expected["images"]
    error = np.sqrt(share * (1 - share) / expected["images"])
    assert published.images > expected["images"]
    assert abs(published.value - share) < 4 * error + 0.005


def test_trained_models_look_at_all_pixels_evenly(entry, model, examples):
    """Natural training may leave kernels lopsided: the architecture is even, the weights less."""
    variation = pag_tf.alignment.phase_variation(model, examples[0])
    limit = 0.08 if entry.threat.eps == 0 else 0.05
    assert max(variation.values()) < limit, variation
