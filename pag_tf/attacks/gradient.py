"""FGSM, N-FGSM and PGD: one step of projected gradient ascent, and how often it is taken."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.attacks import checks, geometry
from pag_tf.core import backend, model_checks
from pag_tf.core.logits import cross_entropy
from pag_tf.core.threat_model import ThreatModel


def loss_gradient(
    model: Any, images: Any, labels: Any, *, training: bool = False
) -> tuple[Any, Any, Any]:
    """Gradient of each image's cross-entropy with respect to that image.

    Args:
        model: Callable as `model(images, training=...)`, returns logits.
        images: float32 `[B, H, W, C]`, array or tensor.
        labels: Integer `[B]`.
        training: Batch-norm mode; with `True` images of a batch influence each other.

    Returns:
        `(gradient [B, H, W, C], loss [B], logits [B, classes])`, tensors.
    """

    def loss(images: Any) -> tuple[Any, Any]:
        logits = model(images, training=training)
        each = cross_entropy(logits, labels)
        return ops.sum(each), (each, logits)

    images = ops.convert_to_tensor(images)
    gradient, (each, logits) = backend.input_gradient(loss, images)
    return gradient, each, logits


def ascend(
    model: Any,
    x: Any,
    images: Any,
    labels: Any,
    step_size: Any,
    radius: Any,
    *,
    norm: str,
    training: bool = False,
) -> tuple[Any, Any, Any, Any]:
    """One step of projected gradient ascent on the cross-entropy, within a ball.

    Args:
        model: Callable as `model(x, training=...)`, returns logits.
        x, images: float32 `[B, H, W, C]` in [0, 1].
        labels: Integer `[B]`.
        step_size: Length of the step in the norm; negative to descend (targeted attacks).
        radius: Of the ball.
        norm: See `ThreatModel`.
        training: Batch-norm mode of the model.

    Returns:
        `(next x, loss of x [B], logits of x [B, classes], largest |gradient| [B])`.
    """
    gradient, each, logits = loss_gradient(model, x, labels, training=training)
    moved = x + step_size * geometry.steepest(norm, gradient)
    moved = geometry.project(norm, moved, images, radius)
    return moved, each, logits, ops.max(ops.abs(gradient), axis=(1, 2, 3))


@dataclasses.dataclass(frozen=True)
class Attack:
    """Projected gradient ascent on the cross-entropy of the logits. Use a subclass.

    `attack(model, images, labels)` returns perturbed images of the same kind (NumPy array or
    tensor), eagerly, inside `tf.function` (with XLA or without) or under `jax.jit`. The model runs
    with `training=False`; its weights and batch-norm statistics are left alone.

    Attributes:
        threat: The ball, a `ThreatModel` or its text (`"linf:2/255"`).
        targeted: `labels` are classes to move towards instead of away from.
        restarts: Independent random starts; the worst result of each image is kept: a wrong
            (targeted: the wanted) class first, then the largest (targeted: smallest) loss.
        best_iterate: Return the worst of all iterates instead of the last one.
        seed: Of the random start; the same seed gives the same perturbations.
        jit_compile: Compile the step with XLA where it runs eagerly.

    Raises:
        ValueError: Options out of range, or, at a call, any input that `pag_tf.core.model_checks`
            refuses (pixels outside [0, 1], NCHW, labels out of range, a model with softmax...).
    """

    threat: ThreatModel
    _: dataclasses.KW_ONLY
    targeted: bool = False
    restarts: int = 1
    best_iterate: bool = False
    seed: int = 0
    jit_compile: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "threat", ThreatModel.parse(self.threat))
        for name in ("restarts", "steps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number >= 1, got {value!r}.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"seed must be a whole number >= 0, got {self.seed!r}.")

    @property
    def steps(self) -> int:
        """Number of gradient steps, each a call of `ascend`."""
        return 1

    @property
    def radius(self) -> float:
        """No perturbation is larger than this, in the threat model's norm."""
        return self.threat.eps

    @property
    def start_radius(self) -> float:
        """Radius of the ball that the random start is drawn from; 0 starts at the image."""
        raise NotImplementedError

    @property
    def resolved_step_size(self) -> float:
        """Length of one step in the threat model's norm."""
        raise NotImplementedError

    def start(self, images: Any, random: backend.RandomStream, scale: Any = 1.0) -> Any:
        """Where the ascent starts: a random point of the ball, clipped to [0, 1]."""
        if self.start_radius == 0:
            return images
        norm, radius = self.threat.norm, scale * self.start_radius
        return ops.clip(images + geometry.random_point(norm, images, radius, random), 0.0, 1.0)

    def perturb(
        self,
        model: Any,
        images: Any,
        labels: Any,
        *,
        random: backend.RandomStream,
        scale: Any = 1.0,
        training: bool = False,
        start: Any = None,
    ) -> Any:
        """The bare attack, for use inside a compiled training step: unrolled, unchecked.

        Args:
            model: Callable as `model(images, training=...)`, returns logits.
            images: float32 `[B, H, W, C]` in [0, 1].
            labels: Integer `[B]`.
            random: Where the random start comes from.
            scale: Factor on every radius and step, a number or scalar tensor (epsilon warm-up).
            training: Batch-norm mode of the model during the attack.
            start: First iterate, in place of the random start.

        Returns:
            The last iterate, shape and dtype of `images`.
        """
        x = self.start(images, random, scale) if start is None else start
        step_size, radius = scale * self._signed_step_size, scale * self.radius
        for _ in range(self.steps):
            x = ascend(
                model,
                x,
                images,
                labels,
                step_size,
                radius,
                norm=self.threat.norm,
                training=training,
            )[0]
        return x

    def __call__(self, model: keras.Model, images: Any, labels: Any, *, start: Any = None) -> Any:
        """Perturbs a batch; see the class.

        Args:
            model: Keras model: pixels in [0, 1] in, logits out.
            images: float32 `[B, H, W, C]` in [0, 1], array or tensor.
            labels: Integer `[B]`.
            start: First iterate, in place of the random start; projected into the ball.

        Returns:
            Perturbed images, float32, array or tensor as `images`.
        """
        model_checks.check_model(model)
        images, labels = (t if hasattr(t, "shape") else np.asarray(t) for t in (images, labels))
        model_checks.check_static(model, images, labels)
        as_numpy = isinstance(images, np.ndarray)
        if any(map(backend.is_symbolic, (images, labels))):
            traced = functools.partial(ascend, model, norm=self.threat.norm)
            return self._search(traced, images, labels, start)[0]
        labels_array = ops.convert_to_numpy(labels)
        model_checks.check_values(ops.convert_to_numpy(images), labels_array)
        images = ops.convert_to_tensor(images, dtype="float32")
        step = self.compiled_step(model)
        _check_model_values(model, images, labels_array)
        if self.threat.eps == 0:
            return ops.convert_to_numpy(images) if as_numpy else images
        x, gradients = self._search(step, images, ops.convert_to_tensor(labels), start)
        checks.check_gradients(ops.convert_to_numpy(gradients))
        sizes = geometry.lengths(self.threat.norm, x - images)
        checks.check_budget(ops.convert_to_numpy(sizes), self.radius)
        return ops.convert_to_numpy(x) if as_numpy else x

    def _search(self, step: Callable[..., Any], images: Any, labels: Any, start: Any) -> Any:
        """All restarts: `(perturbed images, largest |gradient| of each image over all steps)`."""
        keep_worst = self.restarts > 1 or self.best_iterate
        worst, gradients = None, None
        outside = self.start_radius > self.radius
        for restart in range(self.restarts):
            if start is None:
                x = self.start(images, backend.RandomStream(self.seed, restart))
            else:
                x = ops.convert_to_tensor(start, dtype=images.dtype)
                widest = max(self.start_radius, self.radius)
                x = geometry.project(self.threat.norm, x, images, widest)
            for index in range(self.steps + keep_worst):
                moved, loss, logits, size = step(
                    x, images, labels, self._signed_step_size, self.radius
                )
                gradients = size if gradients is None else ops.maximum(gradients, size)
                best = self.best_iterate and (index > 0 or not outside)
                if best or (keep_worst and index == self.steps):
                    worst = _worse(worst, (x, *self._judge(loss, logits, labels)))
                x = moved
        return (x if worst is None else worst[0]), gradients

    def _judge(self, loss: Any, logits: Any, labels: Any) -> tuple[Any, Any]:
        """For each image whether the attack has succeeded, and how far it is otherwise."""
        hit = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
        return (hit, -loss) if self.targeted else (ops.logical_not(hit), loss)

    def compiled_step(self, model: keras.Model) -> Callable[..., Any]:
        """`ascend` of this model and norm, compiled: `step(x, images, labels, step_size, radius)`.

        Kept as long as the model lives, and shared by all attacks of one norm: step size and radius
        are tensors, so another epsilon compiles nothing.
        """
        step = backend.compiled_once(
            ascend, model, jit_compile=self.jit_compile, norm=self.threat.norm
        )
        return lambda x, images, labels, *lengths: step(
            x, images, labels, *(ops.convert_to_tensor(n, dtype="float32") for n in lengths)
        )

    @property
    def _signed_step_size(self) -> float:
        return -self.resolved_step_size if self.targeted else self.resolved_step_size

    def __str__(self) -> str:
        """The name under which results are published: every setting that matters."""
        fields = [
            f"{self.threat}",
            f"steps={self.steps}",
            f"step_size={self.resolved_step_size:.6g}",
        ]
        fields += [f"start_radius={self.start_radius:.6g}", f"restarts={self.restarts}"]
        fields += ["targeted"] * self.targeted + ["best_iterate"] * self.best_iterate
        return f"{type(self).__name__}({', '.join(fields)}, seed={self.seed})"


