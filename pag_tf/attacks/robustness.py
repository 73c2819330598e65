"""Accuracy clean and under attack over a data set, without attacking a broken image twice."""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.attacks import geometry
from pag_tf.attacks.base import Attack, State, check_budget, check_gradients
from pag_tf.core import backend, model_checks
from pag_tf.core.classifier import Classifier, Reading
from pag_tf.core.config import BATCH_SIZE, whole_number
from pag_tf.core.random_stream import RandomStream


@dataclasses.dataclass(frozen=True)
class AttackResult:
    """How many images one attack left standing: correct at the image and at every iterate."""

    attack: Attack
    images: int
    correct: int

    @property
    def accuracy(self) -> float:
        """Share of images, in [0, 1]."""
        return self.correct / self.images


@dataclasses.dataclass(frozen=True)
class RobustnessReport:
    """Result of `robust_accuracy`: counts, and the accuracies made from them."""

    images: int
    clean_correct: int
    attacks: tuple[AttackResult, ...]
    worst_case_correct: int

    @property
    def clean_accuracy(self) -> float:
        """Share of images classified correctly without any attack, in [0, 1]."""
        return self.clean_correct / self.images

    @property
    def worst_case_accuracy(self) -> float:
        """Share of images that no attack breaks, in [0, 1]."""
        return self.worst_case_correct / self.images

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: counts, accuracies and every setting of each attack."""
        return {
            "images": self.images,
            "clean": {"correct": self.clean_correct, "accuracy": self.clean_accuracy},
            "attacks": [
                {
                    "attack": str(result.attack),
                    "threat_model": str(result.attack.threat),
                    "steps": result.attack.steps,
                    "step_size": result.attack.resolved_step_size,
                    "start_radius": result.attack.start_radius,
                    "restarts": result.attack.restarts,
                    "seed": result.attack.seed,
                    "correct": result.correct,
                    "accuracy": result.accuracy,
                }
                for result in self.attacks
            ],
            "worst_case": {
                "correct": self.worst_case_correct,
                "accuracy": self.worst_case_accuracy,
            },
        }


def robust_accuracy(
    model: keras.Model,
    dataset: Any,
    attacks: Attack | Sequence[Attack],
    *misplaced: Any,
    batch_size: int = BATCH_SIZE,
    max_images: int | None = None,
    progress: bool = True,
    pixel_range: tuple[float, float] = (0.0, 1.0),
    multilabel: bool = False,
    output: str | int | None = None,
    allow_zero_gradients: bool = False,
) -> RobustnessReport:
    """Measures accuracy clean and under each attack.

    An image counts as broken at the first iterate that is misclassified, in any restart; it is not
    attacked further, and the place in the batch goes to the next image. Every attack is run on all
    images that are classified correctly, so that its number stands for itself.

    Args:
        model: Keras model: pixels in, logits out (a single one: of class 1 of 2).
        dataset: Anything that can be iterated several times over `(images, labels)` or over dicts
            with `image` and `label`, single or batched (`pag_tf.data.load(...)`), or a pair of
            arrays `(images [N, H, W, C], labels [N] or [N, 1])`.
        attacks: One untargeted attack, or a list of them.
        *misplaced: Refused: images and labels are one argument, `(images, labels)`.
        batch_size: Images attacked at once.
        max_images: Use only the first so many images.
        progress: Show Keras' progress bar, one per attack.
        pixel_range: Lowest and highest pixel that the model takes; epsilon stays in units of
            [0, 1].
        multilabel: Each output answers yes or no for a label of its own, and labels are 0 or 1,
            `[N, labels]`. An image is correct if all of its labels are.
        output: Which output holds the logits, for models with several: its name or index.
        allow_zero_gradients: Warn, instead of refusing, where the input gradient of a correctly
            classified image is zero, so that the attack could not move it.

    Returns:
        The report, with counts.

    Raises:
        ValueError: An empty data set, one that can be iterated only once or that is shuffled anew
            each time, a targeted attack, a model that is random at inference (see `eot` of
            attacks), zero gradients, or input that attacks refuse.
        RuntimeError: XLA cannot compile the model: give attacks `jit_compile=False`.
    """
    model_checks.check_model(model)
    reading = Reading.of(model, pixel_range, multilabel, output)
    attacks = _checked_attacks(attacks, misplaced)
    batch_size = whole_number("batch_size", batch_size)
    if max_images is not None:
        max_images = whole_number("max_images", max_images)
    _check_dataset(dataset)
    seen: list[int] = []
    first_pass = _remembered(_examples(dataset, reading), seen)
    batches = _batches(first_pass, batch_size, max_images)
    standing = _clean_pass(model, reading, attacks, batches, progress)
    survivors, results = standing.copy(), []
    for attack in attacks:
        examples = _same_again(_examples(dataset, reading), seen)
        survived, gradients = _attack_pass(
            model, reading, examples, attack, standing, batch_size, progress
        )
        if len(gradients):
            check_gradients(gradients, allow_zeros=allow_zero_gradients)
        results.append(AttackResult(attack, len(standing), int(survived.sum())))
        survivors &= survived
    return RobustnessReport(
        images=len(standing),
        clean_correct=int(standing.sum()),
        attacks=tuple(results),
        worst_case_correct=int(survivors.sum()),
    )


def _checked_attacks(attacks: Any, misplaced: tuple[Any, ...]) -> tuple[Attack, ...]:
    form = "robust_accuracy(model, (images, labels), [PGD('linf:2/255')])"
    if misplaced:
        raise ValueError(
            f"robust_accuracy takes three arguments without a name, got {3 + len(misplaced)}. "
            f"Images and labels are one argument: {form}."
        )
    chosen = attacks if isinstance(attacks, (list, tuple)) else [attacks]
    for attack in chosen:
        if not isinstance(attack, Attack):
            raise ValueError(
                "The third argument must be an attack or a list of attacks, got "
                f"{_description(attack)}. Use {form}."
            )
        if attack.targeted:
            raise ValueError(
                f"robust_accuracy needs untargeted attacks, got {attack}. Leave targeted out."
            )
    return tuple(chosen)


def _check_dataset(dataset: Any) -> None:
    remedy = (
        "Pass (images, labels), two arrays, or a data set of (image, label) or of dicts with image "
        "and label."
    )
    if isinstance(dataset, Iterator):
        raise ValueError(
            "The data set can be iterated only once; pass a tf.data.Dataset, a list of batches or "
            "a pair of arrays."
        )
    is_pair = isinstance(dataset, tuple) and len(dataset) == 2
    if is_pair and hasattr(dataset[0], "shape") != hasattr(dataset[1], "shape"):
        raise ValueError(
            f"A pair of arrays is expected, got {' and '.join(map(_description, dataset))}. "
            f"{remedy}"
        )
    wrong = isinstance(dataset, (str, bytes, dict)) or hasattr(dataset, "shape")
    if wrong or not hasattr(dataset, "__iter__"):
        raise ValueError(f"{_description(dataset)} is no data set with labels. {remedy}")


def _examples(dataset: Any, reading: Reading) -> Iterator[tuple[np.ndarray, Any]]:
    """Single `(image, label)` pairs out of every accepted form of a data set."""
    if isinstance(dataset, tuple) and len(dataset) == 2 and hasattr(dataset[0], "shape"):
        dataset = [dataset]
    for element in dataset:
        if isinstance(element, dict) and {"image", "label"} <= set(element):
            image, label = element["image"], element["label"]
        elif isinstance(element, (tuple, list)) and len(element) >= 2:
            image, label = map(_only_value, element[:2], ("image", reading.output))
        else:
            raise ValueError(
                "Each element of the data set must be (image, label) or a dict with image and "
                f"label, got {_description(element)}."
            )
        image, label = ops.convert_to_numpy(image), ops.convert_to_numpy(label)
        if image.ndim == 3:
            yield image, model_checks.class_labels(label[None], multilabel=reading.multilabel)[0]
            continue
        label = model_checks.class_labels(label, multilabel=reading.multilabel)
        if image.ndim != 4 or label.ndim not in (1, 2) or len(image) == len(label):
            # Labels of another form are refused where their values are checked.
            yield from zip(image, label, strict=True)
        else:
            raise ValueError(
                "Each element of the data set must be one image [H, W, C] with its label, or a "
                f"batch [B, H, W, C] with B labels, got images of shape {image.shape} and labels "
                f"of shape {label.shape}."
            )


def _only_value(value: Any, name: Any) -> Any:
    """What a dict, such as a model's inputs by name, holds under a name or as its only value."""
    if not isinstance(value, dict):
        return value
    if name not in value and len(value) != 1:
        raise ValueError(
            f"One value of a dict is needed, got {', '.join(map(repr, value))}: name the image "
            "'image', and the output of the model that the labels belong to by output=..."
        )
    return value[name] if name in value else next(iter(value.values()))


