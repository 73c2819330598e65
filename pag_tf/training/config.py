"""The configuration of a training run: a dataclass of plain values."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pag_tf.models
from pag_tf import attacks, data
from pag_tf.core.config import EVALUATION_FITS, FIT_HELP, FITS, fit_name, option
from pag_tf.core.threat_model import ThreatModel
from pag_tf.data.named import place_data
from pag_tf.models.architecture import APPLICATION

BATCH_NORM_MODES = ("inference", "training")
CONVOLUTION_DTYPES = ("float32", "bfloat16")
ON_OVERFITTING = ("stop", "fall_back", "warn")
_NOT_NEGATIVE = (
    *("image_size", "eps_warmup_epochs", "attack_step_size", "weight_decay"),
    *("frozen_epochs", "augment_shift", "seed", "class_split_fold", "attribute_temperature"),
)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; the `help` metadata of each field gives its meaning and unit.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known ones).
    """

    output: str = option("", "Folder for the checkpoint, the logs and the exported zoo entry.")
    dataset: str = option("cifar10", f"Name of the data set: {', '.join(data.forms())}.")
    data_dir: str = option("", "Folder of the data; empty: PAG_TF_DATA, then the folder of TFDS.")
    train_split: str = option("train", "Images to train on, such as 'train[:49000]'.")
    validation_split: str = option(
        "validation", "Held-out images of the robustness check after each epoch; empty: no check."
    )
    image_size: int = option(
        0, "Height and width of the images in pixels; 0: the native size of the data set."
    )
    fit: str = option(
        "whole",
        f"How held-out and test images are brought to image_size: {FIT_HELP}.",
    )
    train_fit: str = option(
        "",
        "How training images are brought to image_size: as fit, or random_crop or "
        "squash_random_crop (a random window instead of the center, flipped at random); empty: as "
        "fit.",
    )
    threat_model: str = option(
        "linf:2/255",
        "Norm and epsilon, in units of pixels in [0, 1]; 'linf:0' is standard training.",
    )
    attack: str = option(
        "nfgsm", f"Attack that perturbs the training images: {', '.join(attacks.names())}."
    )
    attack_steps: int = option(7, "Steps of an iterative attack such as pgd.")
    attack_step_size: float = option(
        0.0, "Step size of an iterative attack, for pixels in [0, 1]; 0: its default."
    )
    eps_warmup_epochs: float = option(0.0, "Epochs over which epsilon grows linearly from 0.")
    clean_fraction: float = option(0.0, "Fraction of each batch left unperturbed, in [0, 1).")
    attack_batch_norm: str = option(
        "inference", "Batch-norm mode of the model during the attack: inference or training."
    )
    arch: str = option(
        "resnet",
        f"Architecture: {', '.join(pag_tf.models.names())}, or {APPLICATION}<Name> with the name "
        f"of a classifier in keras.applications, such as {APPLICATION}MobileNetV2.",
    )
    arch_options: str = option("{}", "Options of the architecture as a JSON object.")
    initial_weights: str = option(
        "",
        "Initial weights: id or folder of a zoo entry of the same architecture, or imagenet "
        f"(resnet50, vgg16, {APPLICATION}<Name>); empty: random. The head is random unless the "
        "class names agree.",
    )
    class_split: str = option(
        "",
        "Class split whose seen classes are trained on: a stored one (see "
        "pag_tf.data.class_split_names), or a .json file with name, unseen, seen and validation, "
        "or att_splits.mat of Xian et al.; empty: all classes.",
    )
    class_split_fold: int = option(
        0,
        "Number, from 1, of the fold of seen classes that is held out of training, so that "
        "constants can be chosen on it; 0: none.",
    )
    attribute_temperature: float = option(
        0.0,
        "Temperature of an attribute head (see pag_tf.zero_shot), such as 0.1; 0: a linear head.",
    )
    class_attributes: str = option(
        "",
        "Attributes of the classes for an attribute head: a .csv file (first line: the attributes; "
        "each other line: a class and its numbers), a predicate matrix of AwA2 or "
        "att_splits.mat of Xian et al.; empty: those of the data set.",
    )
    epochs: int = option(16, "Passes over the training images.")
    batch_size: int = option(128, "Images per training step.")
    learning_rate: float = option(0.2, "Peak learning rate of SGD with Nesterov momentum.")
    learning_rate_warmup: float = option(
        0.2, "Fraction of the steps, in [0, 1], of linear warm-up; then a cosine decay to 0."
    )
    head_learning_rate_factor: float = option(
        1.0, "Learning rate of the last stage and the head, as a multiple of learning_rate."
    )
    frozen_epochs: int = option(
        0,
        "Number of first epochs in which only the head learns and all other layers stay as they "
        "are, their batch norms in inference mode; with random initial_weights it learns from "
        "random features.",
    )
    momentum: float = option(0.9, "Momentum of SGD.")
    weight_decay: float = option(
        5e-3, "Decoupled weight decay (times the learning rate) of kernels, not of biases or norms."
    )
    ema_momentum: float = option(
        0.0, "Momentum of the moving average of weights that is exported; 0: the last weights."
    )
    augment_shift: int = option(4, "Largest random shift of training images, in pixels.")
    augment_flip: bool = option(True, "Flip training images left to right at random.")
    seed: int = option(0, "Seed of initial weights, order, augmentation and attack.")
    jit_compile: bool = option(True, "Compile the training step with XLA.")
    convolution_dtype: str = option(
        "float32",
        "Precision of the convolutions while training: float32 or bfloat16 (several times as fast "
        "on accelerators and on CPUs with AMX, see docs/fast_training.md).",
    )
    check_images: int = option(500, "Held-out images of the robustness check after each epoch.")
    check_steps: int = option(10, "PGD steps of that check.")
    on_overfitting: str = option(
        "stop",
        "Reaction to catastrophic overfitting of one-step training: stop, fall_back (to PGD) or "
        "warn.",
    )
    tensorboard: bool = option(False, "Write TensorBoard logs, with input gradients as images.")

    def __post_init__(self) -> None:
        for name in ("fit", "train_fit"):
            object.__setattr__(self, name, fit_name(getattr(self, name)))
        place_data(self)
        ThreatModel.parse(self.threat_model)
        pag_tf.models.validate(self.arch, self.options)
        _check_known("attack", self.attack, attacks.names())
        _check_known("on_overfitting", self.on_overfitting, ON_OVERFITTING)
        _check_known("attack_batch_norm", self.attack_batch_norm, BATCH_NORM_MODES)
        check_convolution_dtype(self.convolution_dtype)
        for name in ("epochs", "batch_size", "attack_steps", "check_images", "check_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}.")
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)!r}.")
        for name in ("clean_fraction", "momentum", "ema_momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)!r}.")
        if not 0 <= self.learning_rate_warmup <= 1:
            raise ValueError(
                f"learning_rate_warmup must be in [0, 1], got {self.learning_rate_warmup!r}."
            )
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate!r}.")
        if not 0 < self.head_learning_rate_factor < math.inf:
            raise ValueError(
                "head_learning_rate_factor must be positive and finite, "
                f"got {self.head_learning_rate_factor!r}."
            )
        if self.frozen_epochs > self.epochs:
            raise ValueError(
                f"frozen_epochs must be at most epochs={self.epochs} (then only the head is ever "
                f"trained), got {self.frozen_epochs!r}."
            )
        if self.class_split_fold and not self.class_split:
            raise ValueError(
                f"class_split_fold={self.class_split_fold} is a fold of a class split: name it "
                "(class_split), or leave class_split_fold out."
            )
        if self.class_attributes and not self.attribute_temperature:
            raise ValueError(
                f"class_attributes={self.class_attributes!r} is for an attribute head: set its "
                "attribute_temperature, such as 0.1, or leave class_attributes out."
            )
        self._check_fits()

    def _check_fits(self) -> None:
        _check_known(
            "fit",
            self.fit,
            EVALUATION_FITS,
            "; random crops are for training: train_fit=random_crop",
        )
        _check_known("train_fit", self.resolved_train_fit, FITS)
        if not self.image_size and {self.fit, self.resolved_train_fit} != {"whole"}:
            raise ValueError(
                f"fit={self.fit!r} and train_fit={self.train_fit!r} need an image_size, such as "
                "image_size=64."
            )

    @property
    def resolved_train_fit(self) -> str:
        """How training images are brought to `image_size`."""
        return self.train_fit or self.fit

    @property
    def threat(self) -> ThreatModel:
        """The parsed threat model."""
        return ThreatModel.parse(self.threat_model)

    @property
    def options(self) -> dict[str, Any]:
        """The parsed options of the architecture."""
        try:
            options = json.loads(self.arch_options)
        except json.JSONDecodeError as error:
            raise ValueError(
                f'arch_options must be a JSON object such as {{"widths": [64, 128]}}, '
                f"got {self.arch_options!r} ({error})."
            ) from None
        if not isinstance(options, dict):
            raise ValueError(f"arch_options must be a JSON object, got {self.arch_options!r}.")
        return options

    def build_attack(self) -> attacks.Attack:
        """Returns the attack that perturbs the training images."""
        return attacks.get(self.attack).for_training(
            self.threat, steps=self.attack_steps, step_size=self.attack_step_size or None
        )

    def without_folders(self) -> TrainConfig:
        """Returns the settings with the names of the files of classes alone, as entries record."""
        return dataclasses.replace(
            self,
            class_split=Path(self.class_split).name,
            class_attributes=Path(self.class_attributes).name,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain JSON values."""
        return dataclasses.asdict(self)


def _check_known(name: str, value: str, known: tuple[str, ...], remedy: str = "") -> None:
    if value not in known:
        raise ValueError(f"Unknown {name} {value!r}. Known: {', '.join(known)}{remedy}.")


def check_convolution_dtype(dtype: str) -> None:
    """Raises ValueError unless `dtype` is one of `CONVOLUTION_DTYPES`."""
    if dtype not in CONVOLUTION_DTYPES:
        raise ValueError(
            f"convolution_dtype must be one of {', '.join(CONVOLUTION_DTYPES)}, got {dtype!r}."
        )
