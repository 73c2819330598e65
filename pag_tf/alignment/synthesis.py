"""Image synthesis: images moved far towards a class or a feature of a model.

A small perturbation of a naturally trained model is noise. A large perturbation of a model with
aligned gradients is a picture of the class.
"""

from __future__ import annotations

import dataclasses
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.alignment import checks
from pag_tf.attacks import PGD
from pag_tf.attacks.base import Outcome, State, ascend
from pag_tf.core import backend
from pag_tf.core.config import BATCH_SIZE
from pag_tf.core.losses import class_logit
from pag_tf.core.random_stream import RandomStream
from pag_tf.core.threat_model import ThreatModel

_REPRESENTATIONS: weakref.WeakKeyDictionary[keras.Model, dict[str | None, keras.Model]] = (
    weakref.WeakKeyDictionary()
)


@dataclasses.dataclass(frozen=True)
class Synthesis:
    """Result of `synthesize` and `maximize_feature`.

    Attributes:
        images: float32 `[N, H, W, C]` in [0, 1], the last iterates.
        frames: float32 `[F, N, H, W, C]`, iterates at equal distances: the first frame is the start
            of the ascent, the last one `images`. `save_animation` writes them.
    """

    images: np.ndarray
    frames: np.ndarray


def synthesize(
    model: keras.Model,
    images: Any,
    targets: Any,
    threat: str | float | ThreatModel = "l2:10",
    steps: int = 60,
    *,
    step_size: float | None = None,
    frames: int = 0,
    random_start: bool = False,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    jit_compile: bool = True,
) -> Synthesis:
    """Moves images towards a class by a large targeted perturbation.

    Projected gradient descent on the cross-entropy of the target, `pag_tf.attacks.PGD` with
    `targeted=True`, in a ball much larger than those of attacks.

    Sources: Tsipras et al. 2018, "Robustness May Be at Odds with Accuracy" (arXiv 1805.12152),
    section 3, where large adversarial examples of robust models resemble the class; from noise and
    from `class_seeds`: Santurkar et al. 2019, "Image Synthesis with a Single (Robust) Classifier"
    (arXiv 1906.09453), section 3. Deviation: pixels stay in [0, 1] at every step.

    Args:
        model: Keras model: pixels in [0, 1] in, logits out.
        images: float32 `[N, H, W, C]` in [0, 1]: photographs, `noise_seeds` or `class_seeds`.
        targets: Integer `[N]`, the class that each image is moved to.
        threat: The ball, a `ThreatModel` or its text. An l2 radius grows with the number of pixels:
            10 is large for 64 x 64, small for 224 x 224.
        steps: Number of gradient steps.
        step_size: Length of a step in the norm; None is `2.5 * eps / steps`.
        frames: Number of iterates to keep, 0 or 2 to `steps + 1`.
        random_start: Start at a random point of the ball instead of the image.
        seed: Seed of the random start, which depends on it and on an image's index, not on the
            batch.
        batch_size: Largest number of images that pass through the model at once.
        jit_compile: Compile with XLA; False for a model that XLA does not accept.

    Returns:
        The images and the frames.

    Raises:
        ValueError: A value out of range, whatever `model_checks` refuses, or a gradient that is not
            finite, or zero for every image (for some, that is a warning).
    """
    # Before the images are checked: refuses a bad threat, steps, step size or seed.
    attack = PGD(
        ThreatModel.parse(threat),
        steps,
        targeted=True,
        step_size=step_size,
        random_start=random_start,
        seed=seed,
        jit_compile=jit_compile,
    )
    images, targets = checks.checked(model, images, _needed(targets))
    start = _started(attack, images) if random_start else images
    step = attack.compiled_step(model)
    return _travel(step, images, targets, start, attack, frames, batch_size)


