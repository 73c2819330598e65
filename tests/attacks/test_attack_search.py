"""What an attack keeps: seeds, restarts, best iterates, the budget, and the model as it was."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops
from keras.ops import convert_to_numpy as to_numpy

from pag_tf.attacks import FGSM, NFGSM, PGD
from pag_tf.core import backend
from pag_tf.core.random_stream import RandomStream

NORMS = [("linf", 0.1), ("l2", 1.0)]


@pytest.fixture(scope="module")
def judge(network):
    """For each image: is it misclassified, and its cross-entropy in float64."""

    def call(adversarial, labels):
        logits = to_numpy(network(adversarial, training=False)).astype("float64")
        shifted = logits - logits.max(1, keepdims=True)
        losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]
        return logits.argmax(1) != labels, losses

    return call


def worse(broken, losses):
    """The order in which results are worse for the model: misclassified first, then the loss."""
    return np.where(broken, 1e3, 0.0) + losses


@pytest.fixture(scope="module")
def predicted(network, images):
    """The labels that the model gives the images: every attack starts from correct ones."""
    return to_numpy(network(images, training=False)).argmax(1)


@pytest.mark.parametrize(("norm", "eps"), NORMS)
def test_the_seed_decides_the_start(network, images, labels, norm, eps):
    runs = [PGD(f"{norm}:{eps}", 2, seed=seed)(network, images, labels) for seed in (4, 4, 5)]
    assert np.array_equal(runs[0], runs[1])
    assert np.abs(runs[0] - runs[2]).max() > 1e-3
    starts = [
        to_numpy(PGD(f"{norm}:{eps}").start(images, RandomStream(seed, 0))) for seed in (4, 5)
    ]
    assert np.all(np.any(starts[0] != starts[1], axis=(1, 2, 3)))


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize(("norm", "eps"), NORMS)
def test_restarts_keep_the_worst_of_each_image(
    network, images, labels, predicted, judge, norm, eps, targeted
):
    wanted = labels if targeted else predicted
    single = PGD(f"{norm}:{eps}", 1, step_size=eps / 4, targeted=targeted, seed=2)
    sign = -1 if targeted else 1

    def score(adversarial):
        broken, losses = judge(adversarial, wanted)
        return worse(broken != targeted, sign * losses)

    starts = [single.start(images, RandomStream(2, restart)) for restart in range(3)]
    scores = np.array([score(single(network, images, wanted, start=s)) for s in starts])
    assert len(set(scores.argmax(0))) > 1, "one restart is worst for all: the test shows nothing"
    kept = PGD(f"{norm}:{eps}", 1, step_size=eps / 4, targeted=targeted, seed=2, restarts=3)(
        network, images, wanted
    )
    np.testing.assert_allclose(score(kept), scores.max(0), atol=2e-5)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 4.0)])
def test_best_iterate_is_the_worst_of_all_iterates(network, images, predicted, judge, norm, eps):
    # Steps so long that the last iterate is often not the worst.
    options = {"step_size": 2 * eps, "random_start": False}
    iterates = [images] + [
        PGD(f"{norm}:{eps}", k, **options)(network, images, predicted) for k in (1, 2, 3, 4)
    ]
    scores = np.array([worse(*judge(x, predicted)) for x in iterates])
    assert np.any(scores.max(0) > scores[-1] + 1e-3), "the last is the worst: nothing shown"
    best = PGD(f"{norm}:{eps}", 4, best_iterate=True, **options)(network, images, predicted)
    np.testing.assert_allclose(worse(*judge(best, predicted)), scores.max(0), atol=2e-5)


@pytest.mark.parametrize(("targeted", "start", "last"), [(False, 0.5, 0.7), (True, 0.7, 0.5)])
def test_success_counts_more_than_the_loss(linear, targeted, start, last):
    # One pixel x, labels 0; logits 0, 1.2 - 2 x, and 60 times 30 x - 21.1. At 0.5 class 1 wins with
    # a loss of 0.86; at 0.7 class 0 wins, but its loss is 4.03.
    model = linear([[[[0, -2] + [30] * 60]]], bias=[0, 1.2] + [-21.1] * 60)
    start, last = (np.full((1, 1, 1, 1), x, "float32") for x in (start, last))
    options = {"step_size": 0.2, "targeted": targeted}
    adversarial = PGD("linf:0.2", 1, **options)(model, start, np.array([0]), start=start)
    np.testing.assert_allclose(adversarial, last, atol=1e-6)
    best = PGD("linf:0.2", 1, best_iterate=True, **options)(
        model, start, np.array([0]), start=start
    )
    np.testing.assert_allclose(best, start, atol=1e-6)


def test_the_best_iterate_of_a_confident_model(linear):
    # Losses of 1e-5 and less: they too have to be told apart.
    model = linear([[[[0, 10]]]], bias=[0, -20])
    image = np.full((1, 1, 1, 1), 0.5, "float32")
    best = PGD("linf:0.2", 2, step_size=0.1, random_start=False, best_iterate=True)(
        model, image, np.array([0])
    )
    np.testing.assert_allclose(best, image + 0.2, atol=1e-6)


def test_noise_outside_the_ball_is_no_iterate(two_pixels):
    # See `two_pixels`: the loss at the start, 0.2 away, is larger than anywhere in the ball.
    images = np.full((1, 1, 2, 1), 0.5, "float32")
    start = np.array([0.7, 0.3], "float32").reshape(1, 1, 2, 1)
    attack = NFGSM("linf:0.1", best_iterate=True, restarts=2)
    adversarial = attack(two_pixels, images, np.array([0]), start=start)
    np.testing.assert_allclose(adversarial.ravel(), [0.6, 0.4], atol=1e-6)


PIXELS = st.floats(0, 1, width=32) | st.sampled_from([0.0, 1.0])
ATTACKS = [
    FGSM,
    lambda threat, **options: FGSM(threat, random_start=True, **options),
    NFGSM,
    lambda threat, **options: NFGSM(threat, project=False, **options),
    lambda threat, **options: PGD(threat, 3, **options),
    lambda threat, **options: PGD(threat, 2, random_start=False, **options),
    lambda threat, **options: PGD(threat, 2, step_size=3.0, **options),
]


@pytest.fixture(scope="module")
def curved():
    """A small network whose gradient is nowhere constant."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2, 2, 3))
    x = keras.layers.Dense(4, activation="tanh")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(x))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    make=st.sampled_from(ATTACKS),
    threat=st.tuples(st.just("linf"), st.floats(1e-4, 1))
    | st.tuples(st.just("l2"), st.floats(1e-4, 4)),
    images=arrays("float32", (2, 2, 2, 3), elements=PIXELS),
    options=st.fixed_dictionaries(
        {
            "seed": st.integers(0, 2**31),
            "targeted": st.booleans(),
            "restarts": st.integers(1, 2),
            "best_iterate": st.booleans(),
        }
    ),
)
def test_no_attack_exceeds_its_budget(curved, size, make, threat, images, options):
    norm, eps = threat
    attack = make(f"{norm}:{eps!r}", jit_compile=False, **options)
    adversarial = attack(curved, images, np.array([0, 2]))
    assert adversarial.dtype == np.float32
    assert adversarial.min() >= 0
    assert adversarial.max() <= 1
    unprojected = isinstance(attack, NFGSM) and not attack.project
    radius = 3 * eps if unprojected else eps
    assert attack.radius == pytest.approx(radius)
    assert size(norm, adversarial - images.astype("float64")) <= radius * (1 + 1e-5) + 1e-7


