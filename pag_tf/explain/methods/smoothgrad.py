"""SmoothGrad."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from pag_tf.explain.methods import Chunk, Compiled, Method, check_whole, register

if TYPE_CHECKING:
    import keras

_STREAM = 1706  # Separates the noise from other streams of random numbers with the same steps.


@register("smoothgrad")
@dataclasses.dataclass(frozen=True)
class SmoothGrad(Method):
    """Mean gradient of the target logit over noisy copies of the image.

    The noise is normal, and noisy pixels are not clipped to [0, 1], as in the paper. The noise of
    an image depends on the seed and on its index only.

    Source: Smilkov et al. 2017, arXiv 1706.03825. Deviations: the paper scales sigma by the image's
    own range of pixels, here it is in pixel units; tf-explain differentiates a cross-entropy of
    probabilities, with noise from a global generator.

    Attributes:
        samples: Number of noisy copies of each image.
        sigma: Standard deviation of the noise for pixels in [0, 1]; 0 gives `vanilla_gradients`.
        seed: Seed of the noise.
        indices: Whole numbers `[B]` >= 0, the index of each image, such as its position in a data
            set that is explained batch by batch; None is its position in the call.
    """

    _: dataclasses.KW_ONLY
    samples: int = 16
    sigma: float = 0.15
    seed: int = 0
    indices: Any = None

    def __post_init__(self) -> None:
        check_whole("samples", self.samples, 1)
        check_whole("seed", self.seed, 0)
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
                f"indices must be whole numbers >= 0, one per image, [{len(images)}], got "
                f"{indices.dtype} of shape {indices.shape}."
            )
        return dataclasses.replace(self, indices=indices)

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        from keras import ops

        from pag_tf.explain import computations

        # The seed goes into the step, which is a tensor: another seed compiles nothing.
        (start,) = np.random.SeedSequence(self.seed).generate_state(1)
        numbers = chunk.indices if self.indices is None else self.indices[chunk.indices]
        steps = ops.convert_to_tensor((start + numbers).astype("uint32"))
        noisy = compiled(noisy_points, samples=self.samples)
        points = noisy(chunk.images, steps, computations.tensor(self.sigma))
        weights = np.full(self.samples, 1 / self.samples)
        return computations.gradient_over_points(compiled, chunk, points, weights)


def noisy_points(classifier: Any, images: Any, steps: Any, sigma: Any, *, samples: int) -> Any:
    """Returns `[B, samples, H, W, C]`: images plus normal noise, one uint32 `step` per image."""
    import tensorflow as tf

    from pag_tf.core.random_stream import RandomStream

    def noise(step: Any) -> Any:
        return RandomStream(_STREAM, step).normal((samples, *images.shape[1:]))

    return images[:, None] + sigma * tf.map_fn(noise, steps, fn_output_signature="float32")