@dataclasses.dataclass(frozen=True)
class FGSM(Attack):
    """Fast gradient sign method (Goodfellow et al. 2014, arXiv 1412.6572); l2: along the gradient.

    Attributes:
        random_start: Start at a random point of the ball (RS-FGSM, Wong et al. 2020, arXiv
            2001.03994) and take a step of 1.25 eps by default instead of eps.
        step_size: Length of the step; None is the default just named.
    """

    _: dataclasses.KW_ONLY
    random_start: bool = False
    step_size: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_step_size(self.step_size)

    @property
    def start_radius(self) -> float:  # noqa: D102
        return self.threat.eps if self.random_start else 0.0

    @property
    def resolved_step_size(self) -> float:  # noqa: D102
        if self.step_size is not None:
            return self.step_size
        return (1.25 if self.random_start else 1.0) * self.threat.eps


@dataclasses.dataclass(frozen=True)
class NFGSM(Attack):
    """Noise-FGSM (de Jorge et al. 2022, arXiv 2202.01181): one step of eps from a noisy image.

    Attributes:
        noise_scale: The noise is uniform in a ball of radius `noise_scale * eps` (paper: k).
        project: Project the result into the ball of `eps`, so that the budget of the threat model
            holds. The paper trains *without* this projection (`project=False`): the perturbation
            then reaches up to `(1 + noise_scale) * eps`. Deviation: noisy pixels are clipped to
            [0, 1] before the step.
    """

    _: dataclasses.KW_ONLY
    noise_scale: float = 2.0
    project: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (np.isfinite(self.noise_scale) and self.noise_scale >= 0):
            raise ValueError(f"noise_scale must be a number >= 0, got {self.noise_scale!r}.")

    @property
    def radius(self) -> float:  # noqa: D102
        return self.threat.eps * (1.0 if self.project else 1.0 + self.noise_scale)

    @property
    def start_radius(self) -> float:  # noqa: D102
        return self.threat.eps * self.noise_scale

    @property
    def resolved_step_size(self) -> float:  # noqa: D102
        return self.threat.eps