@pytest.mark.parametrize("where", ["zeros", "ones"])
@pytest.mark.parametrize(("norm", "eps"), NORMS)
def test_black_and_white_images_move_inwards_only(network, labels, size, where, norm, eps):
    images = getattr(np, where)((5, 8, 8, 3), "float32")
    adversarial = PGD(f"{norm}:{eps}", 2)(network, images, labels)
    delta = adversarial - images
    assert np.all(delta >= 0) if where == "zeros" else np.all(delta <= 0)
    assert 0.2 * eps < size(norm, delta) <= eps * (1 + 1e-5)


@pytest.mark.parametrize(("norm", "eps"), NORMS)
def test_an_attack_leaves_the_model_as_it_was(network, images, labels, norm, eps):
    before = [to_numpy(v).copy() for v in network.variables]
    assert any("moving" in v.path for v in network.variables)
    for jit_compile in (True, False):
        PGD(f"{norm}:{eps}", 2, restarts=2, jit_compile=jit_compile)(network, images, labels)
    tensors = ops.convert_to_tensor(images), ops.convert_to_tensor(labels)
    PGD(f"{norm}:{eps}", 1).perturb(network, *tensors, random=RandomStream(0, 0))
    for variable, value in zip(network.variables, before, strict=True):
        assert np.array_equal(to_numpy(variable), value), variable.path


def test_training_mode_of_perturb_uses_the_statistics_of_the_batch(network, images, labels):
    tensors = ops.convert_to_tensor(images), ops.convert_to_tensor(labels)
    attack, random = PGD("l2:1", 1, random_start=False), RandomStream(0, 0)
    # The scope throws the update of the moving statistics away.
    with backend.stateless_scope([], []):
        training = to_numpy(attack.perturb(network, *tensors, random=random, training=True))
    inference = to_numpy(attack.perturb(network, *tensors, random=random))
    assert np.abs(training - inference).max() > 1e-3


def test_arrays_in_arrays_out(network, images, labels):
    attack = PGD("linf:0.1", 2)
    expected = attack(network, images, labels)
    assert type(expected) is np.ndarray
    tensor = attack(network, ops.convert_to_tensor(images), ops.convert_to_tensor(labels))
    assert ops.is_tensor(tensor)
    assert np.array_equal(to_numpy(tensor), expected)


@pytest.mark.parametrize("kind", ["list", "float64"])
def test_what_numpy_understands_is_accepted(network, images, labels, kind):
    attack = PGD("linf:0.1", 2)
    other_images, other_labels = {
        "list": (images.tolist(), labels.tolist()),
        "float64": (images.astype("float64"), labels),
    }[kind]
    adversarial = attack(network, other_images, other_labels)
    assert adversarial.dtype == np.float32
    np.testing.assert_allclose(adversarial, attack(network, images, labels), atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_labels_of_any_integer_type(curved, dtype):
    images, labels = np.full((3, 2, 2, 3), 0.5, "float32"), np.array([0, 1, 2])
    attack = PGD("linf:0.1", 2, jit_compile=False)
    adversarial = attack(curved, images, labels.astype(dtype))
    np.testing.assert_allclose(adversarial, attack(curved, images, labels), atol=1e-6)


def test_a_tensor_with_a_list_of_labels_gives_a_tensor(network, images, labels):
    adversarial = PGD("linf:0.1", 2)(network, ops.convert_to_tensor(images), labels.tolist())
    assert ops.is_tensor(adversarial)
    np.testing.assert_allclose(
        to_numpy(adversarial), PGD("linf:0.1", 2)(network, images, labels), atol=1e-6
    )


def test_a_batch_of_one_gives_what_the_batch_gives(network, images, labels):
    attack = PGD("linf:0.1", 2, random_start=False)
    together = attack(network, images, labels)
    alone = attack(network, images[1:2], labels[1:2])
    np.testing.assert_allclose(alone, together[1:2], atol=1e-6)
