"""The frozen record of one model of the zoo: the content of `pag.json`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pag_tf.core.config import EVALUATION_FITS, fit_name
from pag_tf.core.threat_model import ThreatModel
from pag_tf.models.architecture import APPLICATION, MOST_CLASSES, MOST_PIXELS
from pag_tf.models.options import shown
from pag_tf.zoo import fields, metric
from pag_tf.zoo.metric import Metric

# Format 2 adds entries that Keras builds from their configuration; all others stay format 1.
BUILT_BY_PAG_TF, BUILT_BY_KERAS = 1, 2
WEIGHTS_FILE, CONFIG_FILE = "model.weights.h5", "config.json"
BUNDLED = "bundled"  # the source of the models that come with the package


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """The arguments of `pag_tf.models.build`.

    Attributes:
        name: Such as `"resnet"`. Whether it exists is checked where it is built.
        num_classes: Number of logits.
        image_shape: `(height, width, channels)`, pixels.
        options: The other arguments, plain JSON values.

    Raises:
        ValueError: A value of the wrong type or out of range; the message names the field.
    """

    name: str
    num_classes: int
    image_shape: tuple[int, int, int]
    options: dict[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        fields.name(_without_prefix(self.name), "architecture.name")
        fields.whole(self.num_classes, "architecture.num_classes", low=1, high=MOST_CLASSES)
        shape = fields.array(self.image_shape, "architecture.image_shape")
        if len(shape) != 3:
            raise ValueError(
                "architecture.image_shape: expected [height, width, channels], "
                f"got {len(shape)} numbers."
            )
        for side in shape:
            fields.whole(side, "architecture.image_shape", low=1, high=MOST_PIXELS)
        object.__setattr__(self, "image_shape", shape)
        options = fields.json_object(self.options, "architecture.options")
        object.__setattr__(self, "options", options)

    @classmethod
    def from_json(cls, raw: Any) -> Architecture:
        """Reads the field `architecture`; see the class for what is raised."""
        raw = fields.json_object(raw, "architecture")
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: fields.take(raw, name, within="architecture.") for name in names})


@dataclasses.dataclass(frozen=True, kw_only=True)
class KerasConfig:
    """The `config.json` of an entry whose model `pag_tf.models.build` does not make.

    Attributes:
        sha256: SHA-256 of the file, hexadecimal.
        bytes: Size of the file.

    Raises:
        ValueError: A value of the wrong type or out of range; the message names the field.
    """

    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        fields.sha256(self.sha256, "keras_config.sha256")
        fields.whole(self.bytes, "keras_config.bytes", low=1, high=10**9)


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Entry:
    """One model of the zoo. Reading one does not import TensorFlow; nor does it read the weights.

    Attributes:
        id: Name of the entry, also valid as a folder and Hub repository name.
        dataset: Name of the data set it was trained on.
        threat: Threat model of the training attack; epsilon 0 is standard training.
        architecture: Arguments of `pag_tf.models.build`; with `keras_config`, the name, input and
            output of the model.
        class_names: One name for each logit, in order.
        metrics: Measurements of the model.
        training: The training configuration, plain JSON.
        license: SPDX identifier in lower case.
        weights_sha256: SHA-256 of the weight file, hexadecimal.
        weights_bytes: Size of the weight file.
        folder: Folder of its files.
        keras_config: The configuration that Keras builds it from; None: `pag_tf.models.build`
            builds it from `architecture`.
        source: Origin: `"bundled"`, `"folder"` for a path given by the user, or
            `"hf:namespace/name@commit"`.

    Raises:
        ValueError: A value of the wrong type or out of range; the message names the field.
    """

    id: str
    dataset: str
    threat: ThreatModel
    architecture: Architecture
    class_names: tuple[str, ...]
    metrics: tuple[Metric, ...]
    training: dict[str, Any] = dataclasses.field(hash=False)
    license: str
    weights_sha256: str
    weights_bytes: int
    folder: Path
    source: str = "folder"
    keras_config: KerasConfig | None = None

    def __post_init__(self) -> None:
        fields.name(self.id, "id")
        fields.dataset(self.dataset, "dataset")
        fields.name(self.license, "license")
        object.__setattr__(self, "threat", fields.threat(self.threat, "threat_model"))
        object.__setattr__(self, "training", fields.json_object(self.training, "training"))
        object.__setattr__(self, "class_names", self._checked_class_names())
        object.__setattr__(self, "metrics", metric.checked(self.metrics))
        fields.sha256(self.weights_sha256, "weights.sha256")
        fields.whole(self.weights_bytes, "weights.bytes", low=1, high=10**12)

    def _checked_class_names(self) -> tuple[str, ...]:
        names = fields.array(self.class_names, "class_names")
        if len(names) != self.architecture.num_classes:
            raise ValueError(
                f"class_names: expected {self.architecture.num_classes} names "
                f"(architecture.num_classes), got {len(names)}."
            )
        return tuple(fields.line(text, f"class_names[{i}]") for i, text in enumerate(names))

    def __str__(self) -> str:
        """Returns a name that `pag_tf.zoo.load` takes: the id of a bundled model."""
        if self.source == BUNDLED:
            return self.id
        return self.source if self.source.startswith("hf:") else str(self.folder.absolute())

    def __repr__(self) -> str:
        return (
            f"<Entry {self.id}: data set {self.dataset}, {len(self.class_names)} classes, "
            f"{self.arch}, {self.threat}, {self.source}>"
        )

    @property
    def arch(self) -> str:
        """Name of the architecture."""
        return self.architecture.name

    def order(self) -> tuple[str, float, str, str, str]:
        """Returns the sort key of lists: data set, epsilon, norm, architecture, id."""
        return self.dataset, self.threat.eps, self.threat.norm, self.arch, self.id

    @property
    def weights_path(self) -> Path:
        """The weight file, which for an entry of the Hub exists once the weights were fetched."""
        return self.folder / WEIGHTS_FILE

    def image_fit(self) -> tuple[int, str]:
        """Returns `(image_size, fit)` of its training for `data.load`; 0: as the data set has it.

        Entries of older versions record neither: they were trained at the data set's own size.

        Raises:
            ValueError: Something else is recorded.
        """
        size = self.training.get("image_size", 0)
        fit = fit_name(self.training.get("fit", "whole"))
        whole = isinstance(size, int) and not isinstance(size, bool)
        if not whole or size < 0 or fit not in EVALUATION_FITS:
            raise ValueError(
                f"pag.json of {self.id} records image_size={size!r} and fit={fit!r} of its "
                "training: expected a whole number of pixels and one of "
                f"{', '.join(EVALUATION_FITS)}. Fetch the folder again."
            )
        return size, fit

    @classmethod
    def from_json(cls, raw: Any, *, folder: Path, source: str = "folder") -> Entry:
        """Reads the content of `pag.json`. Fields it does not know are ignored.

        Raises:
            ValueError: A field missing, of the wrong type or out of range; an unknown format.
        """
        raw = fields.json_object(raw, "pag.json")
        with_config = _read_format(raw) == BUILT_BY_KERAS
        weights = fields.json_object(fields.take(raw, "weights"), "weights")
        if weights.get("file") != WEIGHTS_FILE:
            raise ValueError(
                f"weights.file: only {WEIGHTS_FILE!r} is allowed, got {shown(weights.get('file'))}."
            )
        return cls(
            architecture=Architecture.from_json(fields.take(raw, "architecture")),
            metrics=metric.read_list(fields.take(raw, "metrics")),
            threat=fields.take(raw, "threat_model"),
            weights_sha256=fields.take(weights, "sha256", within="weights."),
            weights_bytes=fields.take(weights, "bytes", within="weights."),
            folder=folder,
            source=source,
            keras_config=_read_config(raw) if with_config else None,
            **{key: fields.take(raw, key) for key in _SAME_IN_JSON},
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the content of `pag.json`."""
        raw = {key: getattr(self, key) for key in _SAME_IN_JSON}
        config = self.keras_config
        return (
            {"format": BUILT_BY_PAG_TF if config is None else BUILT_BY_KERAS}
            | raw
            | {
                "class_names": list(self.class_names),
                "architecture": fields.json_object(
                    dataclasses.asdict(self.architecture), "architecture"
                ),
                "threat_model": str(self.threat),
                "metrics": [each.to_json() for each in self.metrics],
                "weights": {
                    "file": WEIGHTS_FILE,
                    "sha256": self.weights_sha256,
                    "bytes": self.weights_bytes,
                },
            }
            | (
                {}
                if config is None
                else {"keras_config": {"file": CONFIG_FILE} | dataclasses.asdict(config)}
            )
        )


