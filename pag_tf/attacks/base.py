"""What attacks have in common: the protocol of `init` and `step`, and the search that drives it.

An attack is a file in `pag_tf/attacks/methods`: a subclass of `Attack`, registered under the name
of the file. `init` makes the state of a batch, `step` advances it; both are pure functions of
tensors, so that training unrolls them, evaluation compiles one step, and `robust_accuracy` lets
each image of a batch be at a step of its own.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable
from dataclasses import InitVar
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
from keras import ops

from pag_tf.attacks import geometry
from pag_tf.core import backend, layers, model_checks
from pag_tf.core.classifier import Classifier, Reading, loss_gradient
from pag_tf.core.config import finite_number, whole_number
from pag_tf.core.random_stream import RandomStream
from pag_tf.core.threat_model import ThreatModel, ThreatModelField, frozen

# Tensors whose first axis is the image, so that each image may be replaced by another one. Always
# there: `x` [B, H, W, C], the next iterate; `step_size` (negative to descend) and `radius` of the
# ball, both [B, 1, 1, 1]. Attacks add what they have to remember: momentum, best points.
State: TypeAlias = dict[str, Any]

_BUDGET_SLACK = 1e-5


class Outcome(NamedTuple):
    """What a step found at the iterate that it started from.

    Attributes:
        loss: The loss that is ascended, [B].
        logits: [B, classes].
        gradient_size: Largest absolute value of the input gradient, [B].
    """

    loss: Any
    logits: Any
    gradient_size: Any


@frozen
class Attack:
    """Base class of attacks on the cross-entropy of a classifier's logits.

    `attack(model, images, labels)` returns perturbed images of the same kind (NumPy array or
    tensor), eagerly, inside `tf.function` (with XLA or without) or under `jax.jit`. The model runs
    with `training=False`; its weights and batch-norm statistics are left alone. A model with one
    logit is one of two classes.

    Attributes:
        threat: The ball, a `ThreatModel`; given as one, as text (`"linf:2/255"`) or as a number.
        eps: Another way to give `threat`: `PGD(eps=2/255)`.
        targeted: `labels` are classes to move towards instead of away from.
        restarts: Independent random starts; the worst result of each image is kept: a wrong
            (targeted: the wanted) class first, then the largest (targeted: smallest) loss.
        best_iterate: Return the worst of all iterates instead of the last one.
        seed: Seed of the random start; the same seed gives the same perturbations.
        eot: Number of passes that gradients and predictions are the mean of, for models that are
            random at inference (expectation over transformations, Athalye et al. 2018, arXiv
            1707.07397).
        jit_compile: Compile with XLA where the attack runs eagerly: True, False (for a model that
            XLA does not accept) or `"auto"`, True except where XLA is known to be slow.

    Raises:
        ValueError: Options out of range, or, at a call, any input that `pag_tf.core.model_checks`
            refuses (pixels outside [0, 1], NCHW, labels out of range, a model with softmax...).
    """

    threat: ThreatModelField = ThreatModelField()
    _: dataclasses.KW_ONLY
    eps: InitVar[ThreatModel | str | float | None] = None
    targeted: bool = False
    restarts: int = 1
    best_iterate: bool = False
    seed: int = 0
    eot: int = 1
    jit_compile: backend.JitCompile = "auto"

    def __post_init__(self, eps: ThreatModel | str | float | None) -> None:
        if (eps is None) != hasattr(self, "threat"):
            raise ValueError(
                f"{type(self).__name__} needs one threat model, as its first argument or as eps, "
                f"such as {type(self).__name__}('linf:2/255')."
            )
        if eps is not None:
            self._set(threat=ThreatModel.parse(eps))
        self._set(restarts=whole_number("restarts", self.restarts))
        self._set(seed=whole_number("seed", self.seed, 0))
        self._set(eot=whole_number("eot", self.eot))
        backend.check_jit_compile(self.jit_compile)
        fields: Any = dataclasses.fields(self)  # type: ignore[arg-type]  # see `frozen`
        for field in fields:
            value = getattr(self, field.name)
            if isinstance(field.default, bool) and not isinstance(value, (bool, np.bool_)):
                raise ValueError(f"{field.name} must be True or False, got {value!r}.")

    def _check_step_size(self) -> None:
        """For attacks with a field `step_size`, in which None is a default."""
        value: Any = getattr(self, "step_size")  # noqa: B009
        if value is not None:
            unit = "in units of pixels"
            self._set(step_size=finite_number("step_size", value, positive=True, unit=unit))

    def get_config(self) -> dict[str, Any]:
        """Returns the settings, by which Keras saves an `AdversarialModel` with its attack."""
        fields: Any = dataclasses.fields(self)  # type: ignore[arg-type]  # see `frozen`
        config = {field.name: getattr(self, field.name) for field in fields}
        return {"class_name": type(self).__name__, **config, "threat": str(self.threat)}

    @staticmethod
    def from_config(config: dict[str, Any]) -> Attack:
        """Makes the attack that `get_config` described.

        Raises:
            ValueError: Its class is not in `pag_tf.attacks`.
        """
        import pag_tf.attacks

        settings = dict(config)
        name = settings.pop("class_name")
        kind = getattr(pag_tf.attacks, name, None)
        if kind is None:
            raise ValueError(
                f"Unknown attack {name}. Put its class into pag_tf/attacks/methods and register it "
                "(see CONTRIBUTING.md) before the model is loaded."
            )
        attack: Attack = kind(**settings)
        return attack

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def for_training(cls, threat: ThreatModel, *, steps: int, step_size: float | None) -> Attack:
        """Returns the attack as `scripts/train.py` perturbs batches with it.

        Args:
            threat: The ball.
            steps: Number of steps, for attacks that have a choice; as `step_size`.
            step_size: Length of one step; None is the default of the attack.
        """
        return cls(threat)

    @property
    def steps(self) -> int:
        """Number of gradient steps."""
        return 1

    @property
    def radius(self) -> float:
        """No perturbation is larger than this, in the threat model's norm."""
        return self.threat.eps

    @property
    def start_radius(self) -> float:
        """Radius of the ball that the random start is drawn from; 0 starts at the image."""
        return 0.0

    @property
    def resolved_step_size(self) -> float:
        """Length of the first step in the threat model's norm."""
        return self.threat.eps

    @property
    def step_options(self) -> dict[str, Any]:
        """Settings that `step` is compiled for; those that are numbers belong into the state."""
        return {"norm": self.threat.norm}

    def start(self, images: Any, random: RandomStream, scale: Any = 1.0) -> Any:
        """Returns the first iterate: a random point of the ball, clipped to [0, 1]."""
        if self.start_radius == 0:
            return images
        norm, radius = self.threat.norm, scale * self.start_radius
        return ops.clip(images + geometry.random_point(norm, images, radius, random), 0.0, 1.0)

    def init(
        self,
        images: Any,
        random: RandomStream | None = None,
        *,
        scale: Any = 1.0,
        start: Any = None,
    ) -> State:
        """Returns the state before the first step.

        Args:
            images: float32 tensor `[B, H, W, C]` in [0, 1].
            random: Source of the random start.
            scale: Factor on every radius and step, a number or scalar tensor (epsilon warm-up).
            start: First iterate, in place of the random start.
        """
        one = ops.ones_like(images[:, :1, :1, :1])
        sign = -1 if self.targeted else 1
        return {
            "x": self.start(images, random, scale) if start is None else start,  # type: ignore[arg-type]
            "step_size": one * (scale * (sign * self.resolved_step_size)),
            "radius": one * (scale * self.radius),
        }

    @staticmethod
    def step(
        model: Any, state: State, images: Any, labels: Any, *, norm: str, training: bool = False
    ) -> tuple[State, Outcome]:
        """One step of projected gradient ascent on the cross-entropy.

        Args:
            model: `Classifier`, or a callable as `model(images, training=...)` that returns logits.
            state: From `init` or the step before.
            images: float32 `[B, H, W, C]` in [0, 1], the centers of the balls.
            labels: Integer `[B]`.
            norm: See `ThreatModel`. Attacks with other `step_options` take those.
            training: Batch-norm mode of the model.

        Returns:
            The next state, and what was found at the iterate of the given one.
        """
        gradient, loss, logits = loss_gradient(model, state["x"], labels, training=training)
        size = ops.max(ops.abs(gradient), axis=(1, 2, 3))
        return ascend(state, gradient, images, norm=norm), Outcome(loss, logits, size)

    def perturb(
        self,
        model: Any,
        images: Any,
        labels: Any,
        *,
        random: RandomStream,
        scale: Any = 1.0,
        training: bool = False,
        start: Any = None,
    ) -> Any:
        """The bare attack, for use inside a compiled training step: unrolled, unchecked.

        Args:
            model, labels, training: As in `step`.
            images, random, scale, start: As in `init`.

        Returns:
            The last iterate, shape and dtype of `images`.
        """
        state = self.init(images, random, scale=scale, start=start)
        for _ in range(self.steps):
            state, _ = self.step(
                model, state, images, labels, training=training, **self.step_options
            )
        return state["x"]

    def classifier(self, model: Any, reading: Reading | None = None) -> Classifier:
        """Returns a model, or a callable like one, as this attack sees it."""
        float16 = isinstance(model, keras.Model) and layers.computes_in_float16(model)
        return Classifier(model, reading, passes=self.eot, float16=float16)

    def compiled_step(
        self, model: keras.Model, reading: Reading | None = None
    ) -> Callable[..., tuple[State, Outcome]]:
        """Returns `step` of this model, compiled: `(state, images, labels)` to the same as `step`.

        Kept as long as the model lives, and shared by all attacks with the same `step_options`:
        step sizes and radii are tensors, so another epsilon compiles nothing.
        """
        return backend.compiled_once(
            _step,
            model,
            jit_compile=self.jit_compile,
            kind=type(self),
            reading=reading or Reading(),
            eot=self.eot,
            **self.step_options,
        )

    def __call__(
        self,
        model: keras.Model,
        images: Any,
        labels: Any,
        *,
        start: Any = None,
        pixel_range: tuple[float, float] = (0.0, 1.0),
        multilabel: bool = False,
        output: str | int | None = None,
    ) -> Any:
        """Perturbs a batch; see the class.

        Args:
            model: Keras model: pixels in, logits out.
            images: `[B, H, W, C]` of the model's pixel range, array or tensor; computed in float32.
            labels: Integer `[B]` or `[B, 1]`; of multi-label models 0 or 1, `[B, labels]`.
            start: First iterate, in place of the random start; projected into the ball.
            pixel_range: Lowest and highest pixel that the model takes. Epsilon stays in units of
                [0, 1]: 2/255 are 2 steps of 255, whatever the range.
            multilabel: Each output is a yes or no of its own: the attack ascends the sum of their
                sigmoid cross-entropies.
            output: Which output holds the logits, for models with several: its name or index.

        Returns:
            Perturbed images, float32, array or tensor as `images`, in the same pixel range.
        """
        model_checks.check_model(model)
        reading = Reading.of(model, pixel_range, multilabel, output)
        images = images if hasattr(images, "shape") else np.asarray(images)
        labels = model_checks.class_labels(labels, multilabel=multilabel)
        model_checks.check_static(model, images, labels, reading=reading)
        as_numpy = isinstance(images, np.ndarray)
        if any(map(backend.is_symbolic, (images, labels))):
            classifier = self.classifier(model, reading)
            traced = functools.partial(self.step, classifier, **self.step_options)
            unit = reading.to_unit(ops.cast(images, "float32"))
            x, _ = self._search(traced, classifier, unit, labels, start)
            return reading.clipped(reading.from_unit(x))
        labels_array = ops.convert_to_numpy(labels)
        model_checks.check_values(ops.convert_to_numpy(images), labels_array, reading=reading)
        unit = reading.to_unit(ops.convert_to_tensor(images, dtype="float32"))
        classifier = self.classifier(model, reading)
        first_logits = ops.convert_to_numpy(classifier(unit[:1]))
        model_checks.check_logits(first_logits, labels_array)
        if self.threat.eps == 0:
            images = ops.convert_to_tensor(images, dtype="float32")
            return ops.convert_to_numpy(images) if as_numpy else images
        step = self.compiled_step(model, reading)
        labels = ops.convert_to_tensor(labels)
        x, gradients = self._search(step, classifier, unit, labels, start)
        check_gradients(ops.convert_to_numpy(gradients))
        sizes = geometry.lengths(self.threat.norm, x - unit)
        check_budget(ops.convert_to_numpy(sizes), self.radius)
        x = reading.clipped(reading.from_unit(x))
        return ops.convert_to_numpy(x) if as_numpy else x

    def _search(
        self,
        step: Callable[..., Any],
        classifier: Classifier,
        images: Any,
        labels: Any,
        start: Any,
    ) -> Any:
        """All restarts: `(perturbed images, largest |gradient| of each image over all steps)`."""
        keep_worst = self.restarts > 1 or self.best_iterate
        worst, gradients = None, None
        # N-FGSM may start outside the ball; that is no perturbation to return.
        outside = self.start_radius > self.radius
        if start is not None:
            start = classifier.reading.to_unit(ops.convert_to_tensor(start, dtype=images.dtype))
            widest = max(self.start_radius, self.radius)
            start = geometry.project(self.threat.norm, start, images, widest)
        for restart in range(self.restarts):
            state = self.init(images, RandomStream(self.seed, restart), start=start)
            # One step more than the attack takes finds the loss of the last iterate.
            for index in range(self.steps + keep_worst):
                x = state["x"]
                state, outcome = step(state, images, labels)
                size = outcome.gradient_size
                gradients = size if gradients is None else ops.maximum(gradients, size)
                best = self.best_iterate and (index > 0 or not outside)
                if best or (keep_worst and index == self.steps):
                    worst = _worse(worst, (x, *self._judge(classifier, outcome, labels)))
        return (state["x"] if worst is None else worst[0]), gradients

    def _judge(self, classifier: Classifier, outcome: Outcome, labels: Any) -> tuple[Any, Any]:
        """For each image whether the attack has succeeded, and how far it is otherwise."""
        hit = classifier.correct(outcome.logits, labels)
        return (hit, -outcome.loss) if self.targeted else (ops.logical_not(hit), outcome.loss)

    def __str__(self) -> str:
        """The name under which results are published: every setting that changes them."""
        size, start = f"{self.resolved_step_size:.6g}", f"{self.start_radius:.6g}"
        fields = [f"{self.threat}", f"steps={self.steps}", f"step_size={size}"]
        fields += [f"start_radius={start}"]
        fields += [f"radius={self.radius:.6g}"] * (self.radius != self.threat.eps)
        fields += [f"restarts={self.restarts}"]
        fields += ["targeted"] * self.targeted + ["best_iterate"] * self.best_iterate
        fields += [f"eot={self.eot}"] * (self.eot > 1)
        return f"{type(self).__name__}({', '.join(fields)}, seed={self.seed})"