@dataclasses.dataclass(frozen=True)
class PGD(Attack):
    """Projected gradient descent (Madry et al. 2017, arXiv 1706.06083, section 2.1).

    Attributes:
        steps: Number of gradient steps.
        step_size: Length of one step; None is `2.5 * eps / steps`, with which the boundary can be
            reached from any start.
        random_start: Start at a uniformly random point of the ball.
    """

    steps: int = 10  # type: ignore[misc]
    _: dataclasses.KW_ONLY
    step_size: float | None = None
    random_start: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_step_size(self.step_size)

    @property
    def start_radius(self) -> float:  # noqa: D102
        return self.threat.eps if self.random_start else 0.0

    @property
    def resolved_step_size(self) -> float:  # noqa: D102
        return 2.5 * self.threat.eps / self.steps if self.step_size is None else self.step_size


def _worse(first: Any, second: Any) -> Any:
    """Of two `(images, success, loss)`, for each image the success, else the larger loss."""
    if first is None:
        return second
    (x, success, loss), (other_x, other_success, other_loss) = first, second
    take = ops.where(ops.equal(success, other_success), other_loss > loss, other_success)
    return (
        ops.where(ops.reshape(take, (-1, 1, 1, 1)), other_x, x),
        ops.where(take, other_success, success),
        ops.where(take, other_loss, loss),
    )


def _check_model_values(model: keras.Model, images: Any, labels: np.ndarray) -> None:
    logits = ops.convert_to_numpy(model(images[:1], training=False))
    model_checks.check_logits(logits, labels)


def _check_step_size(step_size: float | None) -> None:
    if step_size is not None and not (np.isfinite(step_size) and step_size > 0):
        raise ValueError(
            f"step_size must be a positive number in units of pixels, got {step_size!r}."
        )