_SAME_IN_JSON = ("id", "dataset", "class_names", "training", "license")


def entry_id(dataset: str, arch: str, threat: ThreatModel) -> str:
    """Returns the usual id of a model, one for each triple of arguments.

    `application:ResNet50` and `resnet50` make the same id; so do `application:VGG16` and `vgg16`.

    Raises:
        ValueError: The names do not make a folder name.

    >>> entry_id("cifar10", "resnet", ThreatModel.parse("2/255"))
    'cifar10-resnet-linf-2-255'
    >>> entry_id("cifar10", "resnet", ThreatModel.parse("l2:0.5"))
    'cifar10-resnet-l2-0.5'
    >>> entry_id("cifar10", "resnet", ThreatModel.parse("0"))
    'cifar10-resnet-natural'
    >>> entry_id("cifar10", "application:MobileNetV2", ThreatModel.parse("2/255"))
    'cifar10-mobilenetv2-linf-2-255'
    >>> entry_id("folder:flowers", "resnet", ThreatModel.parse("0"))
    'flowers-resnet-natural'
    """
    eps = "natural" if threat.eps == 0 else f"{threat.norm}-{threat.eps_text.replace('/', '-')}"
    data = fields.slug(fields.dataset(dataset, "dataset"))
    text = f"{data}-{fields.name(_without_prefix(arch), 'arch')}-{eps}"
    return fields.name(text.replace("e+", "e"), "id")


def _without_prefix(arch: Any) -> Any:
    """Returns `application:<Name>` in the letters of ids, and anything else as it is."""
    if isinstance(arch, str) and re.fullmatch(f"{APPLICATION}[A-Za-z0-9]+", arch, re.ASCII):
        return arch.removeprefix(APPLICATION).lower()
    return arch


def _read_format(raw: Mapping[str, Any]) -> int:
    found = fields.take(raw, "format")
    known = f"{BUILT_BY_PAG_TF} or {BUILT_BY_KERAS}"
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise ValueError(f"format: expected the whole number {known}, got {shown(found)}.")
    if found > BUILT_BY_KERAS:
        raise ValueError(
            f"format: this version of pag_tf reads format {known}, the folder has format "
            f"{shown(found)}. Install a newer pag_tf."
        )
    return found


def _read_config(raw: Mapping[str, Any]) -> KerasConfig:
    config = fields.json_object(fields.take(raw, "keras_config"), "keras_config")
    if config.get("file") != CONFIG_FILE:
        raise ValueError(
            f"keras_config.file: only {CONFIG_FILE!r} is allowed, got {shown(config.get('file'))}."
        )
    names = [field.name for field in dataclasses.fields(KerasConfig)]
    return KerasConfig(**{n: fields.take(config, n, within="keras_config.") for n in names})