def _description(value: Any) -> str:
    """What a wrong argument is: its kind, and its shape, keys or value where they say more."""
    kind = type(value).__name__
    if isinstance(value, dict):
        return f"a {kind} of {', '.join(map(str, value))}"
    if hasattr(value, "shape"):
        return f"a {kind} of shape {tuple(value.shape)}"
    return f"the text {value!r}" if isinstance(value, str) else f"a {kind}"


def _fingerprint(image: np.ndarray, label: Any) -> int:
    return zlib.crc32(image.tobytes(), zlib.crc32(label.tobytes()))


def _remembered(examples: Iterable[Any], seen: list[int]) -> Iterator[Any]:
    """The examples; leaves a fingerprint of each in `seen`."""
    for example in examples:
        seen.append(_fingerprint(*example))
        yield example


def _same_again(examples: Iterable[Any], seen: list[int]) -> Iterator[Any]:
    """The examples that left these fingerprints; ValueError if they are others or fewer."""
    for expected, example in itertools.zip_longest(seen, itertools.islice(examples, len(seen))):
        if example is None or _fingerprint(*example) != expected:
            raise ValueError(
                "The data set gives other images, or the same in another order, each time it is "
                "iterated. Do not shuffle it, or use shuffle(..., reshuffle_each_iteration=False)."
            )
        yield example


