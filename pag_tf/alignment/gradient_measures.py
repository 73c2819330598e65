"""Metrics of input gradients: likeness to the image, energy on the object, coarseness, phases.

Raw gradients in (`pag_tf.explain.gradients`), one number per image out, in float64; means and
intervals are the caller's. Only `phase_variation`, one number per model, computes the gradients
itself. Nothing here depends on the scale of a gradient. A gradient that is zero everywhere has
neither direction nor spectrum: its value is NaN unless a metric says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf import localization
from pag_tf.alignment import checks
from pag_tf.attacks import loss_gradient
from pag_tf.core import backend, model_checks
from pag_tf.core.config import BATCH_SIZE


def cosine_alignment(images: Any, gradients: Any, *, center: bool = False) -> np.ndarray:
    """Returns the alignment of the gradient with the image: `|<x, g>| / (|x| |g|)`.

    Source: Etmann et al. 2019, "On the Connection Between Adversarial Robustness and Saliency Map
    Interpretability" (arXiv 1905.04172): the alignment `|<x, g>| / |g|`, with g the gradient of the
    largest logit. For a linear model without bias it is the distance to the decision boundary.
    Deviations:

    * divided by `|x|` as well, so that it is the cosine of an angle, in [0, 1], independent of
      brightness and number of pixels;
    * x has pixels in [0, 1], not normalized by mean and deviation of the data. All of them are
      positive, so that the response to plain brightness weighs much. `center=True` first subtracts
      each image's own channel means: then only structure is compared;
    * g is any gradient: `explain.gradients(model, images, method="vanilla_gradients")` is that of
      the paper.

    Args:
        images: Float `[N, H, W, C]`.
        gradients: Float `[N, H, W, C]`, raw and signed.
        center: Subtract the mean of each channel from every image.

    Returns:
        float64 `[N]` in [0, 1]; NaN where the gradient or the (centered) image is zero.

    Raises:
        ValueError: Different shapes, integers, or values that are not finite.
    """
    gradients = checks.gradients(gradients)
    images = checks.same_images(images, gradients.shape)
    if center:
        means = images.mean(axis=(1, 2), keepdims=True)
        # The mean of equal numbers may be off by a rounding error, which is no structure.
        flat = np.ptp(images, axis=(1, 2), keepdims=True) == 0
        images = np.where(flat, 0.0, images - means)
    x, g = _unit(images), _unit(gradients)
    return np.minimum(np.abs((x * g).sum(axis=1)), 1.0)


def energy_in_box(gradients: Any, boxes: Any) -> np.ndarray:
    """Returns the share of the absolute gradient, averaged over channels, inside the box.

    Source: the energy-based pointing game of Wang et al., "Score-CAM", CVPR-W 2020, section 4.2;
    see `pag_tf.localization.energy_in_box`. Deviation: it takes the raw gradient, not
    a heat map that is clipped and smoothed.

    Args:
        gradients: Float `[N, H, W, C]`.
        boxes: `[N, 4]` or one array `[n, 4]` per image, `[ymin, xmin, ymax, xmax]` in fractions.

    Returns:
        float64 `[N]` in [0, 1]. A constant gradient has the box's share of the image; a zero
        gradient finds nothing: 0, as in `pag_tf.localization`.

    Raises:
        ValueError: Bad gradients or boxes.
    """
    return localization.energy_in_box(_magnitudes(gradients), boxes)


def energy_in_mask(gradients: Any, masks: Any, *, ignore: Any = None) -> np.ndarray:
    """Returns the share of the absolute gradient, averaged over channels, on the object's mask.

    Source and deviation: as `energy_in_box`.

    Args:
        gradients: Float `[N, H, W, C]`.
        masks: Bool `[N, H, W]`, with at least one pixel per image.
        ignore: Bool `[N, H, W]` or None, pixels that count as neither object nor background.

    Returns:
        float64 `[N]` in [0, 1]; 0 for a zero gradient.

    Raises:
        ValueError: Bad gradients or masks.
    """
    return localization.energy_in_mask(_magnitudes(gradients), masks, ignore=ignore)


def total_variation(gradients: Any) -> np.ndarray:
    """Returns how much the gradient changes from pixel to pixel, relative to its size.

    The sum of absolute differences between neighbors below and beside each other (anisotropic
    total variation; Rudin, Osher & Fatemi 1992, "Nonlinear total variation based noise removal
    algorithms", there isotropic) over the sum of absolute values, both over all channels. 0 for a
    constant gradient, `2 * sqrt(2)` = 2.83 on average for white Gaussian noise, at most 4.

    Args:
        gradients: Float `[N, H, W, C]`, raw and signed.

    Returns:
        float64 `[N]` in [0, 4]; NaN for a zero gradient.

    Raises:
        ValueError: Bad gradients.
    """
    gradients = checks.gradients(gradients)
    axes = (1, 2, 3)
    variation = sum(np.abs(np.diff(gradients, axis=axis)).sum(axis=axes) for axis in (1, 2))
    return _ratio(variation, np.abs(gradients).sum(axis=axes))


def radial_spectrum(gradients: Any, *, bins: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Returns the share of the gradient's power at each spatial frequency in all directions.

    The squared absolute value of the discrete Fourier transform of each channel, summed over
    channels and over rings of equal width around frequency zero, out to the corner of the
    spectrum, `sqrt(1/2)` cycles per pixel. White noise has power in proportion to the ring's area.

    Source: the spectra of perturbations and gradients of Yin et al. 2019, "A Fourier Perspective on
    Model Robustness in Computer Vision" (arXiv 1906.08988). Deviation: rings in place of the plane.
    No window is applied and no mean subtracted: borders that do not match add some power along the
    axes, and the mean is in the first ring.

    Args:
        gradients: Float `[N, H, W, C]`, raw and signed.
        bins: Number of rings.

    Returns:
        `(frequencies float64 [bins], power float64 [N, bins])`: the center of each ring in cycles
        per pixel, and shares that sum to 1 per image; NaN for a zero gradient.

    Raises:
        ValueError: Bad gradients or bins.
    """
    gradients = checks.gradients(gradients)
    checks.whole(bins, "bins", least=1)
    width = np.sqrt(0.5) / bins
    rings = np.minimum(_radii(gradients.shape) / width, bins - 1).astype(int).ravel()
    power = np.stack([np.bincount(rings, _power(each).ravel(), bins) for each in gradients])
    return (np.arange(bins) + 0.5) * width, _ratio(power, power.sum(axis=1, keepdims=True))


def spectral_centroid(gradients: Any) -> np.ndarray:
    """Returns the power-weighted mean spatial frequency of the gradient in cycles per pixel.

    It uses the exact frequencies, not the rings of `radial_spectrum` (which names the source).
    About 0.38 for white noise; lower for smooth gradients.

    Args:
        gradients: Float `[N, H, W, C]`, raw and signed.

    Returns:
        float64 `[N]` in [0, sqrt(1/2)]; NaN for a zero gradient.

    Raises:
        ValueError: Bad gradients.
    """
    gradients = checks.gradients(gradients)
    radii = _radii(gradients.shape)
    power = [_power(each) for each in gradients]
    moments = np.array([(each * radii).sum() for each in power])
    return _ratio(moments, np.array([each.sum() for each in power]))


def phase_variation(
    model: keras.Model,
    images: Any,
    *,
    moduli: Sequence[int] = (2, 4, 8),
    batch_size: int = BATCH_SIZE,
) -> dict[int, float]:
    """Returns how unevenly a model looks at pixels, by their position modulo 2, 4 and 8.

    The absolute input gradient of the cross-entropy of the predicted class is averaged over images
    and channels, then over all pixels of one phase `(row mod m, column mod m)`. The result is the
    coefficient of variation (standard deviation over mean) of these `m * m` numbers: 0 for a model
    that samples all pixels alike; about 0.3 to 0.6 for networks with strided 3x3 convolutions.

    Args:
        model: Keras model: pixels in [0, 1] in, logits out.
        images: float32 `[N, H, W, C]` in [0, 1]; a few hundred give two digits.
        moduli: Grid widths in pixels, by which H and W must be divisible.
        batch_size: Largest number of images differentiated at once.

    Returns:
        Grid width to coefficient of variation.

    Raises:
        ValueError: A model or images that `pag_tf.core.model_checks` refuses, images that are not
            divisible by a modulus, or a gradient that is zero everywhere.
    """
    model_checks.check_model(model)
    images = ops.convert_to_numpy(images)
    model_checks.check_static(model, images, None)
    model_checks.check_values(images, None)
    bad = [m for m in moduli if images.shape[1] % m or images.shape[2] % m]
    if bad:
        raise ValueError(
            f"Images of {images.shape[1:3]} pixels are not divisible by {bad}: choose other moduli."
        )
    gradient = backend.compiled(_predicted_class_gradient, model)
    total = np.zeros(images.shape[1:3])
    for start in range(0, len(images), batch_size):
        batch = ops.convert_to_tensor(images[start : start + batch_size], dtype="float32")
        total += np.abs(ops.convert_to_numpy(gradient(batch))).sum(axis=(0, 3), dtype="float64")
    if not total.any():
        raise ValueError("The input gradient is zero for every image: check the model.")
    return {m: _variation(total, m) for m in moduli}


def _magnitudes(gradients: Any) -> np.ndarray:
    """Absolute gradients, averaged over channels, each map scaled to a maximum of 1."""
    magnitudes = np.abs(checks.gradients(gradients)).mean(axis=-1)
    largest = magnitudes.max(axis=(1, 2), keepdims=True)
    return magnitudes / np.where(largest > 0, largest, 1.0)


def _unit(values: np.ndarray) -> np.ndarray:
    """Each image's values as a row of length 1; NaN if all are zero."""
    rows = values.reshape(len(values), -1)
    return _ratio(rows, np.linalg.norm(rows, axis=1, keepdims=True))


def _ratio(values: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """`values / totals`; NaN, without a warning, where the total is zero."""
    return values / np.where(totals > 0, totals, np.nan)


def _radii(shape: tuple[int, ...]) -> np.ndarray:
    """Distance of each frequency from zero, [H, W], in cycles per pixel, for [N, H, W, C]."""
    return np.hypot(np.fft.fftfreq(shape[1])[:, None], np.fft.fftfreq(shape[2])[None, :])


def _power(gradient: np.ndarray) -> np.ndarray:
    """Squared spectrum of [H, W, C], summed over channels."""
    return (np.abs(np.fft.fft2(gradient, axes=(0, 1))) ** 2).sum(axis=-1)


def _variation(total: np.ndarray, modulus: int) -> float:
    height, width = total.shape
    blocks = total.reshape(height // modulus, modulus, width // modulus, modulus)
    phases = blocks.mean(axis=(0, 2))
    return float(phases.std() / phases.mean())


def _predicted_class_gradient(model: keras.Model, images: Any) -> Any:
    predicted = ops.argmax(model(images, training=False), axis=-1)
    return loss_gradient(model, images, predicted)[0]
