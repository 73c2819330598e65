"""Caltech-UCSD Birds as TFDS prepares it, written once as files in the official layout.

TFDS stores the images in an order of its own, one behind the other; as files they can be read by
index, shuffled and split like the official archive. Images and masks are copied as they are, not
encoded again.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from pag_tf.data import tfds_copy
from pag_tf.data.archives import checked_name
from pag_tf.data.sources import jpeg_size
from pag_tf.data.unpacking import cached_folder

VERSION = "0.2.0"


def official_layout(prepared: Path) -> Path:
    """Returns the folder with CUB_200_2011/ and segmentations/ of a copy prepared by TFDS.

    The first call writes it, into the cache that archives are unpacked to.
    """
    description = prepared / "dataset_info.json"
    status = description.stat()
    identity = f"tfds:{prepared.resolve()}:{status.st_size}:{status.st_mtime_ns}"

    def write(folder: Path) -> None:
        _write(_examples(prepared), folder)

    return cached_folder("caltech_birds2011", identity, prepared, write)


def _examples(prepared: Path) -> Any:
    """Yields (is_train, example) pairs; images and masks stay encoded."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(prepared)
    tfds_copy.check(builder, {"train": None, "test": None})
    encoded = {key: tfds.decode.SkipDecoding() for key in ("image", "segmentation_mask")}
    for split in ("train", "test"):
        dataset = builder.as_dataset(
            split=split,
            decoders=encoded,
            shuffle_files=False,
            read_config=tfds.ReadConfig(try_autocache=False),
        )
        for example in dataset.as_numpy_iterator():
            yield split == "train", example


def _write(examples: Any, folder: Path) -> None:
    root = folder / "CUB_200_2011"
    classes: dict[int, str] = {}
    lines: dict[str, list[str]] = defaultdict(list)
    for number, (is_train, example) in enumerate(examples, start=1):
        name = checked_name(example["image/filename"].decode(), folder)
        path = "/".join(name.split("/")[-2:])  # <class folder>/<file>
        data = example["image"]
        height, width = jpeg_size(data, path)
        ymin, xmin, ymax, xmax = map(float, example["bbox"])
        box = (xmin * width, ymin * height, (xmax - xmin) * width, (ymax - ymin) * height)
        label = int(example["label"]) + 1
        classes[label] = path.partition("/")[0]
        lines["images"].append(f"{number} {path}")
        lines["image_class_labels"].append(f"{number} {label}")
        lines["train_test_split"].append(f"{number} {int(is_train)}")
        lines["bounding_boxes"].append(f"{number} {' '.join(map(repr, box))}")
        _write_file(root / "images" / path, data)
        mask = folder / "segmentations" / path
        _write_file(mask.with_suffix(".png"), example["segmentation_mask"])
    lines["classes"] = [f"{label} {name}" for label, name in sorted(classes.items())]
    for name, rows in lines.items():
        _write_file(root / f"{name}.txt", "".join(f"{row}\n" for row in rows).encode())


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