def maximize_feature(
    model: keras.Model,
    images: Any,
    feature_index: Any,
    threat: str | float | ThreatModel = "l2:10",
    *,
    layer: str | None = None,
    steps: int = 60,
    step_size: float | None = None,
    frames: int = 0,
    batch_size: int = BATCH_SIZE,
    jit_compile: bool = True,
) -> Synthesis:
    """Moves images so that one feature of the model's representation becomes large.

    Source: Engstrom et al. 2019, "Adversarial Robustness as a Prior for Learned Representations"
    (arXiv 1906.00945), section 4.2: a component of the representation is maximized by projected
    gradient ascent without any prior on images. Deviation: within a ball around the start.

    Args:
        model: Functional Keras model: pixels in [0, 1] in, logits out.
        images: float32 `[N, H, W, C]` in [0, 1], photographs or `noise_seeds`.
        feature_index: Integer, or `[N]`, one feature per image, each from 0 to d - 1.
        threat, steps, step_size, frames, batch_size, jit_compile: As in `synthesize`.
        layer: Name of a layer whose output is `[N, d]`. None: the input of the last layer, the
            penultimate representation.

    Returns:
        The images and the frames.

    Raises:
        ValueError: As `synthesize`, and a model without such a layer, or a feature out of range.
    """
    attack = PGD(ThreatModel.parse(threat), steps, step_size=step_size, random_start=False)
    images, _ = checks.checked(model, images, None)
    features = representation(model, layer)
    chosen = _features(feature_index, len(images), features.output_shape[-1])
    norm = attack.threat.norm
    compiled = backend.compiled_once(climb, features, jit_compile=jit_compile, norm=norm)
    return _travel(compiled, images, chosen, images, attack, frames, batch_size)


def interpolate(
    model: keras.Model,
    images: Any,
    targets: Any,
    threats: Sequence[str | float | ThreatModel],
    **options: Any,
) -> np.ndarray:
    """Synthesizes the same images within several balls: interpolation of epsilon.

    Each is an ascent of its own from the image, with the same number of steps for every radius;
    compiled once per norm.

    Args:
        model, images, targets: As in `synthesize`.
        threats: Balls, for instance `["l2:0", "l2:2.5", "l2:5", "l2:10"]`.
        **options: Options of `synthesize` except `frames`.

    Returns:
        float32 `[T, N, H, W, C]`, in the order of the threats; with eps 0 the images themselves.

    Raises:
        ValueError: No threats, or as `synthesize`.
    """
    if isinstance(threats, str) or len(threats) == 0:
        raise ValueError(f"threats must be a list of at least one threat model, got {threats!r}.")
    parsed = [ThreatModel.parse(threat) for threat in threats]
    return np.stack([synthesize(model, images, targets, t, **options).images for t in parsed])


def _travel(
    step: Callable[..., Any],
    images: np.ndarray,
    classes: np.ndarray,
    start: np.ndarray,
    attack: PGD,
    frames: int,
    batch_size: int,
) -> Synthesis:
    """Takes the steps of the attack from the start and keeps iterates on the way."""
    steps = 0 if attack.threat.eps == 0 else attack.steps
    kept = np.round(np.linspace(0, steps, _frame_count(frames, attack.steps))).astype(int)
    ends, film = np.empty_like(images), np.empty((len(kept), *images.shape), np.float32)
    sizes = np.zeros(len(images))
    for indices, own in checks.chunks(len(images), batch_size):
        rows = indices[:own]
        x, around, wanted = (ops.convert_to_tensor(t[indices]) for t in (start, images, classes))
        state = attack.init(around, start=x)
        largest = ops.zeros(len(indices))
        for index in range(steps + 1):
            for place in np.flatnonzero(kept == index):
                film[place, rows] = ops.convert_to_numpy(state["x"])[:own]
            if index < steps:
                state, outcome = step(state, around, wanted)
                largest = ops.maximum(largest, outcome.gradient_size)
        ends[rows], sizes[rows] = (ops.convert_to_numpy(t)[:own] for t in (state["x"], largest))
    if steps:
        _check_gradients(sizes)
    return Synthesis(ends, film)


def _started(attack: PGD, images: np.ndarray) -> np.ndarray:
    """Draws a random start for each image by its index, independent of the batch."""
    starts = [
        attack.start(ops.convert_to_tensor(image[None]), RandomStream(attack.seed, index))
        for index, image in enumerate(images)
    ]
    return np.concatenate([ops.convert_to_numpy(each) for each in starts])


def _needed(targets: Any) -> Any:
    if targets is None:
        raise ValueError("targets are needed, one class per image: np.full(N, class_index).")
    return targets


