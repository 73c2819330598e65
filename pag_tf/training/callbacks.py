"""Callbacks that run after each epoch: robustness check, early stop, checkpoint, logs."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pag_tf.attacks import FGSM, PGD, loss_gradient, robust_accuracy
from pag_tf.core import backend, files
from pag_tf.training import checkpoint
from pag_tf.training.adversarial_model import AdversarialModel

# Catastrophic overfitting is sudden: PGD accuracy falls to near zero within an epoch or two, while
# accuracy under the one-step training attack stays high (Wong et al. 2020, section 5.4).
_COLLAPSE = 0.5


class CatastrophicOverfittingError(RuntimeError):
    """Raised when one-step training lost its robustness and was stopped; nothing was exported."""


class RobustnessCheck(keras.callbacks.Callback):
    """Measures clean and PGD accuracy on held-out images after each epoch.

    Adds `check_clean_accuracy` and `check_pgd_accuracy`, in [0, 1], to the epoch's logs. One-step
    training has overfitted catastrophically when PGD accuracy falls below half of its best value
    and below half of the accuracy under FGSM.

    Args:
        images: float32 `[N, H, W, C]` in [0, 1], not part of the training images.
        labels: Integer `[N]`.
        steps: PGD steps.
        on_overfitting: `"stop"` training, `"fall_back"` to PGD training, or only `"warn"`.
        fall_back_steps: PGD steps of the fall-back.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        steps: int = 10,
        on_overfitting: str = "stop",
        fall_back_steps: int = 7,
    ) -> None:
        super().__init__()
        if on_overfitting not in ("stop", "fall_back", "warn"):
            raise ValueError(
                f"on_overfitting must be stop, fall_back or warn, got {on_overfitting!r}."
            )
        self.images, self.labels, self.steps = images, labels, steps
        self.on_overfitting, self.fall_back_steps = on_overfitting, fall_back_steps
        self.best, self.fell_back, self.overfitted = 0.0, False, False

    def state(self) -> dict[str, Any]:
        """Returns the state that a resumed run restores."""
        return {"best": self.best, "fell_back": self.fell_back, "overfitted": self.overfitted}

    def restore(self, state: dict[str, Any], trainer: AdversarialModel) -> None:
        """Restores a state that `state()` returned."""
        self.best = state["best"]
        self.fell_back, self.overfitted = state["fell_back"], state["overfitted"]
        if self.fell_back:
            trainer.attack = PGD(trainer.attack.threat, self.fall_back_steps)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measures and reacts to catastrophic overfitting; does nothing if training diverged."""
        trainer, logs = self.model, logs if logs is not None else {}
        if _diverged(trainer, logs):
            return
        threat = trainer.attack.threat
        attacks = [PGD(threat, self.steps), FGSM(threat)] if threat.eps else []
        size = min(250, len(self.images))
        report = robust_accuracy(
            trainer.classifier, (self.images, self.labels), attacks, batch_size=size, progress=False
        )
        logs["check_clean_accuracy"] = report.clean_accuracy
        if not attacks:
            return
        pgd, fgsm = (result.accuracy for result in report.attacks)
        logs["check_pgd_accuracy"] = pgd
        collapsed = pgd < _COLLAPSE * self.best and pgd < _COLLAPSE * fgsm
        self.best = max(self.best, pgd)
        if collapsed and not self.fell_back:
            self._act(epoch, pgd, fgsm)

    def _act(self, epoch: int, pgd: float, fgsm: float) -> None:
        self.overfitted = True
        message = (
            f"Catastrophic overfitting in epoch {epoch + 1}: accuracy on held-out images is "
            f"{fgsm:.1%} under FGSM but {pgd:.1%} under PGD-{self.steps} (best so far "
            f"{self.best:.1%}). "
        )
        if self.on_overfitting == "fall_back":
            self.fell_back = True
            self.model.attack = PGD(self.model.attack.threat, self.fall_back_steps)
            self.model.make_train_function(force=True)
            message += f"Training goes on with PGD, {self.fall_back_steps} steps."
        else:
            message += "Train with attack='pgd', a smaller epsilon or a smaller learning rate."
            self.model.stop_training = self.on_overfitting == "stop"
        warnings.warn(message, stacklevel=2)


class StopOnNaN(keras.callbacks.Callback):
    """Stops training when the loss or, after an epoch, a weight is not finite.

    Raises:
        FloatingPointError: At the end of training; the message names the epoch and the remedy.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failed_epoch: int | None = None
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks the running loss."""
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(float(loss)):
            self.failed_epoch = self.epoch
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks the weights: the loss of the last step was computed before its update."""
        if _diverged(self.model, logs or {}):
            self.failed_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Raises if training stopped for this reason."""
        if self.failed_epoch is not None:
            raise FloatingPointError(
                f"The loss or the weights became NaN or infinite in epoch {self.failed_epoch + 1}. "
                "The weights saved after the last good epoch are kept. Try a smaller learning "
                "rate, or check the images and labels."
            )


class Checkpoint(keras.callbacks.Callback):
    """Saves the run after each epoch that has not diverged, and rewrites `log.csv` beside it.

    Args:
        path: The checkpoint file.
        state: The run's state, updated after each epoch.
        check: The robustness check whose state is saved with the run, or None.
    """

    def __init__(
        self, path: Path, state: checkpoint.RunState, check: RobustnessCheck | None
    ) -> None:
        super().__init__()
        self.path, self.state, self.check = path, state, check

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves the run, unless the loss or a weight is not finite."""
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        if _diverged(self.model, numbers):
            return
        self.state.epoch = epoch + 1
        self.state.history.append({"epoch": epoch + 1, **numbers})
        self.state.check = self.check.state() if self.check else {}
        checkpoint.save(self.path, self.model, self.state)
        write_csv(self.path.with_name("log.csv"), self.state.history)


class GradientImages(keras.callbacks.Callback):
    """Writes input gradients of sample images to TensorBoard after each epoch.

    Args:
        writer_folder: TensorBoard folder.
        images: float32 `[N, H, W, C]`.
        labels: Integer `[N]`.
    """

    def __init__(self, writer_folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
        super().__init__()
        self.folder, self.images, self.labels = writer_folder, images, labels
        self.step: Callable[..., Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes images and their gradients side by side, each gradient on its own scale."""
        import tensorflow as tf

        if self.step is None:
            self.step = backend.compiled(loss_gradient, self.model.classifier)
            self.writer = tf.summary.create_file_writer(str(self.folder))
        gradient = np.asarray(self.step(tf.constant(self.images), tf.constant(self.labels))[0])
        scale = np.percentile(np.abs(gradient), 99, axis=(1, 2, 3), keepdims=True)
        shown = np.clip(0.5 + 0.5 * gradient / np.maximum(scale, 1e-12), 0, 1)
        with self.writer.as_default(step=epoch + 1):
            pairs = np.concatenate([self.images, shown], axis=2)
            tf.summary.image("image | input gradient", pairs, max_outputs=len(pairs))
        self.writer.flush()


def _diverged(model: keras.Model, logs: dict[str, Any]) -> bool:
    """Returns True if the loss of an epoch, or a weight at its end, is not finite."""
    if not np.isfinite(float(logs.get("loss", 0.0))):
        return True
    return not all(np.isfinite(keras.ops.convert_to_numpy(w)).all() for w in model.weights)


def write_csv(path: Path, history: list[dict[str, float]]) -> None:
    """Writes the history with one line per epoch, replacing the file atomically."""
    names = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(history)
    files.write_whole(path, lambda file: file.write(text.getvalue().encode()))
