"""Resizing, cropping and flipping an image together with its box and mask.

Every function takes one example as `load` gives it, a dict with `image` float32 [H, W, 3] and
optionally `box` float32 [4] (ymin, xmin, ymax, xmax in fractions), `boxes` float32 [K, 4], `mask`
and `ignore` bool [H, W], and returns a new dict; other keys pass unchanged. They run eagerly and
inside tf.data.

Images are resized bilinearly with antialiasing: where an image shrinks, the triangle filter grows
with the factor, as in Pillow and in `keras.ops.image.resize(antialias=True)`; OpenCV's and
TensorFlow's default differ. A mask is resized the same way and holds where the result is at least
one half.

A crop cuts the box to what is seen. Where nothing of the box is left the box is [0, 0, 0, 0]: the
image is kept, with its label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pag_tf.core.config import EVALUATION_FITS, FITS, fit_name

if TYPE_CHECKING:
    import tensorflow as tf

Example = dict[str, Any]
BOXES, MASKS = ("box", "boxes"), ("mask", "ignore")


def fit_to_square(example: Example, size: int, fit: str, *, seed: Any = None) -> Example:
    """Returns an example whose image is [size, size, 3], made in one of five ways (`FITS`).

    * "whole": the whole image is resized, its aspect ratio is lost, the object never is.
    * "center_crop": the shorter side is resized to 8/7 of `size` (256 for 224), keeping the aspect
      ratio, and the center is cut out: how classifiers on CUB and ImageNet are evaluated.
    * "random_crop": the same with a window anywhere, flipped left to right with probability 1/2,
      both drawn from `seed` (int64 [2]): how they are trained.
    * "squash_center_crop" and "squash_random_crop": the same, but both sides are resized to 8/7 of
      `size`, so that the aspect ratio is lost. `Resize((256, 256))` of torchvision does that, and
      with it the code of Singh et al. (arXiv 1911.13073) for CUB.

    Raises:
        ValueError: Another `fit`, or a random crop without a seed.
    """
    fit = fit_name(fit)
    if fit not in FITS:
        raise ValueError(f"Unknown fit {fit!r}: expected one of {', '.join(FITS)}.")
    if fit not in EVALUATION_FITS and seed is None:
        raise ValueError(f"fit={fit!r} needs a seed, two int64 numbers.")
    resized = resize_for(example, size, fit)
    if fit == "whole":
        return resized
    if fit in EVALUATION_FITS:
        return center_crop(resized, size)
    return random_crop_and_flip(resized, size, seed)


def resize_for(example: Example, size: int, fit: str) -> Example:
    """Resizes an example as `fit` needs before it crops anything; again, it changes nothing."""
    if fit == "whole":
        return resize(example, size, size)
    side = _before_crop(size)
    if fit.startswith("squash_"):
        return resize(example, side, side)
    return resize_shorter_side(example, side)


def visible_window(height: int, width: int, size: int, fit: str) -> tuple[float, ...]:
    """Returns the part of an image of `height` x `width` pixels that `fit_to_square` keeps.

    Returns:
        `(ymin, xmin, ymax, xmax)` in fractions of the image.

    Raises:
        ValueError: A random crop, whose part differs from call to call, or an unknown `fit`.
    """
    fit = fit_name(fit)
    if fit == "whole":
        return (0.0, 0.0, 1.0, 1.0)
    if fit not in EVALUATION_FITS:
        raise ValueError(f"fit must be one of {', '.join(EVALUATION_FITS)}, got {fit!r}.")
    side = _before_crop(size)
    factor = side / min(height, width)
    sides = round(height * factor), round(width * factor)
    if fit == "squash_center_crop":
        sides = side, side
    top, left = ((side - size) // 2 for side in sides)
    return top / sides[0], left / sides[1], (top + size) / sides[0], (left + size) / sides[1]


def resize(example: Example, height: Any, width: Any) -> Example:
    """Resizes the whole image to [height, width]; the box, in fractions, stays the same."""
    import tensorflow as tf

    size, image = tf.stack([height, width]), example["image"]

    def interpolated() -> tf.Tensor:
        # Sums of float weights may end a rounding error outside [0, 1].
        return tf.clip_by_value(tf.image.resize(image, size, antialias=True), 0.0, 1.0)

    is_this_size = tf.reduce_all(tf.shape(image)[:2] == size)
    # The filter of an image that has the size already is the identity, and takes as long.
    pixels = tf.cond(is_this_size, lambda: tf.identity(image), interpolated)
    static = [tf.get_static_value(side) for side in (height, width)]
    resized = {**example, "image": tf.ensure_shape(pixels, [*static, image.shape[-1]])}
    for key in _given(example, MASKS):
        mask = tf.cast(example[key], tf.float32)[..., None]
        resized[key] = tf.image.resize(mask, [height, width], antialias=True)[..., 0] >= 0.5
    return resized


def resize_shorter_side(example: Example, size: int) -> Example:
    """Resizes the shorter side to `size`, the other one in proportion, to whole pixels."""
    import tensorflow as tf

    shape = tf.shape(example["image"])[:2]
    factor = size / tf.reduce_min(shape)
    height, width = tf.unstack(tf.cast(tf.round(tf.cast(shape, tf.float64) * factor), tf.int32))
    return resize(example, height, width)


def crop(example: Example, top: Any, left: Any, height: int, width: int) -> Example:
    """Cuts out the window of `height` x `width` pixels whose first pixel is (top, left).

    Raises:
        tf.errors.InvalidArgumentError: The window reaches out of the image (ValueError where
            shapes are static).
    """
    import tensorflow as tf

    image = example["image"]
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    cropped = {**example, "image": tf.slice(image, [top, left, 0], [height, width, -1])}
    for key in _given(example, MASKS):
        cropped[key] = tf.slice(example[key], [top, left], [height, width])
    for key in _given(example, BOXES):
        start = tf.tile(tf.cast(tf.stack([top, left]), tf.float32), [2])
        window = tf.constant([height, width, height, width], tf.float32)
        box = tf.clip_by_value((example[key] * tf.tile(size, [2]) - start) / window, 0.0, 1.0)
        # A box that ends where the window begins may reach into it by rounding.
        visible = (box[..., 2:] - box[..., :2]) * window[:2] > 1e-3
        seen = tf.reduce_all(visible, axis=-1, keepdims=True)
        cropped[key] = tf.where(seen, box, tf.zeros_like(box))
    return cropped


def center_crop(example: Example, size: int) -> Example:
    """Cuts out the `size` x `size` window at the center, rounded to the upper left."""
    import tensorflow as tf

    top, left = tf.unstack(_free_space(example["image"], size) // 2)
    return crop(example, top, left, size, size)


def random_crop_and_flip(example: Example, size: int, seed: Any) -> Example:
    """Cuts out a `size` x `size` window, uniformly placed, flipped with probability 1/2.

    `seed` is int64 [2]; the same seed always gives the same window.
    """
    import tensorflow as tf

    draws = tf.random.stateless_uniform([3], seed=seed, alg="philox")
    places = tf.cast(_free_space(example["image"], size) + 1, tf.float32)
    top, left = tf.unstack(tf.cast(tf.floor(draws[:2] * places), tf.int32))
    cropped = crop(example, top, left, size, size)
    return tf.cond(draws[2] < 0.5, lambda: flip(cropped), lambda: dict(cropped))


def flip(example: Example) -> Example:
    """Mirrors the example left to right."""
    import tensorflow as tf

    flipped = {**example, "image": tf.reverse(example["image"], axis=[1])}
    for key in _given(example, MASKS):
        flipped[key] = tf.reverse(example[key], axis=[1])
    for key in _given(example, BOXES):
        ymin, xmin, ymax, xmax = tf.unstack(tf.convert_to_tensor(example[key]), axis=-1)
        mirrored = tf.stack([ymin, 1.0 - xmax, ymax, 1.0 - xmin], axis=-1)
        # The box that stands for "not in the image" stays what it is.
        flipped[key] = tf.where((xmax > xmin)[..., None], mirrored, tf.zeros_like(mirrored))
    return flipped


def largest_box(boxes: tf.Tensor) -> tf.Tensor:
    """Returns the largest of some boxes, float32 [K, 4] to [4]; zeros where all are empty."""
    import tensorflow as tf

    area = tf.reduce_prod(boxes[:, 2:] - boxes[:, :2], axis=-1)
    return tf.pad(boxes, [[0, 1], [0, 0]])[tf.argmax(tf.pad(area, [[0, 1]]))]


def _given(example: Example, keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if key in example]


def _before_crop(size: int) -> int:
    """Returns the side before cropping: 256 for 224, and in proportion for others."""
    return max(round(size * 8 / 7), size)


def _free_space(image: tf.Tensor, size: int) -> tf.Tensor:
    """Returns by how many pixels the image is higher and wider than the window, int32 [2]."""
    import tensorflow as tf

    free = tf.shape(image)[:2] - size
    message = f"The image is smaller than the window of {size}x{size}: resize it first."
    with tf.control_dependencies([tf.debugging.assert_non_negative(free, message)]):
        return tf.identity(free)
