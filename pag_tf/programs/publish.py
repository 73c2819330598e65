"""Publishes a trained model on the Hugging Face Hub, after checking its claimed accuracies.

pag-publish --run=runs/mine --repo_id=me/cifar10-resnet-linf-2-255 --create
pag-publish --run=zoo/shapes-resnet-natural --repo_id=me/shapes --dry_run

pag-publish --run=my_model.keras --dataset=mine --class_names=cat,dog \
    --threat_model=2/255 --repo_id=me/mine --create

Log in once with `hf auth login`, or set HF_TOKEN. HF_ENDPOINT names another Hub; one without Xet
storage needs HF_HUB_DISABLE_XET=1. After an interruption, run the same command again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pag_tf.core import dataclass_flags
from pag_tf.core.config import option
from pag_tf.core.files import user_path


@dataclasses.dataclass(frozen=True)
class PublishConfig:
    """What is published, and where."""

    run: str = option(
        "", "Folder of a training run (its entry/ is published), a zoo folder, or a .keras file."
    )
    repo_id: str = option("", "The repository: namespace/name.")
    create: bool = option(False, "Create the repository if it does not exist.")
    private: bool = option(False, "Make a new repository private.")
    revision: str = option("", "The branch; empty: the main branch.")
    message: str = option("", "Commit message; empty: made from the name of the model.")
    check_images: int = option(
        300, "Test images on which the claimed accuracies are checked first; 0: none."
    )
    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA, then TFDS' own folder.")
    dry_run: bool = option(False, "Write folder and card to --output and publish nothing.")
    dataset: str = option("", "Of a .keras file: name of the data set it was trained on.")
    class_names: str = option("", "Of a .keras file: cat,dog in the order of the logits.")
    threat_model: str = option("", "Of a .keras file: what it was trained for, as 2/255; 0: none.")
    license: str = option("apache-2.0", "Of a .keras file: SPDX identifier in lower case.")
    output: str = option("", "Folder of a dry run; empty: runs/publish/<name of the repository>.")


def main(_: list[str]) -> None:
    """Flags to PublishConfig to one library call."""
    import pag_tf

    logging.basicConfig(format="%(levelname)s %(message)s")
    config = dataclass_flags.read(PublishConfig)
    with _folder(config) as folder:
        made = pag_tf.zoo.publish(
            folder,
            config.repo_id,
            create=config.create,
            private=config.private or None,
            revision=config.revision or None,
            message=config.message or None,
            check_images=config.check_images,
            data_dir=config.data_dir or None,
            dry_run=_output(config) if config.dry_run else None,
        )
    for claim in made.claims:
        print(f"holds: {claim}")
    if made.not_compared:
        print(f"metrics not compared with images: {made.not_compared}")
    if made.commit is None:
        print(f"dry run: wrote {made.url}, published nothing. Look at {made.url}/README.md")
    else:
        print(f"published {made.entry.id} as {made.url}")
    print(f"load it with\n  {made.how_to_load}")


@contextlib.contextmanager
def _folder(config: PublishConfig) -> Iterator[Path]:
    """Yields the zoo folder that is published; that of a .keras file is a temporary one."""
    if not config.run:
        raise ValueError(
            "--run is needed: the folder of a training run, a zoo folder, or a .keras file."
        )
    run, facts = user_path(config.run), (config.dataset, config.class_names, config.threat_model)
    if run.suffix != ".keras":
        if any(facts):
            raise ValueError(
                "--dataset, --class_names and --threat_model describe a .keras file, but a zoo "
                f"folder records them: leave them out, or name a .keras file instead of {run}."
            )
        yield run / "entry" if (run / "entry").is_dir() else run
        return
    if not all(facts):
        raise ValueError(
            f"{run} does not say what it was trained on: give --dataset, --class_names and "
            "--threat_model."
        )
    import pag_tf

    with tempfile.TemporaryDirectory() as temporary:
        entry = pag_tf.zoo.write_entry(
            Path(temporary, "entry"),
            run,
            dataset=config.dataset,
            class_names=[name.strip() for name in config.class_names.split(",")],
            threat=config.threat_model,
            license=config.license,
        )
        yield entry.folder


def _output(config: PublishConfig) -> Path:
    return user_path(config.output or Path("runs", "publish", config.repo_id.replace("/", "-")))


def run() -> None:
    """Starts the program with the arguments of the command line."""
    dataclass_flags.define(PublishConfig)
    dataclass_flags.run(main)
