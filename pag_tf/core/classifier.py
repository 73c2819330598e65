"""A Keras model as the library reads it: pixels in [0, 1] in, float32 logits out."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.core import backend, layers, losses


@dataclasses.dataclass(frozen=True)
class Reading:
    """What the inputs and outputs of a model mean.

    Attributes:
        pixel_range: Lowest and highest pixel that the model takes, such as `(0, 255)` or `(-1, 1)`.
            Epsilon, step sizes and gradients stay in units of [0, 1].
        multilabel: Each output answers yes or no for a label of its own (sigmoid cross-entropy),
            and labels are `[B, labels]` of 0 and 1. An image is classified correctly if every
            label is, and broken as soon as one is not.
        output: Which output holds the logits, for models with several: its name or index.
        names: The names of the model's outputs, by which a list of them is read as well.

    Raises:
        ValueError: Another type, or an empty range.
    """

    pixel_range: tuple[float, float] = (0.0, 1.0)
    multilabel: bool = False
    output: str | int | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        model: Any,
        pixel_range: tuple[float, float] = (0.0, 1.0),
        multilabel: bool = False,
        output: str | int | None = None,
    ) -> Reading:
        """Returns a reading that knows the names of the model's outputs."""
        names = tuple(getattr(model, "output_names", None) or ()) if output is not None else ()
        return cls(pixel_range, multilabel, output, names)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixel_range", _checked_range(self.pixel_range))
        if not isinstance(self.multilabel, (bool, np.bool_)):
            raise ValueError(f"multilabel must be True or False, got {self.multilabel!r}.")
        if self.output is not None and not isinstance(self.output, (str, int)):
            raise ValueError(f"output must be the name or index of an output, got {self.output!r}.")

    @property
    def is_unit(self) -> bool:
        """True for pixels in [0, 1]."""
        return self.pixel_range == (0.0, 1.0)

    def to_unit(self, images: Any) -> Any:
        """Returns pixels of the model's range, array or tensor, as pixels in [0, 1]."""
        low, high = self.pixel_range
        return images if self.is_unit else (images - low) * (1.0 / (high - low))

    def from_unit(self, images: Any) -> Any:
        """Returns pixels in [0, 1] as pixels of the model's range."""
        low, high = self.pixel_range
        return images if self.is_unit else images * (high - low) + low

    def clipped(self, images: Any) -> Any:
        """Returns pixels of the model's range without what rounding put outside of it."""
        return images if self.is_unit else ops.clip(images, *self.pixel_range)

    def logits(self, outputs: Any) -> Any:
        """Returns float32 logits `[B, classes]` from what a model returned.

        A single logit z, that of class 1, becomes the logits `(-z/2, z/2)` of two classes: the same
        probabilities and the same cross-entropy.

        Raises:
            ValueError: Several outputs and none chosen, or an output that is not `[B, classes]`.
        """
        chosen = self.chosen(outputs)
        shape = getattr(chosen, "shape", None)
        if shape is None or len(shape) != 2:
            got = type(chosen).__name__ if shape is None else f"shape {tuple(shape)}"
            raise ValueError(
                f"The model must return logits [B, classes], got {got}. Wrap it in a keras.Model "
                "whose only output is the logits."
            )
        logits = ops.cast(chosen, "float32")
        if shape[1] == 1 and not self.multilabel:
            return ops.concatenate([-0.5 * logits, 0.5 * logits], axis=-1)
        return logits

    def chosen(self, outputs: Any) -> Any:
        """Returns the output that holds the logits.

        Raises:
            ValueError: There are several and none is chosen, or there is none of this name.
        """
        if not isinstance(outputs, (dict, list, tuple)):
            if self.output is not None:
                raise ValueError(
                    f"output={self.output!r} was chosen, but the model has one output. Leave "
                    "output out."
                )
            return outputs
        known = list(outputs) if isinstance(outputs, dict) else list(range(len(outputs)))
        wanted: Any = known[0] if self.output is None and len(known) == 1 else self.output
        if wanted not in known and isinstance(wanted, str) and wanted in self.names:
            wanted = self.names.index(wanted)
        elif wanted not in known and isinstance(wanted, int) and wanted < len(self.names):
            wanted = self.names[wanted]
        if wanted not in known:
            what = "none is chosen" if wanted is None else f"none of them is {wanted!r}"
            raise ValueError(
                f"The model has the outputs {', '.join(map(repr, known))}, and {what}. Name the "
                "one that holds the logits: output=..."
            )
        return outputs[wanted]


