"""Fine-tuning in two parts: the head on a frozen backbone, then all layers.

Layers that are frozen do not learn, and their batch norms use the moving statistics and leave
them alone (Keras does so for `trainable = False`). The second part has an optimizer of its own,
which goes on where that of the first part ended.
"""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np

from pag_tf.models.layers import HEAD_LAYERS


def backbone(classifier: keras.Model) -> list[keras.Layer]:
    """Returns the layers of a fresh classifier that learn and do not belong to the head.

    Raises:
        ValueError: The model has no layer with the name of a head.
    """
    if not any(layer.name in HEAD_LAYERS for layer in classifier.layers):
        raise ValueError(
            f"frozen_epochs needs to know the head: none of the layers of {classifier.name!r} is "
            f"named {', '.join(HEAD_LAYERS)}. End the architecture in pag_tf.models.layers.head, "
            "or leave frozen_epochs out."
        )
    return [x for x in classifier.layers if x.trainable and x.name not in HEAD_LAYERS]


def set_trainable(layers: Iterable[keras.Layer], trainable: bool) -> None:
    """Lets layers learn, or freezes them; effective in trainers that are built afterwards."""
    for layer in layers:
        layer.trainable = trainable


def carry_over(
    former: keras.optimizers.Optimizer,
    optimizer: keras.optimizers.Optimizer,
    classifier: keras.Model,
) -> None:
    """Lets an optimizer of all layers go on where that of the head ended.

    Copies the number of steps, which the learning rate and random numbers depend on, and momentum
    and moving averages of the head. Averages of the other layers begin with their weights.

    Args:
        former: Optimizer of the head, built.
        optimizer: Optimizer of all trainable layers, built and unused.
        classifier: The model, no longer frozen.
    """
    values = {f"{v.path.replace('/', '_')}_average": v for v in classifier.trainable_variables}
    values |= {variable.name: variable for variable in former.variables}
    for variable in optimizer.variables:
        if variable.name in values:
            # A copy: JAX would let both variables share, and then give away, one buffer.
            variable.assign(np.array(keras.ops.convert_to_numpy(values[variable.name])))
