"""The convolutions of a model, nested ones included, and what one of them returned."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)


def convolutions(model: keras.Model) -> list[str]:
    """Names of the convolutions that see more than one place, from input to output.

    The order is that of the longest way from the input, so that of the two branches of a residual
    block the last convolution comes after the shortcut, which Keras may list behind it. Left out
    are the 1x1 convolutions of squeeze-and-excitation and of classifier heads, which work on pooled
    features: a map of one pixel says nothing about places.
    """
    found = [pair for pair in _with_depths(model, 0) if _sees_places(pair[0])]
    return [layer.name for layer, _ in sorted(found, key=lambda pair: pair[1])]


def target_layer(model: keras.Model, name: str | None) -> str:
    """The name of the layer to explain: the given one, or the last of `convolutions`.

    Raises:
        ValueError: No such layer, or a model without convolutions.
    """
    known = convolutions(model)
    if name is not None:
        if not any(layer.name == name for layer in _all_layers(model)):
            raise ValueError(
                f"The model has no layer {name!r}. Its convolutions: {', '.join(known) or 'none'}."
            )
        return name
    if not known:
        raise ValueError(
            "The model has no convolution with a feature map larger than one pixel, which grad_cam "
            "needs. Use another method (vanilla_gradients), or name a layer whose output is "
            "[B, h, w, K]: layer='...'."
        )
    return known[-1]


@contextlib.contextmanager
def recorded_output(model: keras.Model, name: str) -> Iterator[list[Any]]:
    """Within the block, every call of the named layer appends its output to the yielded list.

    A second model from the same input to the layer would do for one flat graph only: the output of
    a layer inside a nested model belongs to another graph, and a subclassed model has none. So
    the layer's `call` is wrapped as long as the block lasts; weights and graph are not touched.
    """
    layer = [layer for layer in _all_layers(model) if layer.name == name][-1]
    outputs: list[Any] = []
    call = layer.call

    @functools.wraps(call)
    def recording(*args: Any, **kwargs: Any) -> Any:
        outputs.append(call(*args, **kwargs))
        return outputs[-1]

    # Not by assignment: Keras keeps track of what is assigned to a layer.
    attributes = vars(layer)
    before = attributes.get("call")
    attributes["call"] = recording
    try:
        yield outputs
    finally:
        del attributes["call"]
        if before is not None:
            attributes["call"] = before


def _all_layers(model: keras.Model) -> list[Any]:
    return [layer for layer, _ in _with_depths(model, 0)]


def _with_depths(model: keras.Model, depth: int) -> list[tuple[Any, int]]:
    """Every operation with its largest number of operations from the input, nested models too.

    Where a producer is not known (nested and subclassed models) the order of the list stands in.
    """
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
        producers |= {id(t): own for t in _tensors(operation, "output")}
        deepest = max(deepest, own)
    return found


def _tensors(operation: Any, side: str) -> list[Any]:
    try:
        return keras.tree.flatten(getattr(operation, side))
    except (AttributeError, ValueError):  # Never called on a graph, as in a subclassed model.
        return []


def _sees_places(layer: Any) -> bool:
    if not isinstance(layer, _CONVOLUTIONS):
        return False
    try:
        sides = layer.output.shape[1:3]
    except AttributeError:  # In a subclassed model, layers have no graph: nothing is known.
        return True
    return any(side is None or side > 1 for side in sides)
