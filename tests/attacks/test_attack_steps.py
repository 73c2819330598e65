"""FGSM, N-FGSM and PGD: steps worked out by hand, and a reference in NumPy."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from keras.ops import convert_to_tensor

from pag_tf import explain
from pag_tf.attacks import FGSM, NFGSM, PGD, RSFGSM, loss_gradient
from pag_tf.core.random_stream import RandomStream

NORMS = ["linf", "l2"]
LABELS = np.array([0, 1, 0])


def pixels(rows):
    """Rows of two numbers as images of two pixels."""
    return np.asarray(rows, "float32").reshape(-1, 1, 2, 1)


# Radius 0.1, steps of 0.07; see `two_pixels` for the direction. The third image meets the edge of
# [0, 1]; in l2 its second step, to (1.042, 0.388), is 0.1280156 long before the projection.
STARTS = {"linf": [[0.5, 0.5], [0.5, 0.5], [0.98, 0.02]], "l2": [[0.5, 0.5]] * 2 + [[0.98, 0.5]]}
HAND_WORKED = [
    ("linf", 1, [[0.57, 0.43], [0.43, 0.57], [1.0, 0.0]]),
    ("linf", 2, [[0.6, 0.4], [0.4, 0.6], [1.0, 0.0]]),
    ("l2", 1, [[0.542, 0.444], [0.458, 0.556], [1.0, 0.444]]),
    ("l2", 2, [[0.56, 0.42], [0.44, 0.58], [1.0, 0.4125106]]),
]


@pytest.mark.parametrize(("norm", "steps", "expected"), HAND_WORKED)
@pytest.mark.parametrize("targeted", [False, True])
def test_hand_worked_steps_of_pgd(two_pixels, norm, steps, expected, targeted):
    attack = PGD(f"{norm}:0.1", steps, step_size=0.07, random_start=False, targeted=targeted)
    # Of two classes, to move towards the other one is to move away from this one.
    labels = 1 - LABELS if targeted else LABELS
    adversarial = attack(two_pixels, pixels(STARTS[norm]), labels)
    np.testing.assert_allclose(adversarial, pixels(expected), atol=1e-6)


@pytest.mark.parametrize(("norm", "expected"), [("linf", [0.43, 0.57]), ("l2", [0.458, 0.556])])
def test_a_targeted_step_goes_the_other_way(two_pixels, norm, expected):
    attack = PGD(f"{norm}:0.1", 1, step_size=0.07, random_start=False, targeted=True)
    adversarial = attack(two_pixels, pixels([[0.5, 0.5]]), np.array([0]))
    np.testing.assert_allclose(adversarial, pixels([expected]), atol=1e-6)


@pytest.mark.parametrize(
    ("attack", "start", "expected"),
    [
        (PGD("linf:0.1", 1, step_size=0.07), [0.55, 0.5], [0.6, 0.43]),
        (PGD("l2:0.1", 1, step_size=0.05), [0.5, 0.58], [0.53, 0.54]),
        # A start outside the ball: projected to (0.5, 0.6) before the step.
        (PGD("linf:0.1", 1, step_size=0.07), [0.5, 0.9], [0.57, 0.53]),
        (PGD("linf:0.1", 1, step_size=0.07, random_start=False), [0.5, 0.9], [0.57, 0.53]),
        (FGSM("linf:0.1"), [0.45, 0.55], [0.55, 0.45]),
        (FGSM("linf:0.1", random_start=True), [0.45, 0.55], [0.575, 0.425]),
        (FGSM("linf:0.1", random_start=True, step_size=0.02), [0.45, 0.55], [0.47, 0.53]),
        (NFGSM("linf:0.1"), [0.7, 0.3], [0.6, 0.4]),
        (NFGSM("linf:0.1", project=False), [0.7, 0.3], [0.8, 0.2]),
        (NFGSM("linf:0.1"), [0.4, 0.6], [0.5, 0.5]),
        (NFGSM("l2:0.1", project=False), [0.5, 0.5], [0.56, 0.42]),
    ],
    ids=str,
)
def test_a_given_start_replaces_the_random_one(two_pixels, attack, start, expected):
    adversarial = attack(two_pixels, pixels([[0.5, 0.5]]), np.array([0]), start=pixels([start]))
    np.testing.assert_allclose(adversarial, pixels([expected]), atol=1e-6)


@pytest.mark.parametrize("margin", [0, 1, 20, 60])
def test_the_gradient_keeps_every_term_however_confident_the_model(linear, margin):
    """Logits margin, 0, 0 for one pixel at 0: the loss is log(1 + 2 exp(-margin))."""
    weights = np.array([1.0, 3.0, 7.0])
    model = linear(weights.reshape(1, 1, 1, 3), bias=[margin, 0, 0])
    gradient, loss, _ = loss_gradient(model, np.zeros((1, 1, 1, 1), "float32"), np.array([0]))
    wrong = 2 * np.exp(-margin)
    expected = wrong / (1 + wrong) * ((weights[1] + weights[2]) / 2 - weights[0])
    np.testing.assert_allclose(to_numpy(gradient).item(), expected, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(loss).item(), np.log1p(wrong), rtol=1e-5)


def test_a_pixel_without_gradient_stays_under_linf(linear):
    model = linear([[[[0, 3]], [[0, 0]]]])
    adversarial = PGD("linf:0.1", 2, random_start=False)(model, pixels([[0.5, 0.5]]), np.array([0]))
    np.testing.assert_allclose(adversarial, pixels([[0.6, 0.5]]), atol=1e-6)


def reference_pgd(weights, x, images, labels, *, norm, eps, step_size, steps):
    """PGD on a linear model in float64: the gradient of the cross-entropy is W (p - one hot)."""
    batch = len(x)
    x, images = x.reshape(batch, -1).astype("float64"), images.reshape(batch, -1)
    flat = weights.reshape(-1, weights.shape[-1]).astype("float64")
    for _ in range(steps):
        logits = x @ flat
        probabilities = np.exp(logits - logits.max(1, keepdims=True))
        probabilities /= probabilities.sum(1, keepdims=True)
        gradient = (probabilities - np.eye(flat.shape[1])[labels]) @ flat.T
        if norm == "linf":
            x = x + step_size * np.sign(gradient)
            x = np.clip(x, images - eps, images + eps)
        else:
            x = x + step_size * gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
            length = np.linalg.norm(x - images, axis=1, keepdims=True)
            x = images + (x - images) * np.minimum(1, eps / np.maximum(length, 1e-30))
        x = np.clip(x, 0, 1)
    return x.reshape(batch, *weights.shape[:3])


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.6)])
@pytest.mark.parametrize("targeted", [False, True])
def test_five_steps_with_three_classes_equal_the_reference(linear, norm, eps, targeted):
    rng = np.random.default_rng(3)
    # The gradient's direction changes from step to step, as the probabilities do.
    weights = rng.normal(0, 0.4, (4, 4, 3, 3)).astype("float32")
    images = rng.random((6, 4, 4, 3), dtype=np.float32)
    start = np.clip(images + rng.uniform(-0.05, 0.05, images.shape), 0, 1).astype("float32")
    labels = np.array([0, 1, 2, 0, 1, 2])
    step_size = 0.4 * eps
    attack = PGD(f"{norm}:{eps}", 5, step_size=step_size, targeted=targeted)
    expected = reference_pgd(
        weights,
        start,
        images,
        labels,
        norm=norm,
        eps=eps,
        step_size=-step_size if targeted else step_size,
        steps=5,
    )
    one_step = reference_pgd(
        weights, start, images, labels, norm=norm, eps=eps, step_size=5 * step_size, steps=1
    )
    assert np.abs(expected - one_step).max() > 1e-3
    adversarial = attack(linear(weights), images, labels, start=start)
    np.testing.assert_allclose(adversarial, expected, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_fgsm_is_one_step_of_pgd(network, images, labels, norm):
    pgd = PGD(f"{norm}:0.1", 1, step_size=0.1, random_start=False)
    assert np.array_equal(
        FGSM(f"{norm}:0.1")(network, images, labels), pgd(network, images, labels)
    )
    rs_fgsm = FGSM(f"{norm}:0.1", random_start=True, seed=3)
    pgd = PGD(f"{norm}:0.1", 1, step_size=0.125, seed=3)
    assert np.array_equal(rs_fgsm(network, images, labels), pgd(network, images, labels))
    named = RSFGSM(f"{norm}:0.1", seed=3)
    assert np.array_equal(named(network, images, labels), pgd(network, images, labels))


@pytest.mark.parametrize(
    ("attack", "steps", "step_size", "start_radius", "radius"),
    [
        (FGSM("linf:0.1"), 1, 0.1, 0, 0.1),
        (FGSM("linf:0.1", random_start=True), 1, 0.125, 0.1, 0.1),
        (FGSM("linf:0.1", step_size=0.03), 1, 0.03, 0, 0.1),
        (NFGSM("linf:0.1"), 1, 0.1, 0.2, 0.1),
        (NFGSM("l2:0.1", project=False), 1, 0.1, 0.2, 0.3),
        (NFGSM("l2:0.1", project=False, noise_scale=0.5), 1, 0.1, 0.05, 0.15),
        (NFGSM("l2:0.1", noise_scale=0), 1, 0.1, 0, 0.1),
        (PGD("linf:0.1"), 10, 0.025, 0.1, 0.1),
        (PGD("l2:0.5", steps=5), 5, 0.25, 0.5, 0.5),
        (PGD("l2:0.5", 5, step_size=0.2, random_start=False), 5, 0.2, 0, 0.5),
    ],
    ids=str,
)
def test_settings_of_each_attack(attack, steps, step_size, start_radius, radius):
    assert attack.steps == steps
    assert attack.resolved_step_size == pytest.approx(step_size)
    assert attack.start_radius == pytest.approx(start_radius)
    assert attack.radius == pytest.approx(radius)


@pytest.mark.parametrize(
    ("attack", "printed"),
    [
        (
            PGD("linf:2/255", steps=50, restarts=2, seed=1),
            "PGD(linf:2/255, steps=50, step_size=0.000392157, start_radius=0.00784314, "
            "restarts=2, seed=1)",
        ),
        (
            FGSM("l2:0.5", targeted=True, best_iterate=True),
            "FGSM(l2:0.5, steps=1, step_size=0.5, start_radius=0, restarts=1, targeted, "
            "best_iterate, seed=0)",
        ),
        (
            NFGSM("2/255"),
            "NFGSM(linf:2/255, steps=1, step_size=0.00784314, start_radius=0.0156863, restarts=1, "
            "seed=0)",
        ),
        (
            NFGSM("2/255", project=False),
            "NFGSM(linf:2/255, steps=1, step_size=0.00784314, start_radius=0.0156863, "
            "radius=0.0235294, restarts=1, seed=0)",
        ),
    ],
)
def test_printing_names_every_setting(attack, printed):
    assert str(attack) == printed


@pytest.mark.parametrize("norm", NORMS)
def test_nfgsm_noise_fills_its_own_ball(images, norm, size):
    attack = NFGSM(f"{norm}:0.1", noise_scale=2)
    middle = np.full_like(images, 0.5)
    noise = to_numpy(attack.start(middle, RandomStream(0, 0))) - middle
    assert 0.19 < size(norm, noise) <= 0.2 + 1e-6


@pytest.mark.parametrize("norm", NORMS)
def test_the_start_is_clipped_to_pixels(images, norm):
    start = to_numpy(PGD(f"{norm}:1").start(images, RandomStream(0, 0)))
    assert (start.min(), start.max()) == (0.0, 1.0)


@pytest.mark.parametrize("norm", NORMS)
def test_scale_multiplies_every_radius_and_step(two_pixels, norm):
    images, labels = pixels([[0.5, 0.5]]), np.array([0])
    tensors = [convert_to_tensor(t) for t in (images, labels)]
    random = RandomStream(0, 0)
    whole = PGD(f"{norm}:0.05", 3).perturb(two_pixels, *tensors, random=random)
    random = RandomStream(0, 0)
    scaled = PGD(f"{norm}:0.1", 3).perturb(two_pixels, *tensors, random=random, scale=0.5)
    np.testing.assert_allclose(to_numpy(scaled), to_numpy(whole), atol=1e-6)


def test_eps_zero_returns_the_images(network, images, labels):
    for attack in (PGD("0"), FGSM("l2:0"), NFGSM("0")):
        assert np.array_equal(attack(network, images, labels), images)


def test_explain_gives_the_same_gradients(network, images, labels):
    gradient, _, _ = loss_gradient(network, images, labels)
    maps = explain.gradients(network, images, labels, method="loss_gradients", jit_compile=False)
    np.testing.assert_allclose(maps, to_numpy(gradient), rtol=1e-5, atol=1e-7)
