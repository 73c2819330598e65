"""Balls: projection, random points and directions against NumPy in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops
from scipy import stats

from pag_tf.attacks import geometry
from pag_tf.core.random_stream import RandomStream

NORMS = ["linf", "l2"]


def as_images(rows):
    """Rows of numbers as images of one row of pixels and one channel."""
    rows = np.asarray(rows, "float32")
    return ops.convert_to_tensor(rows.reshape(len(rows), 1, -1, 1))


def rows(images):
    images = ops.convert_to_numpy(images)
    return images.reshape(len(images), -1)


def reference_projection(norm, x, center, radius):
    delta = np.asarray(x, "float64") - np.asarray(center, "float64")
    if norm == "linf":
        delta = np.clip(delta, -radius, radius)
    else:
        length = np.linalg.norm(delta, axis=1, keepdims=True)
        delta = np.where(length > radius, delta * radius / np.maximum(length, 1e-300), delta)
    return np.clip(center + delta, 0, 1)


@pytest.mark.parametrize(
    ("norm", "expected"), [("linf", [[4.0], [0.0], [2.0]]), ("l2", [[5.0], [0.0], [2.0]])]
)
def test_lengths(norm, expected):
    delta = as_images([[3, -4], [0, 0], [0, 2]])
    lengths = ops.convert_to_numpy(geometry.lengths(norm, delta))
    assert lengths.shape == (3, 1, 1, 1)
    assert lengths[:, 0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("norm", "x", "expected"),
    [
        ("linf", [0.9, 0.3], [0.6, 0.4]),
        ("linf", [0.55, 0.45], [0.55, 0.45]),
        ("linf", [0.4, 0.6], [0.4, 0.6]),
        ("l2", [0.8, 0.9], [0.56, 0.58]),
        ("l2", [0.53, 0.46], [0.53, 0.46]),
        ("l2", [0.5, 0.5], [0.5, 0.5]),
    ],
)
def test_hand_worked_projection_to_a_ball_of_radius_a_tenth(norm, x, expected):
    projected = geometry.project(norm, as_images([x]), as_images([[0.5, 0.5]]), 0.1)
    np.testing.assert_allclose(rows(projected), [expected], atol=1e-7)


@pytest.mark.parametrize("norm", NORMS)
def test_projection_then_clips_to_pixels(norm):
    projected = geometry.project(norm, as_images([[1.5, -0.5]]), as_images([[1.0, 0.0]]), 0.2)
    assert rows(projected).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("radius", [1e-3, 0.1, 1.0, 3.0])
@pytest.mark.parametrize("norm", NORMS)
def test_projection_equals_the_reference(norm, radius):
    rng = np.random.default_rng(1)
    center, x = rng.random((20, 12)), rng.normal(0.5, 1, (20, 12))
    projected = geometry.project(norm, as_images(x), as_images(center), radius)
    np.testing.assert_allclose(
        rows(projected), reference_projection(norm, x, center, radius), atol=2e-7
    )


PIXELS = st.floats(0, 1, width=32) | st.sampled_from([0.0, 1.0])
ANYTHING = st.floats(-100, 100, width=32)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    norm=st.sampled_from(NORMS),
    center=arrays("float32", (2, 5), elements=PIXELS),
    x=arrays("float32", (2, 5), elements=ANYTHING),
    radius=st.floats(0, 3, width=32),
)
def test_a_projected_point_is_in_the_ball_and_stays_there(norm, center, x, radius):
    once = geometry.project(norm, as_images(x), as_images(center), radius)
    delta = rows(once).astype("float64") - center
    order = np.inf if norm == "linf" else 2
    assert np.linalg.norm(delta, order, axis=1).max() <= radius * (1 + 1e-6) + 1e-7
    assert rows(once).min() >= 0
    assert rows(once).max() <= 1
    twice = geometry.project(norm, once, as_images(center), radius)
    np.testing.assert_allclose(rows(twice), rows(once), atol=2e-7)


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("linf", [[1, -1, 0], [0, 0, 0], [1, 1, 1]]),
        ("l2", [[0.6, -0.8, 0], [0, 0, 0], [1 / 3**0.5] * 3]),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e6, 1e-15, 1e-25])
def test_steepest_ascent_of_size_one_whatever_the_scale_of_the_gradient(norm, expected, scale):
    gradient = scale * np.array([[3, -4, 0], [0, 0, 0], [2, 2, 2]])
    np.testing.assert_allclose(
        rows(geometry.steepest(norm, as_images(gradient))), expected, atol=1e-6
    )


def draw(norm, shape, radius=0.5, seed=5):
    like = ops.zeros(shape)
    return rows(geometry.random_point(norm, like, radius, RandomStream(seed, 0)))


def test_the_l2_start_is_uniform_in_the_ball():
    dimensions, radius = 3, 0.5
    points = draw("l2", (2000, 1, dimensions, 1), radius)
    length = np.linalg.norm(points, axis=1)
    assert length.max() <= radius * (1 + 1e-6)
    # Uniform in volume: the share of the ball within r is (r / R) ** d.
    assert stats.kstest((length / radius) ** dimensions, "uniform").pvalue > 0.01
    assert stats.kstest(length / radius, "uniform").pvalue < 1e-6
    # Directions without preference: on a sphere in three dimensions each coordinate is uniform.
    direction = points / length[:, None]
    for axis in range(dimensions):
        assert stats.kstest(direction[:, axis], stats.uniform(-1, 2).cdf).pvalue > 0.01
    # Length and direction do not depend on each other.
    for axis in range(dimensions):
        assert stats.spearmanr(length, direction[:, axis]).pvalue > 0.01


def test_the_l2_start_of_an_image_lies_near_the_surface():
    # In d = 48 dimensions the mean length is R d / (d + 1).
    length = np.linalg.norm(draw("l2", (2000, 4, 4, 3), radius=2.0), axis=1)
    assert stats.kstest((length / 2) ** 48, "uniform").pvalue > 0.01
    assert abs(length.mean() - 2 * 48 / 49) < 0.005


def test_the_linf_start_is_uniform_in_the_cube():
    points = draw("linf", (1000, 1, 2, 1), radius=0.5)
    for axis in range(2):
        assert stats.kstest(points[:, axis], stats.uniform(-0.5, 1).cdf).pvalue > 0.01
    assert stats.spearmanr(points[:, 0], points[:, 1]).pvalue > 0.01


@pytest.mark.parametrize("norm", NORMS)
def test_random_points_follow_the_seed(norm):
    first = draw(norm, (3, 2, 2, 1), seed=5)
    assert np.array_equal(first, draw(norm, (3, 2, 2, 1), seed=5))
    assert not np.any(first == draw(norm, (3, 2, 2, 1), seed=6))
    assert len(np.unique(first.round(6), axis=0)) == 3


@pytest.mark.parametrize("norm", NORMS)
def test_a_ball_of_radius_zero_is_its_center(norm):
    assert not draw(norm, (3, 2, 2, 1), radius=0.0).any()
    center = as_images([[0.25, 1.0]])
    assert rows(geometry.project(norm, as_images([[9, -9]]), center, 0.0)).tolist() == [[0.25, 1]]
