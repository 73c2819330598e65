"""The optimizer of a run: SGD on a cosine, faster for the last stage and the head where asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from pag_tf.training.config import TrainConfig


class LayerwiseSGD(keras.optimizers.SGD):
    """SGD whose learning rate is a multiple of its own for some of the variables.

    As the gradient enters the momentum times the learning rate, gradient and momentum both carry
    the factor. Decoupled weight decay does not: Keras takes it times the optimizer's own learning
    rate before the step, so that the factor makes layers learn faster, not decay faster.

    Args:
        learning_rate: As in `keras.optimizers.SGD`.
        factor: The multiple, positive.
        faster: Paths (`keras.Variable.path`) of the variables it holds for.
        **kwargs: As in `keras.optimizers.SGD`.
    """

    def __init__(
        self, learning_rate: Any = 0.01, *, factor: float, faster: Iterable[str], **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.factor, self.faster = float(factor), tuple(sorted(faster))

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Makes the momentum variables, and looks up each variable's factor by its path."""
        super().build(variables)
        # By position: inside a step the variables are TensorFlow's, without Keras' paths.
        self._factors = tuple(self.factor if v.path in self.faster else 1.0 for v in variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step, at its own learning rate."""
        factor = self._factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)

    def get_config(self) -> dict[str, Any]:
        """Plain values that `from_config` takes."""
        return {**super().get_config(), "factor": self.factor, "faster": list(self.faster)}


def build_optimizer(
    classifier: keras.Model, config: TrainConfig, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """SGD with Nesterov momentum: linear warm-up, then a cosine to 0 at the end of the run.

    Weight decay spares biases and norms. Layers that `last_stage_and_head` names learn at
    `config.head_learning_rate_factor` times the learning rate.
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
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def last_stage_and_head(classifier: keras.Model) -> list[keras.Layer]:
    """The layers with trainable weights of the last stage and the head, in the model's order.

    A stage is what gives feature maps of one height and width. The last stage is every layer whose
    feature map is as high and wide as that of the last layer with weights; the head is every
    layer whose output has no height and width. In `resnet50` these are the layers conv5_* and the
    logits, in `vgg16` block5_* and the logits. A network that never downsamples is one stage.

    Args:
        classifier: A flat functional model, with each layer called once.
    """
    layers = [layer for layer in classifier.layers if layer.trainable_variables]
    sizes = [tuple(layer.output.shape[1:-1]) for layer in layers]
    last = next((size for size in reversed(sizes) if size), ())
    return [layer for layer, size in zip(layers, sizes, strict=True) if size in ((), last)]