def _frame_count(frames: int, steps: int) -> int:
    if checks.whole(frames, "frames", least=0, most=steps + 1) == 1:
        raise ValueError("frames must be 0, or at least 2 for the start and the end.")
    return frames


def representation(model: keras.Model, layer: str | None) -> keras.Model:
    """Returns the part of a model up to a layer, images -> `[B, d]`; kept while the model lives.

    Args:
        model: Functional model; the weights are shared.
        layer: Name of a layer; None: up to the input of the last layer.

    Raises:
        ValueError: Not a functional model, no such layer, or features of another shape.
    """
    parts = _REPRESENTATIONS.setdefault(model, {})
    if layer not in parts:
        features = _layer_output(model, layer)
        parts[layer] = keras.Model(model.input, features, name=f"{model.name}_features")
    return parts[layer]


def climb(
    model: Any, state: State, images: Any, features: Any, *, norm: str
) -> tuple[State, Outcome]:
    """One step of projected gradient ascent on one output per image, as `Attack.step` on a loss.

    Args:
        model: Callable as `model(x, training=...)`, returns `[B, d]`.
        state: See `pag_tf.attacks.base.State`.
        images: float32 `[B, H, W, C]` in [0, 1].
        features: Integer `[B]`, the output that grows.
        norm: Norm of `ThreatModel`.

    Returns:
        The next state, and the output `[B]` and outputs `[B, d]` of the iterate of the given one.
    """

    def score(x: Any) -> tuple[Any, Any]:
        outputs = ops.cast(model(x, training=False), "float32")
        each = class_logit(outputs, features)
        return ops.sum(each), (each, outputs)

    gradient, (each, outputs) = backend.input_gradient(score, state["x"])
    size = ops.max(ops.abs(gradient), axis=(1, 2, 3))
    return ascend(state, gradient, images, norm=norm), Outcome(each, outputs, size)


def _layer_output(model: keras.Model, layer: str | None) -> Any:
    names = [each.name for each in getattr(model, "layers", [])]
    if layer is not None and layer not in names:
        raise ValueError(f"The model has no layer {layer!r}. Its layers: {', '.join(names)}.")
    try:
        features = model.layers[-1].input if layer is None else model.get_layer(layer).output
    except (AttributeError, IndexError):  # Layers of a subclassed model belong to no graph.
        raise ValueError(
            "Expected a functional model, whose layers form a graph, got "
            f"{type(model).__name__}. Pass keras.Model(inputs, features) and its last layer "
            "as layer=."
        ) from None
    shape = getattr(features, "shape", None)
    if shape is None or len(shape) != 2:
        raise ValueError(
            f"The representation must be [B, d], got shape {shape}. Name a layer with such an "
            "output (layer='...'), for instance one that pools."
        )
    return features


def _features(feature_index: Any, images: int, width: int) -> np.ndarray:
    """Returns one feature per image, int32 [N]."""
    chosen = np.asarray(feature_index)
    if not np.issubdtype(chosen.dtype, np.integer) or chosen.shape not in ((), (images,)):
        raise ValueError(
            f"feature_index must be a whole number, or one for each of the {images} images, got "
            f"{chosen.dtype} of shape {chosen.shape}."
        )
    if chosen.min() < 0 or chosen.max() >= width:
        raise ValueError(
            f"feature_index must lie in 0 to {width - 1} (the representation has {width} "
            f"features), got {chosen.min()} to {chosen.max()}."
        )
    return np.broadcast_to(chosen, (images,)).astype(np.int32)


def _check_gradients(sizes: np.ndarray) -> None:
    """`sizes`: largest absolute gradient of each image over all steps."""
    if not np.all(np.isfinite(sizes)):
        raise ValueError(
            "The input gradient is not finite for image "
            f"{int(np.argmin(np.isfinite(sizes)))}: leave the image out, or "
            "check the model."
        )
    zero = np.flatnonzero(sizes == 0)
    if len(zero) == len(sizes):
        raise ValueError(
            "The input gradient is zero for every image, at every step: the score does not depend "
            "on the pixels here (a dead ReLU, a layer that is not differentiable). Start from "
            "other images."
        )
    if len(zero):
        warnings.warn(
            f"The input gradient is zero for {len(zero)} of {len(sizes)} images (the first is "
            f"{zero[0]}): they stay where they started.",
            stacklevel=4,
        )
