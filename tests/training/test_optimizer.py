"""The optimizer of a run: steps worked out by hand, and which layers learn faster."""

import keras
import numpy as np
import pytest

from pag_tf import models
from pag_tf.training import TrainConfig
from pag_tf.training.optimizer import LayerwiseSGD, build_optimizer, last_stage_and_head

LAYERS = ("early", "late", "logits")


@pytest.fixture
def chain():
    """logit = early x late x logits, all weights 1, on images of ones: each gradient is 1."""
    ones = {"use_bias": False, "kernel_initializer": "ones"}
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(1, 1, name="early", **ones)(inputs)
    x = keras.layers.Conv2D(1, 1, name="late", **ones)(keras.layers.AveragePooling2D(2)(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="logits", **ones)(x))


def weights_of(model):
    return [float(model.get_layer(name).get_weights()[0].ravel()[0]) for name in LAYERS]


def settings(**changes):
    # So many epochs that the cosine has not left its start after two steps.
    start = {"epochs": 10**6, "learning_rate_warmup": 0.0, "learning_rate": 0.1}
    return TrainConfig(**start | {"momentum": 0.9, "weight_decay": 0.01} | changes)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_one_step_worked_out_by_hand(chain, jit_compile):
    optimizer = build_optimizer(chain, settings(head_learning_rate_factor=10.0), 1)
    chain.compile(optimizer, lambda y, logits: logits, jit_compile=jit_compile)
    chain.train_on_batch(np.ones((2, 4, 4, 1), "float32"), np.ones((2, 1), "float32"))
    # Decay, at the optimizer's own rate for all: 1 - 0.1 x 0.01 = 0.999.
    # Momentum: -0.1, ten times as much for the faster ones; step: 0.9 x momentum - rate x 1.
    assert weights_of(chain) == pytest.approx([0.999 - 0.19, 0.999 - 1.9, 0.999 - 1.9], abs=1e-6)


def test_two_steps_worked_out_by_hand(chain):
    optimizer = build_optimizer(chain, settings(head_learning_rate_factor=10.0), 1)
    variables = chain.trainable_variables
    for _ in range(2):
        optimizer.apply([keras.ops.full(v.shape, 0.5) for v in variables], variables)
    # Slow: 0.999 - 0.095 = 0.904; then momentum 0.9 x -0.05 - 0.05 = -0.095 and
    # 0.999 x 0.904 - 0.0855 - 0.05. Fast: 0.999 - 0.95 = 0.049; then momentum -0.95 and
    # 0.999 x 0.049 - 0.855 - 0.5.
    assert weights_of(chain) == pytest.approx([0.767596, -1.306049, -1.306049], abs=1e-5)


def test_biases_and_norms_do_not_decay(resnet):
    config = settings(head_learning_rate_factor=10.0)
    optimizer = build_optimizer(resnet, config, 1)
    before = {v.path: v.numpy() for v in resnet.trainable_variables}
    zeros = [keras.ops.zeros(v.shape) for v in resnet.trainable_variables]
    optimizer.apply(zeros, resnet.trainable_variables)
    for variable in resnet.trainable_variables:
        left = 0.999 if variable.path.endswith("kernel") else 1
        np.testing.assert_allclose(variable.numpy(), left * before[variable.path], rtol=1e-6)


def test_a_factor_of_1_is_plain_sgd(chain):
    assert type(build_optimizer(chain, settings(), 1)) is keras.optimizers.SGD


def test_the_warm_up_and_the_cosine_hold_for_both_rates(chain):
    config = settings(epochs=10, learning_rate_warmup=0.5, head_learning_rate_factor=3.0)
    schedule = build_optimizer(chain, config, 4)._learning_rate
    rates = [float(schedule(step)) for step in (10, 20, 30, 40)]
    assert rates == pytest.approx([0.0525, 0.1, 0.05, 0.0], abs=1e-6)


def test_the_settings_survive_serialization(chain):
    optimizer = build_optimizer(chain, settings(head_learning_rate_factor=10.0), 1)
    again = LayerwiseSGD.from_config(optimizer.get_config())
    assert (again.factor, again.faster) == (10.0, ("late/kernel", "logits/kernel"))


SMALL = {"widths": [4, 6], "blocks": [1, 1], "stem_width": 4}


@pytest.mark.parametrize(
    ("arch", "options", "kernels"),
    [
        ("resnet", SMALL, [(3, 3, 4, 6), (3, 3, 6, 6), (1, 1, 4, 6)]),
        (
            "resnet",
            {**SMALL, "pre_activation": False},
            [(3, 3, 4, 6), (3, 3, 6, 6), (1, 1, 4, 6)],
        ),
        (
            "wide_resnet",
            {"depth": 10, "width": 1},
            [(3, 3, 32, 64), (3, 3, 64, 64), (1, 1, 32, 64)],
        ),
    ],
    ids=["pre-activation", "post-activation", "wide"],
)
def test_the_last_stage_of_residual_networks(arch, options, kernels):
    model = models.build(arch, 2, (16, 16, 3), **options)
    *stage, head = last_stage_and_head(model)
    assert head.name == "logits"
    convolutions = [layer for layer in stage if isinstance(layer, keras.layers.Conv2D)]
    assert sorted(tuple(layer.kernel.shape) for layer in convolutions) == sorted(kernels)
    norms = [layer for layer in stage if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == 3 and len(stage) == 6
    # Those before are not at the last resolution.
    size = stage[0].output.shape[1]
    before = [x for x in model.layers if x.trainable_variables and x not in (*stage, head)]
    assert before and all(layer.output.shape[1] > size for layer in before)


# Layers with weights: 3 blocks of 3 convolutions and norms, a shortcut with both; 3 convolutions.
@pytest.mark.parametrize(
    ("arch", "prefix", "count"), [("resnet50", "conv5_", 20), ("vgg16", "block5_", 3)]
)
def test_the_last_stage_of_imagenet_networks(arch, prefix, count):
    *stage, head = last_stage_and_head(models.build(arch, 2, (64, 64, 3)))
    assert head.name == "logits" and len(stage) == count
    assert all(layer.name.startswith(prefix) for layer in stage)


def test_squeeze_and_excitation_belongs_to_the_stage_of_its_map():
    """Also where the last map is a single pixel, as are all averages of maps."""
    for size in (32, 64):
        model = models.build("application:EfficientNetB0", 2, (size, size, 3))
        *stage, head = last_stage_and_head(model)
        names = {layer.name for layer in stage}
        assert head.name == "logits"
        trainable = {layer.name for layer in model.layers if layer.trainable_variables}
        # The first layers of block 6a still have the map of the stage before.
        last = {n for n in trainable if n.startswith(("block6", "block7", "top_"))}
        assert names == last - {"block6a_expand_conv", "block6a_expand_bn"}


def test_scales_and_other_vectors_do_not_decay():
    model = keras.Sequential(
        [
            keras.Input((2, 2, 3)),
            keras.layers.EinsumDense("bhwc,c->bhwc", (2, 2, 3), name="scale"),
            keras.layers.EinsumDense("bhwc,cd->bhwd", (2, 2, 4), name="product"),
        ]
    )
    optimizer = build_optimizer(model, settings(), 1)
    before = model.get_weights()
    variables = model.trainable_variables
    optimizer.apply([keras.ops.zeros(v.shape) for v in variables], variables)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    np.testing.assert_allclose(model.get_weights()[1], 0.999 * before[1], rtol=1e-6)


def test_a_network_of_one_stage_is_all_last_stage(resnet):
    weighted = [layer for layer in resnet.layers if layer.trainable_variables]
    assert last_stage_and_head(resnet) == weighted