class Classifier:
    """A model, or a callable like one, that takes pixels in [0, 1] and returns logits.

    Args:
        model: Callable as `model(images, training=...)` on pixels of the reading's range.
        reading: What its inputs and outputs mean.
        loss: The loss of Keras that attacks ascend. None: the cross-entropy (of multi-label
            models: the sum of each label's).
        passes: Number of passes that logits and gradients are the mean of, for models that are
            random at inference (expectation over transformations, Athalye et al. 2018, arXiv
            1707.07397).
        float16: The model computes in half precision.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        reading: Reading | None = None,
        *,
        loss: Any = None,
        passes: int = 1,
        float16: bool = False,
    ) -> None:
        self.model = model
        self.reading = reading or Reading()
        self.passes = passes
        self.float16 = float16
        self._compiled_loss = loss
        self.one_logit = False

    @classmethod
    def of(cls, model: Any) -> Classifier:
        """Returns a classifier as it is, and any other callable with the default reading."""
        if isinstance(model, Classifier):
            return model
        is_model = isinstance(model, keras.Model)
        return cls(model, float16=is_model and layers.computes_in_float16(model))

    def __call__(self, images: Any, training: bool = False) -> Any:
        """Returns float32 logits `[B, classes]`, the mean over `passes`."""
        total = self.once(images, training=training)
        for _ in range(self.passes - 1):
            total = total + self.once(images, training=training)
        return total / self.passes if self.passes > 1 else total

    def once(self, images: Any, *, training: bool) -> Any:
        """Returns the logits of one pass."""
        outputs = self.model(self.reading.from_unit(images), training=training)
        logits = self.reading.logits(outputs)
        self.one_logit = self.reading.chosen(outputs).shape[-1] != logits.shape[-1]
        return logits

    def losses(self, logits: Any, labels: Any) -> Any:
        """Returns the loss of each image, float32 `[B]`."""
        multilabel = self.reading.multilabel
        if self._compiled_loss is not None:
            return losses.compiled_loss(self._compiled_loss)(logits, labels)
        return (losses.binary if multilabel else losses.cross_entropy)(logits, labels)

    def score(self, logits: Any, classes: Any) -> Any:
        """Returns the logit of one class per image, `[B]`; of a single logit z: z or -z."""
        logit = losses.class_logit(logits, classes)
        return 2.0 * logit if self.one_logit else logit

    def class_loss(self, logits: Any, classes: Any) -> Any:
        """Returns the cross-entropy of one class per image, `[B]`; multi-label: of a yes to it."""
        if self.reading.multilabel:
            return losses.binary(losses.class_logit(logits, classes)[:, None], ops.ones((1, 1)))
        return losses.cross_entropy(logits, classes)

    def correct(self, logits: Any, labels: Any) -> Any:
        """Returns for each image whether it is classified correctly, bool `[B]`."""
        if self.reading.multilabel:
            return ops.all(ops.equal(logits > 0, ops.cast(labels, "float32") > 0.5), axis=-1)
        if len(labels.shape) == 2:
            column = labels.shape[1] == 1
            labels = labels[:, 0] if column else ops.argmax(labels, axis=-1)
        return ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), ops.cast(labels, "int32"))


def loss_gradient(
    model: Any, images: Any, labels: Any, *, training: bool = False
) -> tuple[Any, Any, Any]:
    """Returns the gradient of each image's loss with respect to that image.

    This low-level function is for use inside compiled functions: it checks nothing, takes any
    callable and returns tensors. `pag_tf.explain.gradients` with `method="loss_gradients"` gives
    the same gradients as an array, with checks and in batches.

    Args:
        model: Callable as `model(images, training=...)` that returns logits, or a `Classifier`,
            which knows its loss, its pixel range and how many passes to take the mean of.
        images: float32 `[B, H, W, C]`, array or tensor.
        labels: Integer `[B]`; what else the loss of a `Classifier` takes.
        training: Batch-norm mode; with `True`, images of a batch influence each other.

    Returns:
        `(gradient [B, H, W, C], loss [B], logits [B, classes])`, tensors.

    Raises:
        ValueError: The logits do not depend on the images in a differentiable way.
    """
    classifier = Classifier.of(model)
    images = ops.convert_to_tensor(images)
    passes = [_one_gradient(classifier, images, labels, training) for _ in range(classifier.passes)]
    if len(passes) == 1:
        return passes[0]
    gradient, each, logits = (sum(parts) / len(passes) for parts in zip(*passes, strict=True))
    return gradient, each, logits


def _one_gradient(
    classifier: Classifier, images: Any, labels: Any, training: bool
) -> tuple[Any, Any, Any]:
    def loss(images: Any) -> tuple[Any, Any]:
        logits = classifier.once(images, training=training)
        each = classifier.losses(logits, labels)
        if not classifier.float16:
            return ops.sum(each), (each, logits, None)
        slope, scale = _scaled_slope(classifier, ops.stop_gradient(logits), labels)
        return ops.sum(slope * logits), (each, logits, scale)

    gradient, (each, logits, scale) = backend.input_gradient(loss, images)
    if scale is not None:
        gradient = ops.cast(gradient, "float32") / ops.reshape(scale, (-1, 1, 1, 1))
    return gradient, each, logits


def _scaled_slope(classifier: Classifier, logits: Any, labels: Any) -> tuple[Any, Any]:
    """Returns the derivative of the loss by the logits, times a factor for each image.

    The derivatives of confident images are too small for half precision, and the further back, the
    smaller. So they travel through the network at a size that fits, about 2^8 (Micikevicius et al.
    2017, arXiv 1710.03740, section 3.2, with a scale for each image).
    """
    slope, _ = backend.input_gradient(
        lambda logits: (ops.sum(classifier.losses(logits, labels)), None), logits
    )
    size = ops.max(ops.abs(slope), axis=-1, keepdims=True)
    scale = 256.0 / ops.where(size > 0, size, 256.0)
    return ops.stop_gradient(slope * scale), scale


def _checked_range(given: Any) -> tuple[float, float]:
    is_pair = isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2
    numeric = is_pair and all(
        isinstance(end, numbers.Real) and not isinstance(end, bool) and math.isfinite(end)
        for end in given
    )
    if not numeric or not given[0] < given[1]:
        raise ValueError(
            "pixel_range must be the lowest and highest pixel that the model takes, such as (0, 1),"
            f" (0, 255) or (-1, 1), got {given!r}."
        )
    return float(given[0]), float(given[1])
