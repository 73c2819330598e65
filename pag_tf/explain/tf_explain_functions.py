"""The computing functions of tf-explain 0.3.1, and the ways around its traps: here only.

tf-explain (https://github.com/sicara/tf-explain) is made to draw: its `explain()` standardizes over
the batch, returns uint8 pictures and takes one class for the whole batch (issue 110). The static
functions underneath return raw gradients and accept any callable as the model. Given a callable
that returns each image's own score as the only column, and class index 0, they explain a batch
with a class per image. What has to be known to use them:

* They are `tf.function`s that outlive every model: each new callable adds a graph to a global
  cache, and TensorFlow warns of retracing. Their Python functions are called instead, inside a
  compiled function of ours that lives as long as its model.
* `VanillaGradients.explain` wants a model that ends in an activation and removes it (pull request
  161); `compute_gradients` takes the scores as they are: our logits.
* `GradientsInputs` calls the global `tf.function` of `VanillaGradients`: we multiply ourselves.
* `IntegratedGradients` returns the mean gradient, not yet times (image - baseline) (issue 128), at
  points that include both ends of the path with full weight: that sum is neither the midpoint nor
  the trapezoidal rule. We give it points and weights of our own, and multiply.
* `SmoothGrad` differentiates a cross-entropy of probabilities where the paper differentiates the
  class score, and draws from NumPy's global generator. Its mean over noisy samples is the mean
  over a path, so both methods use the function of `IntegratedGradients`.
* `GradCAM` looks for a layer by `output_shape`, which Keras 3 has removed (issues 191 and 192),
  builds a Keras model at every call, and by default drops negative gradients and activations
  before it averages (issues 77 and 146). Only its weighted sum is used; see `grad_cam`.
* It needs OpenCV without requiring it (pull request 144), and installs a package called `tests`:
  that is why the folder of our tests is no package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

Score = Callable[[Any], Any]
"""Images [B, H, W, C] to one number each, [B]."""


def gradient(score: Score, images: Any) -> Any:
    """Gradient of each image's score with respect to that image.

    Args:
        score: See `Score`; no image may influence the score of another.
        images: float32 tensor `[B, H, W, C]`.

    Returns:
        float32 tensor `[B, H, W, C]`.
    """
    from tf_explain.core import VanillaGradients

    return VanillaGradients.compute_gradients.python_function(images, _as_column(score), 0)


def mean_gradient(score: Score, points: Any, count: int) -> Any:
    """Mean over `count` variants of each image of the score's gradient at the variant.

    Args:
        score: See `Score`.
        points: float32 tensor `[B * count, H, W, C]`, the variants of an image side by side.
        count: Variants of an image.

    Returns:
        float32 tensor `[B, H, W, C]`.
    """
    from tf_explain.core import IntegratedGradients

    function = IntegratedGradients.get_integrated_gradients.python_function
    return function(points, _as_column(score), 0, count)


def weighted_features(features: Any, gradients: Any) -> Any:
    """Sum of feature maps, each weighted by its gradient's mean over the map.

    Args:
        features, gradients: float32 tensors `[B, h, w, K]`.

    Returns:
        float32 tensor `[B, h, w]`.
    """
    import tensorflow as tf
    from tf_explain.core import GradCAM

    # Theirs is for one image, and their loop over a batch does not run in a compiled function.
    return tf.vectorized_map(lambda pair: GradCAM.ponderate_output(*pair), (features, gradients))


def _as_column(score: Score) -> Callable[[Any], Any]:
    def column(images: Any) -> Any:
        # Connects every score to the pixels. Otherwise the gradient of a model that is not
        # differentiable is None, with which their functions fail; it is zero now, and refused.
        connection = 0.0 * ops.sum(images, axis=(1, 2, 3))
        return (score(images) + connection)[:, None]

    return column