def _step(
    model: keras.Model,
    state: State,
    images: Any,
    labels: Any,
    *,
    kind: type[Attack],
    reading: Reading,
    eot: int,
    **options: Any,
) -> tuple[State, Outcome]:
    classifier = Classifier(model, reading, passes=eot, float16=layers.computes_in_float16(model))
    return kind.step(classifier, state, images, labels, **options)


def ascend(state: State, gradient: Any, images: Any, *, norm: str) -> State:
    """Moves the iterate along a gradient, then projects it into the ball around `images`."""
    x = state["x"] + state["step_size"] * geometry.steepest(norm, gradient)
    return {**state, "x": geometry.project(norm, x, images, state["radius"])}


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


def check_gradients(sizes: np.ndarray, *, allow_zeros: bool = True) -> None:
    """Refuses or warns of an attack that had no gradient to follow.

    Args:
        sizes: Largest absolute gradient of each image.
        allow_zeros: Warn, instead of refusing, where it is zero for some of the images.

    Raises:
        ValueError: A gradient is not finite, it is zero for every image, or, unless
            `allow_zeros`, for some.
    """
    if not np.all(np.isfinite(sizes)):
        raise ValueError(
            "The input gradient is not finite, so no attack can follow it: check the model's "
            "layers for divisions by zero and overflow."
        )
    zero, count = int(np.sum(sizes == 0)), len(sizes)
    if not zero:
        return
    if zero == count:
        raise ValueError(
            "The input gradient is zero for every image: the model is not differentiable or its "
            "loss is saturated, so a gradient attack would measure nothing. Attack a model whose "
            "output depends smoothly on its input."
        )
    if allow_zeros:
        warnings.warn(
            f"The input gradient is zero for {zero} of {count} images; accuracy under this "
            "attack may be overestimated.",
            stacklevel=3,
        )
        return
    raise ValueError(
        f"The input gradient is zero for {zero} of {count} correctly classified images: the attack "
        "could not move them, so accuracy under it would be overestimated. Usual causes are dead "
        "ReLUs, saturated activations, rounding and half precision. To count such images as robust "
        "all the same: allow_zero_gradients=True."
    )


def check_budget(sizes: np.ndarray, radius: float) -> None:
    """Asserts that no perturbation is larger than its ball: that would be an error of ours."""
    worst = float(sizes.max())
    assert worst <= radius * (1 + _BUDGET_SLACK) + 1e-7, f"budget {radius} exceeded: {worst}"
