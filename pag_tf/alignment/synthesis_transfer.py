"""Transfer of synthesized images: does another model recognize the class in them?"""

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
    """Result of `transfer`, one value per image; means are shares of images.

    Attributes:
        targets: int64 `[N]`, the class that each image was moved to.
        called_target: bool `[N]`, the transfer classifier predicts the target for the synthesis.
        random: bool `[N]`, it predicts the target for a randomly perturbed image.
        unperturbed: bool `[N]`, it predicts the target for the image itself.
        reached: bool `[N]`, the model predicts the target for its own synthesis.
    """

    targets: np.ndarray
    called_target: np.ndarray
    random: np.ndarray
    unperturbed: np.ndarray
    reached: np.ndarray


def transfer(
    model: keras.Model,
    transfer_classifier: keras.Model,
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
    """Measures whether an independent classifier recognizes the class that images were moved to.

    Every model predicts the target for its own synthesis, be it noise or a picture. A transfer
    classifier that had no part in the model's gradients recognizes only what is in the picture. For
    comparison there is a random perturbation of the same size; for what natural gradients reach,
    pass a naturally trained model as `model` and a third one as transfer classifier.

    Source: the claim of Tsipras et al. 2018 (arXiv 1805.12152), section 3, that the perturbed
    images resemble the class, is shown there in pictures; the transfer classifier is an addition of
    this library. Others use an independent classifier in the same way, such as the Inception score
    of Salimans et al. 2016 (arXiv 1606.03498), section 4, which Santurkar et al. 2019 (arXiv
    1906.09453) report.

    Args:
        model: Keras model that moves the images: pixels in [0, 1] in, logits out.
        transfer_classifier: Another such model over the same classes, ideally naturally trained.
        images: float32 `[N, H, W, C]` in [0, 1].
        labels: Integer `[N]`, the true classes.
        threat, steps, batch_size, jit_compile: As in `synthesize`.
        seed: Seed of the targets and of the random perturbation, which depend on it and on an
            image's index, not on the batch or the model.
        targets: Integer `[N]`, each different from the label. None: drawn uniformly from the other
            classes.

    Returns:
        The predictions. The random perturbation of an image has the size of the synthesis in the
        norm of the threat model: random signs for linf, a uniform direction for l2; then pixels are
        clipped to [0, 1].

    Raises:
        ValueError: The transfer classifier is the model, has the same weights or another number of
            classes; a target is the label; or as `synthesize`.
    """
    threat = ThreatModel.parse(threat)
    checks.whole(seed, "seed", least=0)
    images, labels = checks.checked(model, images, labels, noun="label")
    checks.checked(transfer_classifier, images, labels, noun="label")
    _check_independent(model, transfer_classifier)
    targets = _targets(targets, labels, _classes(model, transfer_classifier, images), seed)
    how: dict[str, Any] = {"batch_size": batch_size, "jit_compile": jit_compile}
    drawn = synthesize(model, images, targets, threat, steps=steps, **how).images
    noisy = np.clip(images + _random_perturbations(threat.norm, drawn - images, seed), 0, 1)

    def called(by: keras.Model, pictures: np.ndarray) -> np.ndarray:
        return checks.predicted(by, pictures, **how) == targets

    return Transfer(
        targets=targets,
        called_target=called(transfer_classifier, drawn),
        random=called(transfer_classifier, noisy),
        unperturbed=called(transfer_classifier, images),
        reached=called(model, drawn),
    )


def _check_independent(model: keras.Model, transfer_classifier: keras.Model) -> None:
    if transfer_classifier is not model:
        weights, others = model.get_weights(), transfer_classifier.get_weights()
        same = len(weights) == len(others) > 0 and all(map(np.array_equal, weights, others))
        if not same:
            return
    raise ValueError(
        "The transfer classifier is the model itself, or has the same weights: it would only "
        "confirm what the model's own gradients aim at. Pass another model, trained independently."
    )


def _classes(model: keras.Model, transfer_classifier: keras.Model, images: np.ndarray) -> int:
    first = ops.convert_to_tensor(images[:1])
    count, other = (int(m(first, training=False).shape[-1]) for m in (model, transfer_classifier))
    if count != other:
        raise ValueError(
            f"The model has {count} classes, the transfer classifier {other}: pass one trained on "
            "the same classes."
        )
    if count < 2:
        raise ValueError("The model has one class: at least two are needed.")
    return count


def _targets(targets: Any, labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Returns one class per image that is not its label, int64 [N]."""
    if targets is None:
        steps = [
            np.random.default_rng((seed, index, 0)).integers(1, classes)
            for index in range(len(labels))
        ]
        return (labels.astype(np.int64) + np.array(steps)) % classes
    targets = np.asarray(targets)
    if not np.issubdtype(targets.dtype, np.integer) or targets.shape != labels.shape:
        raise ValueError(
            f"Targets must be integers {list(labels.shape)}, one per image, got {targets.dtype} of "
            f"shape {targets.shape}."
        )
    if targets.min() < 0 or targets.max() >= classes:
        raise ValueError(
            f"Targets must lie in 0 to {classes - 1}, got {targets.min()} to {targets.max()}."
        )
    same = np.flatnonzero(targets == labels)
    if len(same):
        raise ValueError(
            f"The target of image {same[0]} is its label, {labels[same[0]]}: choose another "
            "class, or leave targets out."
        )
    return targets.astype(np.int64)


def _random_perturbations(norm: str, like: np.ndarray, seed: int) -> np.ndarray:
    """Draws a random perturbation of the size of each given one, float32 [N, H, W, C]."""
    found = []
    for index, each in enumerate(like):
        normal = np.random.default_rng((seed, index, 1)).standard_normal(each.shape)
        if norm == "linf":
            found.append(np.sign(normal) * np.abs(each).max())
        else:
            found.append(normal / np.linalg.norm(normal) * np.linalg.norm(each))
    return np.stack(found).astype(np.float32)
