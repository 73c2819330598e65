"""Maps before and after small perturbations: known permutations, SciPy, linear models, refusals."""

import functools
import inspect

import numpy as np
import pytest
from scipy import stats

from pag_tf import alignment, explain
from pag_tf.alignment import rank_correlation, top_k_intersection

# Without XLA, which takes long to compile; test_without_xla.py compares both.
WITHOUT = {"jit_compile": False}
attribution_robustness = functools.partial(
    alignment.attribution_robustness, method="vanilla_gradients", **WITHOUT
)
RNG = np.random.default_rng(4)


def test_top_k_of_a_known_permutation():
    first = np.array([[[9, 8, 7, 6], [5, 4, 3, 2]]], float)
    second = np.array([[[9, 2, 8, 3], [7, 4, 5, 6]]], float)
    # The top of the first are the places 0, 1, 2, 3; of the second 0, 2, 4, 7.
    for k, expected in ((0.125, 1), (0.25, 1 / 2), (0.5, 2 / 4), (0.75, 4 / 6), (0.01, 1)):
        assert top_k_intersection(first, second, k=k) == pytest.approx([expected]), k


def test_of_equal_pixels_the_first_in_reading_order_are_the_top():
    first = np.array([[[1, 1], [1, 0]]], float)
    second = np.array([[[0, 1], [1, 1]]], float)
    # Places 0 and 1; places 1 and 2.
    assert top_k_intersection(first, second, k=0.5) == pytest.approx([0.5])


def test_rank_correlation_by_hand():
    first = np.array([[[1, 2], [3, 4]]], float)
    # Spearman's formula without ties: 1 - 6 sum d^2 / (n (n^2 - 1)), d = (1, 1, 0, 0).
    second = np.array([[[20, 10], [300, 4000]]], float)
    assert rank_correlation(first, second) == pytest.approx([1 - 6 * 2 / (4 * 15)], abs=1e-12)
    assert rank_correlation(first, np.exp(first)) == pytest.approx([1], abs=1e-12)
    assert rank_correlation(first, -first) == pytest.approx([-1], abs=1e-12)


def test_rank_correlation_is_that_of_scipy_ties_included():
    # Few values, so that most pixels are tied.
    first, second = RNG.integers(0, 5, (2, 6, 7, 9)).astype(float)
    second = second + first * RNG.integers(0, 3, (6, 1, 1))
    expected = [
        stats.spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(first, second, strict=True)
    ]
    assert rank_correlation(first, second) == pytest.approx(expected, abs=1e-12)


def test_a_constant_map_has_no_order():
    constant, other = np.full((2, 3, 3), 0.5), RNG.random((2, 3, 3))
    other[1] = 0
    for pair in ((constant, other), (other, constant)):
        assert np.isnan(rank_correlation(*pair)).all()
        assert np.isnan(top_k_intersection(*pair, k=0.2)).all()


@pytest.mark.tensorflow
def test_the_map_of_a_linear_model_does_not_change(linear):
    model = linear(RNG.normal(size=(4, 4, 3, 2)), bias=[0, 100])
    images = RNG.random((3, 4, 4, 3)).astype("float32")
    found = attribution_robustness(model, images, eps=0.5, samples=3)
    assert found.top_k_intersection.tolist() == [1, 1, 1]
    assert found.rank_correlation == pytest.approx([1, 1, 1], abs=1e-12)
    assert found.draws.tolist() == [3, 3, 3]


@pytest.mark.tensorflow
def test_draws_that_change_the_class_do_not_count(linear):
    # Both classes see this, so that it decides nothing, and their maps have an order.
    weights = np.repeat(np.array([[[[1.0]], [[2]]], [[[3]], [[4]]]]), 2, axis=3)
    weights[0, 0, 0, 1] += 100
    # Class 1 leads by 100 x the first pixel - 51: -1 for the first image, 9 or -11 once perturbed.
    model = linear(weights, bias=[0, -51])
    images = np.full((2, 2, 2, 1), 0.5, "float32")
    images[1] = 0.0
    found = attribution_robustness(model, images, eps=0.1, samples=64, k=0.25)
    # Half of the draws raise the first pixel of the first image; the second image never changes.
    assert 20 <= found.draws[0] <= 44
    assert found.draws[1] == 64
    one_draw = [
        attribution_robustness(model, images[:1], eps=0.1, samples=1, k=0.25, seed=seed)
        for seed in range(20)
    ]
    without = [each for each in one_draw if each.draws[0] == 0]
    assert 0 < len(without) < 20
    assert all(np.isnan(each.rank_correlation[0]) for each in without)
    assert all(np.isnan(each.top_k_intersection[0]) for each in without)


