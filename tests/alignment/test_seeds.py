"""Seeds: the mean and covariance they are drawn with, their independence, refusals."""

import numpy as np
import pytest

from pag_tf.alignment import class_seeds, noise_seeds

RNG = np.random.default_rng(9)
IMAGES = RNG.uniform(0.4, 0.6, (40, 4, 6, 3)).astype("float32")
LABELS = np.arange(40) % 2


def test_the_mean_and_covariance_of_many_seeds_are_those_of_the_class():
    # Two factors a class, so that the covariance is far from a multiple of the identity.
    factors = RNG.normal(size=(40, 2)) @ RNG.normal(size=(2, 4 * 6 * 3)) * 0.02
    images = (0.5 + factors).reshape(40, 4, 6, 3).astype("float32")
    images[LABELS == 1] += 0.1
    seeds, targets = class_seeds(images, LABELS, [1], count=4000, downsample=1)
    own, drawn = (x.reshape(len(x), -1) for x in (images[LABELS == 1], seeds))
    assert targets.tolist() == [1] * 4000
    assert drawn.mean(axis=0) == pytest.approx(own.mean(axis=0), abs=0.005)
    wanted, found = np.cov(own.T), np.cov(drawn.T)
    assert np.linalg.norm(found - wanted) < 0.1 * np.linalg.norm(wanted)


def test_downsampled_seeds_are_enlarged():
    # Constant images: a seed is constant, and a combination of the two.
    images = np.stack([np.full((4, 6, 3), 0.3), np.full((4, 6, 3), 0.5)]).astype("float32")
    seeds, _ = class_seeds(images, np.zeros(2, int), [0], count=50, downsample=2)
    assert seeds.shape == (50, 4, 6, 3)
    assert seeds.dtype == np.float32
    assert np.ptp(seeds, axis=(1, 2, 3)).max() < 1e-6
    assert seeds[:, 0, 0, 0].mean() == pytest.approx(0.4, abs=0.06)
    # Means over squares of 2 x 2, enlarged: nothing is left of a chequerboard.
    board = 0.5 + 0.3 * np.where(np.indices((4, 4)).sum(0) % 2, 1, -1)[None, :, :, None]
    images = np.concatenate([board, 1 - board]).astype("float32")
    seeds, _ = class_seeds(images, np.zeros(2, int), [0], downsample=2)
    assert seeds == pytest.approx(np.full((1, 4, 4, 1), 0.5), abs=1e-6)


def test_each_class_has_its_own_draws():
    seeds, targets = class_seeds(IMAGES, LABELS, [1, 0], count=3, downsample=2, seed=4)
    assert targets.tolist() == [1, 1, 1, 0, 0, 0]
    alone, _ = class_seeds(IMAGES, LABELS, [0], count=3, downsample=2, seed=4)
    assert np.array_equal(seeds[3:], alone)
    again, _ = class_seeds(IMAGES, LABELS, [0], count=3, downsample=2, seed=5)
    assert not np.array_equal(again, alone)
    assert seeds.min() >= 0
    assert seeds.max() <= 1


def test_noise():
    found = noise_seeds(3, (32, 32, 3), mean=0.4, deviation=0.1, seed=2)
    assert found.shape == (3, 32, 32, 3)
    assert found.mean() == pytest.approx(0.4, abs=0.005)
    assert found.std() == pytest.approx(0.1, abs=0.005)
    # An image depends on its index, not on how many there are.
    assert np.array_equal(noise_seeds(1, (32, 32, 3), mean=0.4, deviation=0.1, seed=2), found[:1])
    wide = noise_seeds(1, (8, 8, 1), deviation=5)
    assert (wide.min(), wide.max()) == (0, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": [2]}, r"Class 2 has 0 image\(s\): at least two"),
        ({"classes": []}, "classes is empty"),
        ({"classes": [-1]}, "A class must be a whole number >= 0, got -1"),
        ({"downsample": 3}, "Images of 4 x 6 pixels are not divisible by 3"),
        ({"count": 0}, "count must be a whole number >= 1"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"images": IMAGES * 255}, r"Images must lie in \[0, 1\].*divide by 255"),
        ({"images": np.full_like(IMAGES, np.nan)}, r"Images must lie in \[0, 1\]"),
        ({"images": IMAGES.astype("uint8")}, "got uint8"),
        ({"labels": LABELS[:-1]}, r"Labels must be integers \[40\], one per image"),
        ({"labels": LABELS * 1.0}, "Labels must be integers"),
    ],
)
def test_refusals(changes, message):
    arguments = {"images": IMAGES, "labels": LABELS, "classes": [0], "downsample": 2, **changes}
    with pytest.raises(ValueError, match=message):
        class_seeds(**arguments)


def test_noise_refuses():
    with pytest.raises(ValueError, match="count must be a whole number >= 1"):
        noise_seeds(0, (8, 8, 3))
    with pytest.raises(ValueError, match=r"mean must lie in \[0, 1\]"):
        noise_seeds(1, (8, 8, 3), mean=128)
