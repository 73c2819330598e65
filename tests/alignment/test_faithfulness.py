"""Deletion and insertion: curves worked out by hand, and against a naive loop."""

import functools

import numpy as np
import pytest
from scipy import ndimage

from pag_tf import alignment
from pag_tf.alignment import faithfulness

# Without XLA, which takes long to compile; test_without_xla.py compares both.
deletion, insertion = (
    functools.partial(function, jit_compile=False)
    for function in (alignment.deletion, alignment.insertion)
)
MAPS = np.random.default_rng(5).random((5, 8, 8))


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


@pytest.fixture(scope="module")
def two_pixels(linear):
    """Two pixels p, q and two classes with logits 0 and 3 p + 4 q."""
    return linear([[[[0, 3]], [[0, 4]]]])


IMAGE = np.array([[[[1.0], [0.5]]]], "float32")


def test_deletion_by_hand(two_pixels):
    # The first pixel goes first: 3 + 2, then 2, then 0.
    found = deletion(two_pixels, IMAGE, np.array([[[2.0, 1.0]]]), np.array([1]), steps=2)
    expected = sigmoid([5, 2, 0])
    assert found.fractions.tolist() == [0, 0.5, 1]
    assert found.probabilities[0] == pytest.approx(expected, abs=1e-6)
    area = (expected[0] + 2 * expected[1] + expected[2]) / 4
    assert found.areas == pytest.approx([area], abs=1e-6)
    # The other order, and the other class.
    found = deletion(two_pixels, IMAGE, np.array([[[-2.0, 1.0]]]), np.array([0]), steps=2)
    assert found.probabilities[0] == pytest.approx(1 - sigmoid([5, 3, 0]), abs=1e-6)


def test_the_baseline_of_deletion(two_pixels):
    maps, targets = np.array([[[2.0, 1.0]]]), np.array([1])
    for baseline in (0.25, [0.25]):
        found = deletion(two_pixels, IMAGE, maps, targets, steps=2, baseline=baseline)
        expected = sigmoid([5, 2.75, 1.75])
        assert found.probabilities[0] == pytest.approx(expected, abs=1e-6)


def test_insertion_by_hand(two_pixels):
    # So wide a blur leaves the mean, 0.75, in both pixels; then the second appears, then the first.
    maps, targets = np.array([[[1.0, 2.0]]]), np.array([1])
    found = insertion(two_pixels, IMAGE, maps, targets, steps=2, sigma=50)
    expected = sigmoid([7 * 0.75, 3 * 0.75 + 2, 5])
    assert found.probabilities[0] == pytest.approx(expected, abs=1e-4)
    # No blur to speak of: nothing appears.
    found = insertion(two_pixels, IMAGE, maps, targets, steps=2, sigma=1e-3)
    assert found.probabilities[0] == pytest.approx(sigmoid([5, 5, 5]), abs=1e-6)


@pytest.mark.parametrize("steps", [1, 7, 64])
def test_both_against_a_naive_loop(network, images, labels, steps):
    blurred = ndimage.gaussian_filter(images, (0, 2, 2, 0))
    black = np.zeros_like(images)
    curves = {
        "deletion": deletion(network, images, MAPS, labels, steps=steps),
        "insertion": insertion(network, images, MAPS, labels, steps=steps, sigma=2),
    }
    for name, start, finish in (("deletion", images, black), ("insertion", blurred, images)):
        for index, target in enumerate(labels):
            x = start[index].copy()
            order = sorted(np.ndindex(8, 8), key=lambda place, i=index: -MAPS[i][place])
            done, stages = 0, []
            for step in range(steps + 1):
                for place in order[done : round(64 * step / steps)]:
                    x[place] = finish[index][place]
                done = round(64 * step / steps)
                stages.append(x.copy())
            exponentials = np.exp(np.asarray(network(np.stack(stages), training=False), float))
            probabilities = exponentials[:, target] / exponentials.sum(axis=1)
            found = curves[name]
            assert found.probabilities[index] == pytest.approx(probabilities, abs=1e-5)
            area = np.trapezoid(probabilities, found.fractions)
            assert found.areas[index] == pytest.approx(area, abs=1e-5)


def test_the_map_of_the_weights_beats_its_opposite(linear):
    weights = np.random.default_rng(0).normal(size=(4, 4, 1, 1)) * [0, 2]
    model, images = linear(weights), np.full((1, 4, 4, 1), 0.5, "float32")
    maps, targets = weights[None, :, :, 0, 1], np.array([1])
    for sign in (1, -1):
        areas = [deletion(model, images, s * maps, targets, steps=16).areas for s in (1, -1)]
        assert areas[0] < areas[1], sign


def test_equal_pixels_go_in_reading_order(two_pixels):
    found = deletion(two_pixels, IMAGE, np.zeros((1, 1, 2)), np.array([1]), steps=2)
    assert found.probabilities[0] == pytest.approx(sigmoid([5, 2, 0]), abs=1e-6)


def test_batches_do_not_matter_and_nothing_is_traced_twice(network, images, labels, monkeypatch):
    traces, function = [], faithfulness._probability

    def counted(*tensors):
        traces.append(1)
        return function(*tensors)

    monkeypatch.setattr(faithfulness, "_probability", counted)
    together = deletion(network, images, MAPS, labels, steps=9, batch_size=4)
    first = len(traces)
    again = insertion(network, images, MAPS, labels[::-1], steps=11, batch_size=4)
    assert len(traces) == first <= 2
    assert again.probabilities.shape == (5, 12)
    for batch_size in (1, 2, 128):
        found = deletion(network, images, MAPS, labels, steps=9, batch_size=batch_size)
        assert found.probabilities == pytest.approx(together.probabilities, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be a whole number from 1 to 64, got 0"),
        ({"steps": 65}, "steps must be a whole number from 1 to 64, got 65"),
        ({"baseline": 2.0}, r"baseline must be a number in \[0, 1\]"),
        ({"baseline": [0.1, 0.2]}, "one for each of the 3 channels"),
        ({"baseline": np.nan}, "baseline must be"),
        ({"maps": MAPS[:, :4]}, r"Maps must be \(5, 8, 8\) as the images, got shape \(5, 4, 8\)"),
        ({"maps": MAPS * np.nan}, "Maps contain NaN"),
        ({"targets": np.full(5, 3)}, "Target 3 is out of range"),
        ({"targets": None}, "targets are needed"),
        ({"targets": np.full(4, 0)}, r"Targets must have shape \[5\]"),
        ({"images": np.full((5, 8, 8, 3), -1.0)}, r"Images must lie in \[0, 1\]"),
        ({"images": np.full((5, 8, 8, 3), np.nan)}, "Images contain NaN"),
    ],
)
def test_refusals(network, images, labels, changes, message):
    arguments = {"images": images, "maps": MAPS, "targets": labels, **changes}
    with pytest.raises(ValueError, match=message):
        deletion(network, **arguments)


def test_other_refusals(network, softmax, images, labels):
    with pytest.raises(ValueError, match="sigma must be a positive number, got 0"):
        insertion(network, images, MAPS, labels, sigma=0)
    with pytest.raises(ValueError, match="ends in softmax"):
        insertion(softmax, images, MAPS, labels)
