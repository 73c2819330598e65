"""Published attribute classifiers of the seen classes: what they know, measured on what they don't.

No entry of this kind need be there; one that is has to recognize classes that it has never seen.
"""

import numpy as np
import pytest

import pag_tf
from pag_tf import zero_shot

pytestmark = pytest.mark.tensorflow

ENTRIES = [entry for entry in pag_tf.zoo.places.bundled() if entry.training.get("class_split")]


def parameters():
    for entry in ENTRIES:
        marks = [] if entry.dataset == "shapes" else [pytest.mark.realdata]
        yield pytest.param(entry, marks=marks, id=entry.id)


@pytest.mark.parametrize("entry", parameters())
def test_unseen_classes_are_recognized_far_above_chance(entry):
    split = pag_tf.data.class_split(entry.dataset, split_name=entry.training["class_split"])
    pag_tf.data.check_no_leak(entry.class_names, split)
    attributes = pag_tf.data.info(entry.dataset).class_attributes[list(split.unseen)]
    model = zero_shot.with_classes(pag_tf.zoo.load(entry), attributes)
    size, fit = entry.image_fit()
    images = {"image_size": size or None, "fit": fit, "classes": list(split.unseen)}
    batches = pag_tf.data.load(entry.dataset, "test[:600]", batch_size=100, **images)
    found = [(b["label"].numpy(), model.predict_on_batch(b["image"])) for b in batches]
    labels, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    labels = np.searchsorted(split.unseen, labels)
    result = zero_shot.evaluate(labels, scores, seen=[], unseen=range(len(split.unseen)))
    assert result.intervals["T1"][0] > 3 / len(split.unseen)


@pytest.mark.parametrize("entry", parameters())
def test_by_epsilon_another_model_is_loaded(entry):
    assert entry not in pag_tf.zoo.list_models()
    assert entry in pag_tf.zoo.list_models(class_split=entry.training["class_split"])
