"""The optimizer of a run: SGD with a cosine schedule, optionally faster in the last layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from pag_tf.training.config import TrainConfig

_GLOBAL_POOLING = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)


class LayerwiseSGD(keras.optimizers.SGD):
    """SGD that multiplies the learning rate by a factor for some of the variables.

    The gradient enters the momentum multiplied by the learning rate, so the factor applies to both.
    It does not apply to decoupled weight decay, which Keras multiplies by the optimizer's own
    learning rate before the step: layers learn faster but do not decay faster.

    Args:
        learning_rate: As in `keras.optimizers.SGD`.
        factor: The factor, positive.
        faster: Paths (`keras.Variable.path`) of the variables that it applies to.
        **kwargs: As in `keras.optimizers.SGD`.
    """

    def __init__(
        self, learning_rate: Any = 0.01, *, factor: float, faster: Iterable[str], **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.factor, self.faster = float(factor), tuple(sorted(faster))

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the momentum variables and looks up the factor of each variable by its path."""
        super().build(variables)
        # By position: inside a step, variables are those of TensorFlow, which have no Keras path.
        self._factors = tuple(self.factor if v.path in self.faster else 1.0 for v in variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable with its own learning rate."""
        factor = self._factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)

    def get_config(self) -> dict[str, Any]:
        """Returns the plain values that `from_config` takes."""
        return {**super().get_config(), "factor": self.factor, "faster": list(self.faster)}


def build_optimizer(
    classifier: keras.Model, config: TrainConfig, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Returns SGD with Nesterov momentum, linear warm-up and a cosine decay to 0.

    Biases, norms and all other weights with one axis are excluded from weight decay. The layers of
    `last_stage_and_head` learn at `config.head_learning_rate_factor` times the learning rate.
    """
    total = config.epochs * steps_per_epoch
    warmup = round(config.learning_rate_warmup * total)
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / max(warmup, 1) if warmup else config.learning_rate,
        decay_steps=max(total - warmup, 1),
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    settings: dict[str, Any] = {
        "momentum": config.momentum,
        "nesterov": config.momentum > 0,
        "weight_decay": config.weight_decay or None,
    }
    if config.head_learning_rate_factor == 1:
        optimizer = keras.optimizers.SGD(schedule, **settings)
    else:
        layers = last_stage_and_head(classifier)
        faster = [v.path for layer in layers for v in layer.trainable_variables]
        factor = config.head_learning_rate_factor
        optimizer = LayerwiseSGD(schedule, factor=factor, faster=faster, **settings)
    if config.weight_decay:
        vectors = [v for v in classifier.trainable_variables if len(v.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=vectors)
    return optimizer


def last_stage_and_head(classifier: keras.Model) -> list[keras.Layer]:
    """Returns the trainable layers of the last stage and the head, in the order of the model.

    A stage is all layers whose feature maps have the same height and width; the last stage is that
    of the last layer with weights and a feature map. Squeeze-and-excitation layers, which work on
    the average of a map, belong to the stage of that map. The head is all layers whose output has
    no height and width. In `resnet50` these are the layers conv5_* and the logits, in `vgg16`
    block5_* and the logits. A network that never downsamples is one stage. With `antialias`, a
    convolution that is blurred belongs to the stage before, whose size its map has.

    Args:
        classifier: A flat functional model that calls each layer once.
    """
    sizes = _stages(classifier)
    layers = [layer for layer in classifier.layers if layer.trainable_variables]
    last = next((sizes[layer.name] for layer in reversed(layers) if sizes[layer.name]), ())
    return [layer for layer in layers if sizes[layer.name] in ((), last)]


def _stages(classifier: keras.Model) -> dict[str, tuple[int, ...]]:
    """Returns the height and width of the stage of each layer, `()` without any, by its name."""
    sizes: dict[str, tuple[int, ...]] = {}
    averaged: dict[int, tuple[int, ...]] = {}  # tensors that come from the average of a map
    for layer in classifier.layers:
        inputs = keras.tree.flatten(layer.input)
        size = tuple(layer.output.shape[1:-1])
        if isinstance(layer, _GLOBAL_POOLING):
            averaged[id(layer.output)] = tuple(inputs[0].shape[1:-1])
        elif len(inputs) == 1 and id(inputs[0]) in averaged:
            averaged[id(layer.output)] = averaged[id(inputs[0])]
        sizes[layer.name] = averaged.get(id(layer.output), size) if size else ()
    return sizes