@pytest.mark.tensorflow
@pytest.mark.parametrize("method", ["vanilla_gradients", "grad_cam"])
def test_the_worst_of_the_draws_against_a_naive_loop(network, images, method):
    eps, samples, k = 0.1, 4, 0.25
    options = {"layer": "convolution"} if method == "grad_cam" else {}

    def maps(x, targets):
        found = np.abs(explain.gradients(network, x, targets, method=method, **WITHOUT, **options))
        return found.mean(-1) if found.ndim == 4 else found

    found = attribution_robustness(
        network, images, eps=eps, samples=samples, k=k, method=method, seed=5, **options
    )
    for index, image in enumerate(images):
        predicted = np.asarray(network(image[None], training=False)).argmax(-1)
        before = maps(image[None], predicted)
        intersections, correlations = [], []
        for draw in range(samples):
            rng = np.random.default_rng((5, draw, index))
            signs = 2.0 * rng.integers(0, 2, image.shape, np.int8) - 1
            x = np.clip(image + eps * signs, 0, 1)[None].astype("float32")
            if np.asarray(network(x, training=False)).argmax(-1) != predicted:
                continue
            after = maps(x, predicted)
            count = round(k * after.size)
            tops = [set(np.argsort(-m.ravel(), kind="stable")[:count]) for m in (before, after)]
            intersections.append(len(tops[0] & tops[1]) / count)
            correlations.append(stats.spearmanr(before.ravel(), after.ravel())[0])
        assert found.draws[index] == len(correlations) > 0
        assert found.top_k_intersection[index] == pytest.approx(min(intersections))
        assert found.rank_correlation[index] == pytest.approx(min(correlations), abs=1e-6)
    assert found.rank_correlation.min() < 0.99


@pytest.mark.tensorflow
def test_neither_batch_nor_company_matters_and_the_seed_does(network, images):
    def measure(x, batch_size, seed=0):
        return attribution_robustness(
            network, x, eps=0.05, samples=2, seed=seed, batch_size=batch_size
        ).rank_correlation

    assert np.isfinite(measure(images, 32)).all()
    together = measure(images, 32)
    assert measure(images, 2) == pytest.approx(together, abs=1e-4)
    assert measure(images[:3], 1) == pytest.approx(together[:3], abs=1e-4)
    assert measure(images, 32).tolist() == together.tolist()
    assert np.abs(measure(images, 32, seed=1) - together).max() > 1e-3


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eps": 8}, "did you mean 8 / 255"),
        ({"eps": 0}, "eps must be a positive number, got 0"),
        ({"samples": 0}, "samples must be a whole number >= 1"),
        ({"k": 1.5}, r"k must be a share of the pixels in \(0, 1\), got 1.5"),
        ({"k": 100}, "k must be a share"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1"),
        ({"method": "magic"}, "Unknown method 'magic'"),
        ({"targets": np.array([0, 1, 2, 3, 0])}, "Target 3 is out of range"),
        ({"sigma": 2}, "has no option 'sigma'"),
    ],
)
def test_refusals(network, images, options, message):
    with pytest.raises(ValueError, match=message):
        attribution_robustness(network, images, **{"eps": 0.01, **options})


def test_the_default_method_is_that_of_explain():
    ours = inspect.signature(alignment.attribution_robustness).parameters["method"].default
    assert ours == inspect.signature(explain.gradients).parameters["method"].default


def test_refusals_of_images_models_and_maps(softmax, network, images):
    with pytest.raises(ValueError, match="ends in softmax"):
        alignment.attribution_robustness(softmax, images, eps=0.01)
    with pytest.raises(ValueError, match="divide by 255"):
        alignment.attribution_robustness(network, images * 255, eps=0.01)
    with pytest.raises(ValueError, match=r"Maps must be \(1, 2, 2\) as the images, got shape"):
        rank_correlation(np.zeros((1, 2, 2)), np.zeros((1, 2, 3)))
    with pytest.raises(ValueError, match="Maps contain NaN"):
        rank_correlation(np.full((1, 2, 2), np.nan), np.zeros((1, 2, 2)))