def _clean_pass(
    model: keras.Model,
    reading: Reading,
    attacks: Sequence[Attack],
    batches: Iterable[tuple[np.ndarray, np.ndarray, int]],
    progress: bool,
) -> np.ndarray:
    """For each image whether it is classified correctly; checks every image on the way."""
    passes = max((attack.eot for attack in attacks), default=1)
    without_xla = any(attack.jit_compile is False for attack in attacks)
    forward = backend.compiled(
        lambda model, x: Classifier(model, reading, passes=passes)(x),
        model,
        jit_compile=False if without_xla else "auto",
    )
    classifier = Classifier(model, reading)
    bar = _progress_bar(None, progress)
    correct: list[np.ndarray] = []
    for images, labels, count in batches:
        model_checks.check_static(model, images, labels, reading=reading)
        model_checks.check_values(images, labels, reading=reading)
        unit = reading.to_unit(ops.convert_to_tensor(images, dtype="float32"))
        if not correct:
            _check_repeatable(classifier, unit[:8], attacks)
        logits = forward(unit)
        model_checks.check_logits(ops.convert_to_numpy(logits), labels)
        right = classifier.correct(logits, ops.convert_to_tensor(labels))
        correct.append(ops.convert_to_numpy(right)[:count])
        bar.add(count, values=[("clean_accuracy", correct[-1].mean())])
    if not correct:
        raise ValueError("The data set is empty: at least one image is needed.")
    standing = np.concatenate(correct)
    bar.update(len(standing), finalize=True)
    return standing


def _check_repeatable(classifier: Classifier, images: Any, attacks: Sequence[Attack]) -> None:
    """Refuses a model that is random at inference, unless attacks average over that."""
    once, twice = (ops.convert_to_numpy(classifier(images)) for _ in range(2))
    difference = float(np.max(np.abs(once - twice)))
    if difference > 1e-4 * max(1.0, float(np.max(np.abs(once)))) and any(
        attack.eot == 1 for attack in attacks
    ):
        raise ValueError(
            "The model is random at inference: logits of the same images differ by up to "
            f"{difference:.3g} from one pass to the next, so that an image would count as broken "
            "as soon as one of many draws is wrong. Let the attack take the mean of several passes "
            "(eot=16, for example), or turn the random layers off at inference."
        )


