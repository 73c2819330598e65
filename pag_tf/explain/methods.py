"""The attribution methods: their options, what each computes, and where it deviates.

A method is a frozen dataclass of options that turns one chunk of images into maps. All of them
explain the logit of one class an image (`LossGradients`: its cross-entropy).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.core.logits import class_logit, cross_entropy
from pag_tf.explain import computations, feature_maps

Compiled = Callable[..., Any]
"""`compiled(function, **constants)` is `function` compiled for the model, of tensors only."""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Images that are explained together, and what belongs to them.

    Attributes:
        images: float32 tensor `[B, H, W, C]`.
        targets: int32 tensor `[B]`; negative asks for the predicted class.
        wants_predicted: Whether the targets are negative.
        indices: `[B]`, the place of each image in the whole call.
        batch_size: Images that may pass through the model at once.
    """

    images: Any
    targets: Any
    wants_predicted: bool
    indices: np.ndarray
    batch_size: int


@dataclasses.dataclass(frozen=True)
class Method:
    """What is common to all methods. Use a subclass."""

    @property
    def points(self) -> int:
        """Images that pass through the model for one explained image."""
        return 1

    def prepared(self, model: keras.Model, images: Any) -> Method:
        """The method with what depends on the model filled in; raises ValueError if unfit."""
        return self

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:
        """`(maps, logits, sizes)` of a chunk; see `computations`."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class VanillaGradients(Method):
    """Gradient of the target logit (Simonyan et al. 2013, arXiv 1312.6034, section 3), signed."""

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        function = compiled(computations.gradient, score=class_logit)
        return function(chunk.images, chunk.targets)


@dataclasses.dataclass(frozen=True)
class GradientsInputs(VanillaGradients):
    """Gradient of the target logit times the pixel (Shrikumar et al. 2016, arXiv 1605.01713)."""

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        slope, logits, sizes = super().maps(compiled, chunk)
        return chunk.images * slope, logits, sizes


@dataclasses.dataclass(frozen=True)
class LossGradients(Method):
    """Gradient of the target class' cross-entropy (Aggarwal et al. 2020, arXiv 2005.01499).

    Not in tf-explain. In margin form, so that it stays exact for confident models.
    """

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        function = compiled(computations.gradient, score=cross_entropy)
        return function(chunk.images, chunk.targets)


@dataclasses.dataclass(frozen=True)
class SmoothGrad(Method):
    """Mean gradient of the target logit over noisy images (Smilkov et al. 2017, arXiv 1706.03825).

    Noise is normal, and noisy pixels are not clipped to [0, 1], as in the paper. Deviations:
    tf-explain differentiates a cross-entropy of probabilities with noise from a global generator;
    the paper scales sigma by the image's own range of pixels, here it is in pixel units. The noise
    of an image depends on the seed and on its index only.

    Attributes:
        samples: Noisy images for each image.
        sigma: Standard deviation of the noise, pixels being in [0, 1]; 0 gives `vanilla_gradients`.
        seed: Of the noise.
        indices: Whole numbers `[B]` >= 0, the index of each image, such as its place in a data set
            that is explained batch by batch; None is its place in the call.
    """

    _: dataclasses.KW_ONLY
    samples: int = 16
    sigma: float = 0.15
    seed: int = 0
    indices: Any = None

    def __post_init__(self) -> None:
        _check_whole("samples", self.samples, 1)
        _check_whole("seed", self.seed, 0)
        if not (np.isfinite(self.sigma) and self.sigma >= 0):
            raise ValueError(f"sigma must be a number of pixel units >= 0, got {self.sigma!r}.")

    @property
    def points(self) -> int:  # noqa: D102
        return self.samples

    def prepared(self, model: keras.Model, images: Any) -> Method:  # noqa: D102
        if self.indices is None:
            return self
        indices = np.asarray(self.indices)
        whole = np.issubdtype(indices.dtype, np.integer) and indices.min(initial=0) >= 0
        if indices.shape != (len(images),) or not whole:
            raise ValueError(
                f"indices must be whole numbers >= 0, one an image, [{len(images)}], got "
                f"{indices.dtype} of shape {indices.shape}."
            )
        return dataclasses.replace(self, indices=indices)

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        # The seed goes into the step, which is a tensor: another seed compiles nothing.
        (start,) = np.random.SeedSequence(self.seed).generate_state(1)
        numbers = chunk.indices if self.indices is None else self.indices[chunk.indices]
        steps = ops.convert_to_tensor((start + numbers).astype("uint32"))
        noisy = compiled(computations.noisy_points, samples=self.samples)
        points = noisy(chunk.images, steps, _tensor(self.sigma))
        weights = np.full(self.samples, 1 / self.samples)
        return _over_points(compiled, chunk, points, weights)


@dataclasses.dataclass(frozen=True)
class IntegratedGradients(Method):
    """(image - baseline) x mean gradient of the target logit on the straight path between them.

    Sundararajan et al. 2017, arXiv 1703.01365, section 3. The sum of a map is the score of the
    image minus that of the baseline (completeness), up to the error of the quadrature, which is
    that of Gauss and Legendre here (paper: a Riemann sum): on small residual networks 16 steps
    gave 1e-5 of it with SiLU; with ReLU, whose gradient jumps along the path, 1e-3 to 1e-2 was left
    at 64 steps. Deviation of tf-explain: it returns the mean gradient only, at points that count
    both ends of the path fully.

    Attributes:
        steps: Points on the path.
        baseline: Where the path starts: a pixel value in [0, 1] (0 is black), an image `[H, W, C]`
            or one for each image `[B, H, W, C]`.
    """

    _: dataclasses.KW_ONLY
    steps: int = 32
    baseline: Any = 0.0

    def __post_init__(self) -> None:
        _check_whole("steps", self.steps, 1)
        values = np.asarray(ops.convert_to_numpy(self.baseline), np.float32)
        if values.ndim not in (0, 3, 4) or not np.all((values >= 0) & (values <= 1)):
            raise ValueError(
                "baseline must be a pixel value, an image [H, W, C] or images [B, H, W, C], all in "
                f"[0, 1], got shape {values.shape} with values from {values.min():g} to "
                f"{values.max():g}."
            )
        object.__setattr__(self, "baseline", values)

    @property
    def points(self) -> int:  # noqa: D102
        return self.steps

    def prepared(self, model: keras.Model, images: Any) -> Method:  # noqa: D102
        shape, wanted = self.baseline.shape, tuple(images.shape)
        if shape not in ((), wanted[1:], wanted):
            raise ValueError(f"baseline has shape {shape}; the images have {wanted}.")
        return self

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        baseline = self.baseline[chunk.indices] if self.baseline.ndim == 4 else self.baseline
        difference = chunk.images - _tensor(baseline)
        nodes, weights = np.polynomial.legendre.leggauss(self.steps)
        way = _tensor((1 - nodes) / 2)  # From the image back to the baseline.
        points = chunk.images[:, None] - ops.reshape(way, (-1, 1, 1, 1)) * difference[:, None]
        slope, logits, sizes = _over_points(compiled, chunk, points, weights / 2)
        return difference * slope, logits, sizes


@dataclasses.dataclass(frozen=True)
class GradCAM(Method):
    """Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, section 3): maps `[B, h, w]`, >= 0.

    Features of a layer, each weighted by the mean of the target logit's gradient over its map,
    summed, negative sums set to 0 (the paper's equations 1 and 2). Deviation of tf-explain: it
    drops negative gradients and activations before averaging, and keeps negative sums. A map of
    zeros is a valid answer: nothing there speaks for the class.

    Attributes:
        layer: Name of the layer; None is the last convolution whose output is larger than one
            pixel. That is one branch of a residual block; the last activation or addition, which
            has a name as well, sees both.
    """

    _: dataclasses.KW_ONLY
    layer: str | None = None

    def prepared(self, model: keras.Model, images: Any) -> Method:  # noqa: D102
        return GradCAM(layer=feature_maps.target_layer(model, self.layer))

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        function = compiled(computations.grad_cam, layer=self.layer)
        return function(chunk.images, chunk.targets)


METHODS: dict[str, type[Method]] = {
    "vanilla_gradients": VanillaGradients,
    "gradients_inputs": GradientsInputs,
    "loss_gradients": LossGradients,
    "smoothgrad": SmoothGrad,
    "integrated_gradients": IntegratedGradients,
    "grad_cam": GradCAM,
}


def _over_points(
    compiled: Compiled, chunk: Chunk, points: Any, weights: np.ndarray
) -> tuple[Any, Any, Any]:
    """Weighted sum of the gradients at `points` [B, n, H, W, C], so many at once as may be."""
    targets = chunk.targets
    if chunk.wants_predicted:
        targets, _ = compiled(computations.predicted_classes)(chunk.images)
    function = compiled(computations.weighted_gradient)
    at_once = min(len(weights), chunk.batch_size)
    # The last piece is filled up with points of weight 0: one shape, one compilation.
    missing = -len(weights) % at_once
    weights = np.pad(weights, (0, missing))
    if missing:
        filling = ops.repeat(points[:, :1], missing, axis=1)
        points = ops.concatenate([points, filling], axis=1)
    total, every_logit = 0.0, []
    for start in range(0, len(weights), at_once):
        piece = slice(start, start + at_once)
        slope, logits, _ = function(points[:, piece], targets, _tensor(weights[piece]))
        total = total + slope
        every_logit.append(logits)
    sizes = ops.max(ops.abs(total), axis=(1, 2, 3))
    return total, ops.concatenate(every_logit), sizes


def _tensor(value: Any) -> Any:
    return ops.convert_to_tensor(value, dtype="float32")


def _check_whole(name: str, value: Any, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"{name} must be a whole number >= {low}, got {value!r}.")
