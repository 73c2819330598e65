"""Grad-CAM, and how its layer is found on Keras 3."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pag_tf.explain.methods import Chunk, Compiled, Method, register

if TYPE_CHECKING:
    import keras


@register("grad_cam")
@dataclasses.dataclass(frozen=True)
class GradCAM(Method):
    """Features of a layer, weighted by their mean gradient, summed: maps `[B, h, w]`, >= 0.

    The weights are the means of the target logit's gradient over each feature map; negative sums
    are set to 0 (the paper's equations 1 and 2). A map of zeros is a valid answer: nothing there
    speaks for the class.

    Source: Selvaraju et al. 2017, arXiv 1610.02391, section 3. Deviation from tf-explain: it drops
    negative gradients and activations before averaging, and keeps negative sums.

    Attributes:
        layer: Name of the layer; None is the last convolution whose output is larger than one
            pixel. That is one branch of a residual block; the last activation or addition, which
            has a name as well, sees both.
    """

    _: dataclasses.KW_ONLY
    layer: str | None = None

    def prepared(self, model: keras.Model, images: Any) -> Method:  # noqa: D102
        return GradCAM(layer=target_layer(model, self.layer))

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        return compiled(_weighted_features, layer=self.layer)(chunk.images, chunk.targets)


def _weighted_features(
    classifier: Any, images: Any, targets: Any, *, layer: str
) -> tuple[Any, Any, Any]:
    import tensorflow as tf
    from keras import ops

    from pag_tf.explain import computations, tf_explain_functions

    model = classifier.model
    with (
        recorded_output(model, layer) as outputs,
        tf.GradientTape(watch_accessed_variables=False) as tape,
    ):
        tape.watch(images)
        logits = classifier(images)
        targets = computations.predicted_where_negative(logits, targets)
        score = classifier.score(logits, targets)
    _check_features(model, layer, outputs)
    slope = tape.gradient(score, outputs[0])
    if slope is None:
        raise ValueError(
            f"The logits do not depend on layer {layer!r}. Convolutions: {_listed(model)}."
        )
    features, slope = (ops.cast(t, "float32") for t in (outputs[0], slope))
    maps = ops.relu(tf_explain_functions.weighted_features(features, slope))
    return maps, logits, computations.largest(slope)


def convolutions(model: keras.Model) -> list[str]:
    """Returns the names of convolutions with more than one position, from input to output.

    The order is that of the longest path from the input, so that of the two branches of a residual
    block the last convolution comes after the shortcut, which Keras may list behind it. The 1x1
    convolutions of squeeze-and-excitation and of classifier heads, which work on pooled features,
    are left out: a map of one pixel says nothing about positions.
    """
    found = [pair for pair in _with_depths(model, 0) if _sees_positions(pair[0])]
    return [layer.name for layer, _ in sorted(found, key=lambda pair: pair[1])]


def target_layer(model: keras.Model, name: str | None) -> str:
    """Returns the name of the layer to explain: the given one, or the last of `convolutions`.

    Raises:
        ValueError: No such layer, or a model without convolutions.
    """
    if name is not None:
        if not any(layer.name == name for layer in _all_layers(model)):
            raise ValueError(
                f"The model has no layer {name!r}. Its convolutions: {_listed(model) or 'none'}."
            )
        return name
    known = convolutions(model)
    if not known:
        raise ValueError(
            "The model has no convolution with a feature map larger than one pixel, which grad_cam "
            "needs. Use another method (vanilla_gradients), or name a layer whose output is "
            "[B, h, w, K]: layer='...'."
        )
    return known[-1]


@contextlib.contextmanager
def recorded_output(model: keras.Model, name: str) -> Iterator[list[Any]]:
    """Within the block, appends the output of every call of the named layer to the yielded list.

    A second model from the same input to the layer would do for one flat graph only: the output of
    a layer inside a nested model belongs to another graph, and a subclassed model has none. So
    the layer's `call` is wrapped while the block lasts; weights and graph are not touched.
    """
    layer = [layer for layer in _all_layers(model) if layer.name == name][-1]
    outputs: list[Any] = []
    call = layer.call

    @functools.wraps(call)
    def recording(*args: Any, **kwargs: Any) -> Any:
        outputs.append(call(*args, **kwargs))
        return outputs[-1]

    # Not by assignment: Keras tracks what is assigned to a layer.
    attributes = vars(layer)
    before = attributes.get("call")
    attributes["call"] = recording
    try:
        yield outputs
    finally:
        del attributes["call"]
        if before is not None:
            attributes["call"] = before


def _check_features(model: keras.Model, layer: str, outputs: list[Any]) -> None:
    if len(outputs) != 1:
        raise ValueError(
            f"Layer {layer!r} is called {len(outputs)} times for one prediction; a layer that is "
            f"called once is expected. Convolutions: {_listed(model)}."
        )
    shape = getattr(outputs[0], "shape", ())
    if len(shape) != 4:
        raise ValueError(
            f"Layer {layer!r} returns {tuple(shape)}; feature maps [B, h, w, K] are expected. "
            f"Convolutions: {_listed(model)}."
        )


def _listed(model: keras.Model) -> str:
    return ", ".join(convolutions(model))


def _all_layers(model: keras.Model) -> list[Any]:
    return [layer for layer, _ in _with_depths(model, 0)]


def _with_depths(model: keras.Model, depth: int) -> list[tuple[Any, int]]:
    """Returns every operation with the largest number of operations between it and the input.

    Nested models are included. Where a producer is unknown (in nested and subclassed models), the
    order of the list stands in.
    """
    import keras

    from pag_tf.core.layers import all_layers

    found: list[tuple[Any, int]] = []
    producers: dict[int, int] = {}
    deepest = depth
    for operation in getattr(model, "operations", model.layers):
        inputs = [producers.get(id(t), deepest) for t in _tensors(operation, "input")]
        own = 1 + max(inputs, default=deepest)
        found.append((operation, own))
        if isinstance(operation, keras.Model):
            found += _with_depths(operation, own)
            own = max(nested for _, nested in found)
        elif isinstance(operation, keras.Layer):  # a custom block or a wrapper
            found += [(inner, own) for inner in all_layers(operation)[1:]]
        producers |= {id(t): own for t in _tensors(operation, "output")}
        deepest = max(deepest, own)
    return found


def _tensors(operation: Any, side: str) -> list[Any]:
    import keras

    try:
        return keras.tree.flatten(getattr(operation, side))
    except (AttributeError, ValueError):  # Never called on a graph, as in a subclassed model.
        return []


def _sees_positions(layer: Any) -> bool:
    from keras import layers

    convolutions: tuple[Any, ...] = (
        layers.Conv2D,
        layers.Conv2DTranspose,
        layers.DepthwiseConv2D,
        layers.SeparableConv2D,
    )
    if not isinstance(layer, convolutions):
        return False
    try:
        sides = layer.output.shape[1:3]
    except AttributeError:  # In a subclassed model, layers have no graph: nothing is known.
        return True
    return any(side is None or side > 1 for side in sides)
