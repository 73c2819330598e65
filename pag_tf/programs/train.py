"""Trains a classifier on clean or adversarial images, and exports it as a zoo folder.

    pag-train --dataset=shapes --threat_model=linf:2/255 --output=runs/shapes-2
    pag-train --flagfile=zoo/<entry>/train.flags --output=runs/again --resume

An interrupted run continues with the same command and --resume.
"""

from __future__ import annotations

from absl import flags

from pag_tf.core import dataclass_flags
from pag_tf.training.config import TrainConfig


def main(_: list[str]) -> None:
    """Flags to TrainConfig to one library call."""
    from pag_tf.training import CatastrophicOverfittingError, train

    config = dataclass_flags.read(TrainConfig)
    recorded = config.without_folders()
    lines = dataclass_flags.flag_lines(recorded, leave_out=("output", "data_dir", "tensorboard"))
    try:
        entry = train(
            config, resume=flags.FLAGS.resume, overwrite=flags.FLAGS.overwrite, flags_text=lines
        )
    except CatastrophicOverfittingError as error:
        raise SystemExit(f"error: {error}") from error
    print(f"Exported {entry}")


def run() -> None:
    """Starts the program with the arguments of the command line."""
    dataclass_flags.define(TrainConfig)
    flags.DEFINE_bool("resume", False, "Continue the run in --output, or start it.")
    flags.DEFINE_bool("overwrite", False, "Delete the run in --output and start over.")
    dataclass_flags.run(main)