def _batches(
    examples: Iterable[tuple[np.ndarray, Any]], batch_size: int, max_images: int | None
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Batches of one fixed size, the last one padded with its first image: `(.., real images)`."""
    images, labels = [], []
    for image, label in itertools.islice(examples, max_images):
        images.append(image)
        labels.append(label)
        if len(images) == batch_size:
            yield np.stack(images), np.asarray(labels), batch_size
            images, labels = [], []
    if images:
        count, missing = len(images), batch_size - len(images)
        yield (
            np.stack(images + images[:1] * missing),
            np.asarray(labels + labels[:1] * missing),
            count,
        )


def _attack_pass(
    model: keras.Model,
    reading: Reading,
    examples: Iterable[tuple[np.ndarray, Any]],
    attack: Attack,
    standing: np.ndarray,
    batch_size: int,
    progress: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns whether the attack leaves each image standing, and the largest gradient of each.

    Only of those that are attacked: the second array is empty where there is nothing to do.
    """
    survived = standing.copy()
    if attack.threat.eps == 0 or not standing.any():
        return survived, np.zeros(0)
    total = int(standing.sum())
    # Not of those that stand: their number is another in every epoch, and compiles anew.
    size = min(batch_size, len(standing))
    queue = (
        (index, image, label)
        for index, (correct, (image, label)) in enumerate(zip(standing, examples, strict=True))
        if correct
    )
    bar, done, broken, gradients = _progress_bar(total, progress), 0, 0, np.zeros(len(standing))
    for index, survives, gradient in _Slots(model, reading, attack, size).run(queue):
        survived[index], gradients[index] = survives, gradient
        done, broken = done + 1, broken + (not survives)
        if done % 16 == 0 or done == total:
            bar.update(done, values=[("standing", 1 - broken / done)])
    return survived, gradients[standing]


class _Slots:
    """A batch of fixed size in which each place attacks an image of its own, at its own step.

    A place whose image is broken, or through all steps and restarts, takes the next image: the
    compiled step always runs on a full batch, and never on an image that is already decided.
    """

    def __init__(self, model: keras.Model, reading: Reading, attack: Attack, size: int) -> None:
        self.attack, self.size, self.reading = attack, size, reading
        self.step = attack.compiled_step(model, reading)
        self.classifier = attack.classifier(model, reading)
        self.index = np.full(size, -1)
        self.steps_taken = np.zeros(size, int)
        self.restart = np.zeros(size, int)
        self.gradient = np.zeros(size)
        self.fills = 0
        self.state: dict[str, np.ndarray] = {}
        self.images: np.ndarray
        self.labels: np.ndarray

    def run(
        self, queue: Iterator[tuple[int, np.ndarray, Any]]
    ) -> Iterator[tuple[int, bool, float]]:
        """Yields `(index of the image, still standing, largest |gradient|)` once it is decided."""
        # N-FGSM may start outside the ball; such an iterate breaks nothing.
        outside = self.attack.start_radius > self.attack.radius
        self._first_fill(queue)
        while np.any(self.index >= 0):
            correct, gradients = self._advance()
            live = self.index >= 0
            self.gradient = np.maximum(self.gradient, gradients)
            broken = live & ~correct & (self.steps_taken >= outside)
            self.steps_taken += 1
            # A step finds the class of the iterate that it started from, so the last iterate is
            # judged by one step more than the attack takes.
            through = live & ~broken & (self.steps_taken > self.attack.steps)
            self.restart[through] += 1
            finished = through & (self.restart >= self.attack.restarts)
            self._check_budget(live)
            for place in np.flatnonzero(broken | finished):
                yield int(self.index[place]), bool(finished[place]), self.gradient[place]
            self._refill(queue, broken | finished, through & ~finished)

    def _advance(self) -> tuple[np.ndarray, np.ndarray]:
        """Takes one step; returns what is correct, and gradient sizes, where it started."""
        state = {name: ops.convert_to_tensor(value) for name, value in self.state.items()}
        images, labels = map(ops.convert_to_tensor, (self.images, self.labels))
        state, outcome = self.step(state, images, labels)
        self.state = _as_arrays(state)
        correct = self.classifier.correct(outcome.logits, labels)
        return ops.convert_to_numpy(correct), ops.convert_to_numpy(outcome.gradient_size)

    def _first_fill(self, queue: Iterator[tuple[int, np.ndarray, Any]]) -> None:
        first = list(itertools.islice(queue, self.size))
        self.index[: len(first)] = [index for index, _, _ in first]
        first += first[-1:] * (self.size - len(first))  # places without an image of their own
        self.images = np.stack([self._unit(image) for _, image, _ in first])
        self.labels = np.asarray([label for _, _, label in first])
        self._start(np.ones(self.size, bool))

    def _refill(
        self, queue: Iterator[tuple[int, np.ndarray, Any]], empty: np.ndarray, again: np.ndarray
    ) -> None:
        for place in np.flatnonzero(empty):
            self.restart[place] = self.gradient[place] = 0
            self.index[place], image, label = next(queue, (-1, None, None))
            if image is not None:
                self.images[place], self.labels[place] = self._unit(image), label
        self._start(empty | again)

    def _unit(self, image: np.ndarray) -> np.ndarray:
        unit: np.ndarray = self.reading.to_unit(image.astype("float32"))
        return unit

    def _start(self, places: np.ndarray) -> None:
        if not places.any():
            return
        random = RandomStream(self.attack.seed, self.fills)
        fresh = _as_arrays(self.attack.init(ops.convert_to_tensor(self.images), random))
        for name, value in fresh.items():
            kept = self.state.get(name, value)
            self.state[name] = np.where(places.reshape(-1, *[1] * (value.ndim - 1)), value, kept)
        self.steps_taken[places] = 0
        self.fills += 1

    def _check_budget(self, live: np.ndarray) -> None:
        sizes = geometry.lengths(self.attack.threat.norm, self.state["x"] - self.images)
        check_budget(ops.convert_to_numpy(sizes)[live], self.attack.radius)


def _as_arrays(state: State) -> dict[str, np.ndarray]:
    return {name: ops.convert_to_numpy(value) for name, value in state.items()}


def _progress_bar(total: int | None, progress: bool) -> Any:
    return keras.utils.Progbar(
        total, verbose=int(progress), unit_name="image", stateful_metrics=["standing"]
    )
