"""A training run: from a configuration to an exported zoo entry, resumable after each epoch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import pag_tf.data
import pag_tf.models
import pag_tf.zero_shot
import pag_tf.zoo
from pag_tf.core import run_folder
from pag_tf.core.random_stream import RandomStream
from pag_tf.data.augmentation import Augmentation
from pag_tf.training import checkpoint, freezing
from pag_tf.training.adversarial_model import AdversarialModel
from pag_tf.training.callbacks import (
    CatastrophicOverfittingError,
    Checkpoint,
    GradientImages,
    RobustnessCheck,
    StopOnNaN,
)
from pag_tf.training.config import TrainConfig
from pag_tf.training.initial_weights import load_initial_weights
from pag_tf.training.optimizer import build_optimizer
from pag_tf.training.trained_classes import TrainedClasses

# Fields that locate files or control logging; they do not change the result.
_PLACES = ("output", "data_dir", "tensorboard")
_CLASSES = "classes.json"  # what files said of the classes, where there were any


def train(
    config: TrainConfig, *, resume: bool = False, overwrite: bool = False, flags_text: str = ""
) -> Path:
    """Trains a model and exports it.

    The folder of the run holds `config.json`, `checkpoint.npz` (written after each epoch),
    `log.csv` and, at the end, `entry/` in the format of the zoo. Random numbers depend only on the
    seed and the step: on the TensorFlow backend, a run that was killed and resumed ends with
    bit-identical weights.

    Args:
        config: Settings of the run.
        resume: Resume the run in `config.output`, or start it if there is none.
        overwrite: Delete the run in `config.output` and start again.
        flags_text: Flag file that reproduces the run, stored in the entry.

    Returns:
        The exported zoo folder.

    Raises:
        ValueError: An invalid configuration, no output, a folder with another run, or missing data.
        FloatingPointError: Training diverged; the last good epoch is in the checkpoint.
        CatastrophicOverfittingError: Training was stopped because of it; nothing was exported.
        OSError: A file could not be written; the former checkpoint stays valid.
    """
    folder = run_folder.check(config, places=_PLACES, resume=resume, overwrite=overwrite)
    keras.utils.set_random_seed(config.seed)
    info = pag_tf.data.info(
        config.dataset, config.data_dir or None, image_size=config.image_size or None
    )
    classes = TrainedClasses.of(config, info)
    if resume:
        classes.check_files(folder / _CLASSES)
    _, steps = _batches(config, classes, 0)  # first: refuses images of different sizes
    classifier = pag_tf.models.build(
        config.arch, len(classes.names), info.image_shape, **config.options, **classes.head_options
    )
    # Also on resuming, although the checkpoint replaces them: Keras numbers the layers of all
    # models of a process, and a resumed run must produce the same files.
    load_initial_weights(classifier, config, classes.names, classes.split)
    if classes.attributes is not None:
        pag_tf.zero_shot.set_classes(
            classifier, classes.attributes, temperature=config.attribute_temperature
        )
    path = folder / "checkpoint.npz"
    epoch = checkpoint.read_state(path).epoch if path.exists() and not overwrite else 0
    begins_frozen = config.frozen_epochs and epoch <= config.frozen_epochs
    frozen = freezing.backbone(classifier) if begins_frozen else []
    freezing.set_trainable(frozen, False)
    trainer = build_trainer(classifier, config, steps)
    check = _robustness_check(config, classes)
    if config.tensorboard:
        _check_tensorboard()
    run_folder.claim(folder, config, overwrite=overwrite)
    classes.write_files(folder / _CLASSES)
    state = _train(trainer, frozen, config, classes, check, path, steps)
    if _stopped_early(config, state):
        raise CatastrophicOverfittingError(
            f"Training stopped after epoch {state.epoch} of {config.epochs}: catastrophic "
            f"overfitting (see {folder / 'log.csv'}). Nothing was exported. Train again with "
            "on_overfitting=fall_back, attack=pgd or a smaller epsilon."
        )
    return _export(classifier, config, classes, folder, flags_text)


def _train(
    trainer: AdversarialModel,
    frozen: list[keras.Layer],
    config: TrainConfig,
    classes: TrainedClasses,
    check: RobustnessCheck | None,
    path: Path,
    steps_per_epoch: int,
) -> checkpoint.RunState:
    """Trains from the checkpoint, if there is one, to the last epoch or until it is stopped.

    Args:
        trainer: A new trainer.
        frozen: Layers that are frozen in it; those of `freezing.backbone` up to the checkpoint of
            the last frozen epoch, none after it.
        config, classes, check: Of the run.
        path: The checkpoint.
        steps_per_epoch: Number of batches.
    """
    state = _restored(path, trainer, check)
    if frozen and state.epoch < config.frozen_epochs and not _stopped_early(config, state):
        _fit(trainer, config, classes, state, check, path, config.frozen_epochs)
        if config.frozen_epochs < config.epochs:
            # As if resumed: at the end of `fit`, Keras replaces weights by their averages.
            state = _restored(path, trainer, check)
    if state.epoch < config.epochs and not _stopped_early(config, state):
        if frozen:
            trainer = _thawed(trainer, frozen, config, check, steps_per_epoch)
        _fit(trainer, config, classes, state, check, path, config.epochs)
    elif config.ema_momentum:
        trainer.optimizer.finalize_variable_values(trainer.trainable_weights)
    return state


def _restored(
    path: Path, trainer: AdversarialModel, check: RobustnessCheck | None
) -> checkpoint.RunState:
    if not path.exists():
        return checkpoint.RunState()
    state = checkpoint.restore(path, trainer)
    if check is not None and state.check:
        check.restore(state.check, trainer)
    return state


def _thawed(
    trainer: AdversarialModel,
    frozen: list[keras.Layer],
    config: TrainConfig,
    check: RobustnessCheck | None,
    steps_per_epoch: int,
) -> AdversarialModel:
    """Returns a trainer of all layers that goes on where that of the head ended."""
    freezing.set_trainable(frozen, True)
    thawed = build_trainer(trainer.classifier, config, steps_per_epoch)
    freezing.carry_over(trainer.optimizer, thawed.optimizer, trainer.classifier)
    if check is not None:
        check.restore(check.state(), thawed)  # a fall back to PGD
    return thawed


def build_trainer(
    classifier: keras.Model, config: TrainConfig, steps_per_epoch: int
) -> AdversarialModel:
    """Returns the compiled trainer of a run, with model and optimizer built."""
    augment = Augmentation(shift=config.augment_shift, flip=config.augment_flip)
    trainer = AdversarialModel(
        classifier,
        config.build_attack(),
        eps_warmup_steps=round(config.eps_warmup_epochs * steps_per_epoch),
        clean_fraction=config.clean_fraction,
        attack_batch_norm=config.attack_batch_norm,
        ema_momentum=config.ema_momentum or None,
        augment=augment,
        seed=config.seed,
        convolution_dtype=config.convolution_dtype,
    )
    optimizer = build_optimizer(classifier, config, steps_per_epoch)
    trainer.compile(optimizer, jit_compile=config.jit_compile)
    image = keras.ops.zeros((1, *classifier.input_shape[1:]))
    trainer(image, training=False)
    augment(image, RandomStream(0, 0))  # refuses a shift that is too large
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _fit(
    trainer: AdversarialModel,
    config: TrainConfig,
    classes: TrainedClasses,
    state: checkpoint.RunState,
    check: RobustnessCheck | None,
    path: Path,
    epochs: int,
) -> None:
    batches, steps = _batches(config, classes, state.epoch)
    callbacks: list[keras.callbacks.Callback] = [StopOnNaN()]
    if check is not None:
        callbacks.append(check)
    callbacks.append(Checkpoint(path, state, check))
    if config.tensorboard:
        callbacks += _tensorboard(path.with_name("tensorboard"), check)
    trainer.fit(
        batches if hasattr(batches, "element_spec") else _generator(batches),
        shuffle=False,  # the stream is already shuffled
        steps_per_epoch=steps,
        initial_epoch=state.epoch,
        epochs=epochs,
        callbacks=callbacks,
    )


def _batches(config: TrainConfig, classes: TrainedClasses, first_epoch: int) -> tuple[Any, int]:
    batches, steps = pag_tf.data.batches(
        config.dataset,
        config.train_split,
        config.data_dir or None,
        batch_size=config.batch_size,
        seed=config.seed,
        first_epoch=first_epoch,
        image_size=config.image_size or None,
        fit=config.resolved_train_fit,
        class_split=classes.split,
    )
    return classes.relabelled(batches), steps


def _generator(batches: Any) -> Iterator[Any]:
    # Keras accepts Python generators, but not every iterable.
    yield from batches


def _robustness_check(config: TrainConfig, classes: TrainedClasses) -> RobustnessCheck | None:
    if not config.validation_split:
        return None
    split = pag_tf.data.batches(
        config.dataset,
        config.validation_split,
        config.data_dir or None,
        batch_size=min(config.check_images, 50),
        seed=0,
        image_size=config.image_size or None,
        fit=config.fit,
        class_split=classes.split,
    )[0]
    taken = list(itertools.islice(classes.relabelled(split), -(-config.check_images // 50)))
    images = np.concatenate([np.asarray(image) for image, _ in taken])[: config.check_images]
    labels = np.concatenate([np.asarray(label) for _, label in taken])[: config.check_images]
    return RobustnessCheck(
        images,
        labels,
        steps=config.check_steps,
        on_overfitting=config.on_overfitting,
        fall_back_steps=config.attack_steps,
    )


def _stopped_early(config: TrainConfig, state: checkpoint.RunState) -> bool:
    return config.on_overfitting == "stop" and bool(state.check.get("overfitted"))


def _check_tensorboard() -> None:
    try:
        import tensorboard  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        raise ValueError(
            "tensorboard=True needs the package tensorboard: pip install 'pag_tf[tensorboard]'."
        ) from None


def _tensorboard(folder: Path, check: RobustnessCheck | None) -> list[keras.callbacks.Callback]:
    callbacks: list[keras.callbacks.Callback] = [keras.callbacks.TensorBoard(str(folder))]
    if check is not None:
        callbacks.append(GradientImages(folder / "gradients", check.images[:8], check.labels[:8]))
    return callbacks


def _export(
    classifier: keras.Model,
    config: TrainConfig,
    classes: TrainedClasses,
    folder: Path,
    flags_text: str,
) -> Path:
    recorded = config.without_folders().to_dict()
    training = {n: v for n, v in recorded.items() if n not in _PLACES} | dict(classes.files)
    if classes.split is not None:
        training["class_split"] = classes.split.name.partition(", ")[0]  # without its fold
    name = pag_tf.zoo.entry_id(config.dataset, config.arch, config.threat)
    entry = folder / "entry"
    pag_tf.zoo.write_entry(
        entry,
        classifier,
        entry_id="-".join([name, *_part_of_classes(training)]),
        dataset=config.dataset,
        class_names=classes.names,
        architecture={
            "name": config.arch,
            "num_classes": len(classes.names),
            "image_shape": list(classifier.input_shape[1:]),
            "options": config.options | classes.head_options,
        },
        threat=config.threat,
        training=training,
        flags_text=flags_text,
        overwrite=True,
    )
    return entry


def _part_of_classes(training: Mapping[str, Any]) -> list[str]:
    """Returns the parts of an entry's id that name its class split and fold, if any."""
    split, number = training["class_split"], training["class_split_fold"]
    return [split, *([f"fold-{number}"] if number else [])] if split else []
