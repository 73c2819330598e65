"""Whether what one model draws of a class is seen by another model as that class."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.alignment import checks
from pag_tf.alignment.synthesis import synthesize
from pag_tf.core.config import BATCH_SIZE
from pag_tf.core.threat_model import ThreatModel


@dataclasses.dataclass(frozen=True)
class Transfer:
    """Result of `transfer`, one value an image; its means are shares of images.

    Attributes:
        targets: int64 `[N]`, the class that each image was moved to.
        called_target: bool `[N]`, the judge calls the synthesis its target.
        random: bool `[N]`, the judge calls a randomly perturbed image the target.
        unperturbed: bool `[N]`, the judge calls the image itself the target.
        reached: bool `[N]`, the model calls its own synthesis the target.
    """

    targets: np.ndarray
    called_target: np.ndarray
    random: np.ndarray
    unperturbed: np.ndarray
    reached: np.ndarray


def transfer(
    model: keras.Model,
    judge: keras.Model,
    images: Any,
    labels: Any,
    *,
    threat: str | float | ThreatModel = "l2:10",
    steps: int = 60,
    seed: int = 0,
    targets: Any = None,
    batch_size: int = BATCH_SIZE,
    jit_compile: bool = True,
) -> Transfer:
    """The images that an independent judge calls the class they were moved to by the model.

    Every model calls its own synthesis the target, with noise as well as with a picture. What a
    judge that never saw the model's gradients recognises is in the picture. For comparison there is
    a random perturbation as large; call it with a natural model as `model`, and a third model as
    judge, for what natural gradients reach.

    Source: the claim of Tsipras et al. 2018 (arXiv 1805.12152), section 3, that the perturbed
    images resemble the class, is there shown in pictures; the judge is this library's. Others use
    an independent classifier in the same way, such as the Inception score of Salimans et al. 2016
    (arXiv 1606.03498), section 4, which Santurkar et al. 2019 (arXiv 1906.09453) report.

    Args:
        model: Keras model: pixels in [0, 1] in, logits out. Draws.
        judge: Another such model over the same classes, best trained naturally: judges.
        images: float32 `[N, H, W, C]` in [0, 1].
        labels: Integer `[N]`, the true classes.
        threat, steps, batch_size, jit_compile: As in `synthesize`.
        seed: Of the targets and of the random perturbation; both depend on an image's index too,
            not on the batch or on the model.
        targets: Integer `[N]`, none of them the label. None: drawn uniformly from the other
            classes.

    Returns:
        What the judge says. The random perturbation of an image is as large, in the norm of the
        threat model, as that of the model: for linf random signs, for l2 a uniform direction; then
        pixels are clipped to [0, 1].

    Raises:
        ValueError: The judge is the model or has the same weights, or another number of classes; a
            target that is the label; or as `synthesize`.
    """
    threat = ThreatModel.parse(threat)
    checks.whole(seed, "seed", least=0)
    images, labels = checks.checked(model, images, labels, noun="label")
    checks.checked(judge, images, labels, noun="label")
    _check_independent(model, judge)
    targets = _targets(targets, labels, _classes(model, judge, images), seed)
    how: dict[str, Any] = {"batch_size": batch_size, "jit_compile": jit_compile}
    drawn = synthesize(model, images, targets, threat, steps=steps, **how).images
    noisy = np.clip(images + _random_perturbations(threat.norm, drawn - images, seed), 0, 1)

    def called(by: keras.Model, pictures: np.ndarray) -> np.ndarray:
        return checks.predicted(by, pictures, **how) == targets

    return Transfer(
        targets=targets,
        called_target=called(judge, drawn),
        random=called(judge, noisy),
        unperturbed=called(judge, images),
        reached=called(model, drawn),
    )


def _check_independent(model: keras.Model, judge: keras.Model) -> None:
    if judge is not model:
        weights, others = model.get_weights(), judge.get_weights()
        same = len(weights) == len(others) > 0 and all(map(np.array_equal, weights, others))
        if not same:
            return
    raise ValueError(
        "The judge is the model itself, or has the same weights: it would only say what the "
        "model's own gradients were told to reach. Pass another model, trained on its own."
    )


def _classes(model: keras.Model, judge: keras.Model, images: np.ndarray) -> int:
    first = ops.convert_to_tensor(images[:1])
    count, other = (int(m(first, training=False).shape[-1]) for m in (model, judge))
    if count != other:
        raise ValueError(
            f"The model has {count} classes, the judge {other}: both must be trained on the same "
            "classes."
        )
    if count < 2:
        raise ValueError("The model has one class: there is no other to move to.")
    return count


def _targets(targets: Any, labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """One class an image that is not its label, int64 [N]."""
    if targets is None:
        steps = [
            np.random.default_rng((seed, index, 0)).integers(1, classes)
            for index in range(len(labels))
        ]
        return (labels.astype(np.int64) + np.array(steps)) % classes
    targets = np.asarray(targets)
    if not np.issubdtype(targets.dtype, np.integer) or targets.shape != labels.shape:
        raise ValueError(
            f"Targets must be integers {list(labels.shape)}, one an image, got {targets.dtype} of "
            f"shape {targets.shape}."
        )
    if targets.min() < 0 or targets.max() >= classes:
        raise ValueError(
            f"Targets must lie in 0 to {classes - 1}, got {targets.min()} to {targets.max()}."
        )
    same = np.flatnonzero(targets == labels)
    if len(same):
        raise ValueError(
            f"The target of image {same[0]} is its label, {labels[same[0]]}: the image need not be "
            "moved. Choose another class, or leave targets out."
        )
    return targets.astype(np.int64)


def _random_perturbations(norm: str, like: np.ndarray, seed: int) -> np.ndarray:
    """A random perturbation of the size of each of the given ones, float32 [N, H, W, C]."""
    found = []
    for index, each in enumerate(like):
        normal = np.random.default_rng((seed, index, 1)).standard_normal(each.shape)
        if norm == "linf":
            found.append(np.sign(normal) * np.abs(each).max())
        else:
            found.append(normal / np.linalg.norm(normal) * np.linalg.norm(each))
    return np.stack(found).astype(np.float32)
