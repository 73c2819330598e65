"""Times the reading of image folders and TFDS copies beside Keras and TFDS, and weighs memory.

python benchmarks/reading.py --folder=imagenette2/train --image_size=224 --rounds=5
python benchmarks/reading.py --generated=100000

The first command reads a folder of classes with `image_dataset_from_directory` and with
`pag_tf.data`, in turn, and prints images per second (medians) and their ratio: decoded and resized
images in batches, nothing else. With --tfds, also the same images from a copy that TFDS prepared,
by TFDS and by `pag_tf.data`. The second generates so many small images, reads each once, and prints
the highest memory of the process; each size takes a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BATCH = 64


def keras_reader(folder: Path, size: int) -> Callable[[], Any]:
    """Reads with Keras, which resizes bilinearly without antialiasing."""
    import keras

    return lambda: keras.utils.image_dataset_from_directory(
        folder, image_size=(size, size), batch_size=BATCH, shuffle=False, verbose=False
    ).map(lambda image, label: (image / 255.0, label))


def our_reader(name: str, size: int, data_dir: str | None = None) -> Callable[[], Any]:
    """Reads all splits of a data set with pag_tf."""
    import pag_tf

    splits = pag_tf.data.info(name, data_dir).splits

    def read() -> Any:
        parts = [
            pag_tf.data.load(
                name, split, data_dir, batch_size=BATCH, image_size=size, as_supervised=True
            )
            for split in splits
        ]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined.concatenate(part)
        return joined

    return read


def tfds_reader(folder: Path, name: str, size: int) -> Callable[[], Any]:
    """Reads with TFDS alone, resized as `pag_tf` does."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(folder / name / "1.0.0")

    def resized(example: Any) -> Any:
        image = tf.cast(example["image"], tf.float32) / 255.0
        return tf.image.resize(image, [size, size], antialias=True), example["label"]

    def read() -> Any:
        records = builder.as_dataset(split="train")
        records = records.map(resized, num_parallel_calls=tf.data.AUTOTUNE)
        return records.batch(BATCH).prefetch(tf.data.AUTOTUNE)

    return read


def prepare(folder: Path, images: Path) -> None:
    """Writes the images of a folder as a TFDS copy, encoded as they are."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    classes = sorted(path.name for path in images.iterdir() if path.is_dir())
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names=classes),
        }
    )
    files = [(str(p), i) for i, c in enumerate(classes) for p in sorted((images / c).iterdir())]

    def decoded(path: Any, label: Any) -> Any:
        return {"image": tf.io.decode_jpeg(tf.io.read_file(path), channels=3), "label": label}

    paths, labels = zip(*files, strict=True)
    made = tf.data.Dataset.from_tensor_slices((list(paths), list(labels))).map(decoded)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="copy", version="1.0.0", features=features, split_datasets={"train": made},
        data_dir=folder,
    )  # fmt: skip


def seconds(read: Callable[[], Any]) -> tuple[float, int]:
    """Returns the seconds from the first batch to the last, and the images in between."""
    batches = iter(read())
    next(batches)
    started, count = time.perf_counter(), 0
    for images, _ in batches:
        count += len(images)
    return time.perf_counter() - started, count


def compared(readers: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """Returns images per second of each, in turn, and their medians."""
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for number in range(rounds):
        for name in sorted(readers, reverse=bool(number % 2)):
            taken, count = seconds(readers[name])
            rates[name].append(count / taken)
    return {name: round(statistics.median(each), 1) for name, each in rates.items()}


def generate(folder: Path, count: int) -> None:
    """Writes small PNG files, each different, in ten classes."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for label in range(10):
        (folder / f"class {label}").mkdir()
    for number in range(count):
        pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"class {number % 10}" / f"{number:07d}.png")


def memory(count: int) -> dict[str, Any]:
    """Reads generated images; returns seconds and the highest memory in MiB."""
    import pag_tf

    with tempfile.TemporaryDirectory() as place:
        generate(Path(place), count)
        started = time.perf_counter()
        info = pag_tf.data.info(f"folder:{place}")
        listed = time.perf_counter() - started
        read = 0
        for split in info.splits:
            data = pag_tf.data.load(f"folder:{place}", split, batch_size=BATCH, image_size=16)
            read += sum(len(batch["image"]) for batch in data)
        return {
            "images": read,
            "listed_s": round(listed, 2),
            "read_s": round(time.perf_counter() - started - listed, 1),
            "highest_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--image_size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tfds", action="store_true")
    parser.add_argument("--generated", type=int, default=0)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if arguments.generated:
        print(json.dumps(memory(arguments.generated)))
        return
    folder, size = arguments.folder.resolve(), arguments.image_size
    pair = {"keras": keras_reader(folder, size), "pag_tf": our_reader(f"folder:{folder}", size)}
    print(json.dumps(compared(pair, arguments.rounds)))
    if arguments.tfds:
        with tempfile.TemporaryDirectory() as place:
            prepare(Path(place), folder)
            both = {
                "tfds": tfds_reader(Path(place), "copy", size),
                "pag_tf": our_reader("tfds:copy", size, place),
            }
            print(json.dumps(compared(both, arguments.rounds)))


if __name__ == "__main__":
    main()
