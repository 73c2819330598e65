"""Everything that decides what a measurement does: one frozen dataclass of plain values for each.

Fields that several share are defined once, in the classes at the top. Each field's meaning and unit
is in its `help` metadata, which becomes the text of the script's flag.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, TypeVar

from pag_tf import data, explain
from pag_tf.core.config import FIT_HELP, fit_name, option
from pag_tf.core.threat_model import ThreatModel
from pag_tf.data.named import place_data
from pag_tf.measure.keras_file import KerasFile, SizedKerasFile

AUTO = "auto"
PREDICTED = "predicted"
PREDICTED_SEEN = "predicted_seen"
TARGETS = (PREDICTED, "label", PREDICTED_SEEN)
FROZEN = ("eszsl", "ale")  # bilinear models on an entry's frozen features

# Fields that change no number: a run may differ in them from the one that it resumes.
PLACES = ("output", "data_dir", "cases", "attribute_maps", "overwrite", "update_entry")
# Fields that a result, which may be copied elsewhere, does not record.
FOLDERS = ("output", "data_dir")

Data = TypeVar("Data", bound="DataChoice")


@dataclasses.dataclass(frozen=True)
class ModelChoice(KerasFile):
    """Which model is measured: an entry of the zoo, or a file."""

    dataset: str = option("", "Data set of the zoo entry; --entry names its own.")
    eps: str = option(
        "2/255",
        "What the zoo entry was trained within: epsilon in units of pixels in [0, 1], such as "
        "2/255, or a threat model, such as l2:0.5; 0: standard training.",
    )
    norm: str = option("linf", "Norm of the zoo entry, linf or l2, where eps names none.")
    arch: str = option("", "Architecture of the zoo entry, where there are several.")
    entry: str = option("", "Folder of an entry to measure instead of a bundled one.")

    @property
    def threat(self) -> ThreatModel:
        """The threat model that `eps` and `norm` name.

        Raises:
            ValueError: Not a threat model, or two norms.
        """
        norm = None if self.norm == "linf" else self.norm
        return ThreatModel.parse(self.eps, norm=norm, default_norm=self.norm)


@dataclasses.dataclass(frozen=True)
class DataChoice:
    """Which images are measured, and how they come to the size that the model takes."""

    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA, then TFDS' own folder.")
    split: str = option("test", "Images to measure on, such as 'test[:1000]'.")
    image_size: int = option(
        0,
        "Height and width that images are brought to, in pixels; 0: as in the entry's training, "
        "or the data set's own.",
    )
    fit: str = option(
        "",
        f"How images come to that size: {FIT_HELP}; empty: as in the entry's training, or whole.",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "fit", fit_name(self.fit))
        _check_at_least(self, image_size=0)
        place_data(self)


@dataclasses.dataclass(frozen=True)
class Attribution:
    """What explains a class, and how that becomes a heat map.

    Raises:
        ValueError: Unknown method, recipe or option (the message lists the known).
    """

    method: str = option(
        "loss_gradients", f"What explains the class: {', '.join(explain.methods())}."
    )
    method_options: str = option("{}", "Options of the method, a JSON object.")
    heatmap: str = option(
        "paper", f"Recipe from gradients to heat maps: {', '.join(explain.RECIPES)}."
    )
    heatmap_options: str = option(
        "{}", "Settings of the recipe that replace its own, a JSON object."
    )

    def __post_init__(self) -> None:
        _check_known_options(self.method, self.parsed_method_options)
        _ = self.recipe

    @property
    def parsed_method_options(self) -> dict[str, Any]:
        """The options of the method that are given."""
        return _json_object("method_options", self.method_options, '{"samples": 16}')

    @property
    def resolved_method_options(self) -> dict[str, Any]:
        """All options of the method, defaults filled in; without those that differ by image."""
        options = explain.default_options(self.method) | self.parsed_method_options
        return {name: value for name, value in options.items() if name != "indices"}

    @property
    def recipe(self) -> explain.Recipe:
        """The heat maps' recipe, with its settings replaced."""
        options = _json_object("heatmap_options", self.heatmap_options, '{"sigma": 2.0}')
        try:
            return explain.resolve_recipe(self.heatmap, **options)
        except TypeError as error:  # such as a text where a number is expected
            raise ValueError(f"heatmap_options={self.heatmap_options!r}: {error}.") from None


@dataclasses.dataclass(frozen=True)
class HeatMapConfig(Attribution):
    """Attribution, threshold and boxes of a measurement over many images.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known).
    """

    threshold: str = option(
        AUTO,
        "Share of a heat map's maximum above which a pixel belongs to the object, in [0, 1], or "
        f"{AUTO}: the one that gives most images of --threshold_split the right box.",
    )
    threshold_split: str = option(
        "validation",
        "Held-out training images that the threshold is chosen on, such as 'validation[:500]'; "
        "their heat maps are held in memory.",
    )
    center_fraction: float = option(
        0.75, "Side of the center box, the baseline, as a share of the image's side."
    )
    batch_size: int = option(64, "Images explained at once.")
    jit_compile: bool = option(
        True, "Compile the gradients with XLA; for a model that XLA does not accept, False."
    )
    cases: int = option(3, "Best, median and worst images on the contact sheet, so many of each.")
    output: str = option("", "Folder for result.json and pictures; empty: none is written.")

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_at_least(self, batch_size=1, cases=1)
        from pag_tf.localization import Settings  # not for --help

        Settings(threshold=self.threshold_value or 0.0, center_fraction=self.center_fraction)

    @property
    def threshold_value(self) -> float | None:
        """The threshold as a number; None for one that is chosen."""
        if self.threshold == AUTO:
            return None
        try:
            return float(self.threshold)
        except ValueError:
            raise ValueError(
                f"threshold must be {AUTO} or a number in [0, 1], got {self.threshold!r}."
            ) from None


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(DataChoice, ModelChoice):
    """A measurement of accuracy, clean and under PGD.

    Raises:
        ValueError: A value out of range, or settings that exclude each other.
    """

    dataset: str = option("cifar10", "Data set of the zoo entry; not used with --entry.")
    threat_models: str = option(
        "",
        "Threat models to attack in, separated by commas; empty: the entry's own. A .keras file "
        "has none: name them, or 0 for the clean accuracy only.",
    )
    steps: int = option(50, "PGD steps.")
    restarts: int = option(2, "PGD restarts; the worst of them counts for each image.")
    step_size: float = option(0.0, "PGD step size in pixels in [0, 1]; 0: 2.5 eps / steps.")
    seed: int = option(0, "Seed of PGD's random starts.")
    batch_size: int = option(250, "Images attacked at once.")
    output: str = option("", "JSON file for the result; it must not exist, or see --overwrite.")
    overwrite: bool = option(False, "Replace the output file.")
    update_entry: bool = option(False, "Write the numbers into the entry's pag.json and card.")

    def __post_init__(self) -> None:
        super().__post_init__()
        ModelChoice.__post_init__(self)
        if self.model and not self.threat_models.strip(" ,"):
            raise ValueError(
                f"model={self.model!r} does not say what it was trained within: name what it is "
                "attacked in, such as --threat_models=2/255, or --threat_models=0 for its clean "
                "accuracy only."
            )
        if self.model and self.update_entry:
            raise ValueError(
                f"update_entry writes into an entry, and model={self.model!r} is none: leave it "
                "out."
            )


@dataclasses.dataclass(frozen=True)
class LocalizeConfig(DataChoice, ModelChoice, HeatMapConfig):
    """A measurement of localization.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known).
    """

    dataset: str = option(
        "",
        f"Data set with boxes ({', '.join(data.forms(offering='box'))}); --entry names it.",
    )
    target: str = option(
        PREDICTED,
        f"Class that is explained: {PREDICTED}, label (the true class) or {PREDICTED_SEEN}: the "
        "class that a model of other classes than those of the data predicts; no class is right or "
        "wrong then.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        ModelChoice.__post_init__(self)
        HeatMapConfig.__post_init__(self)
        if self.target not in TARGETS:
            raise ValueError(f"Unknown target {self.target!r}. Known: {', '.join(TARGETS)}.")


# Fields of localization that a measurement of alignment has no use for.
_NOT_USED = ("target", "center_fraction", "cases")


@dataclasses.dataclass(frozen=True)
class AlignConfig(LocalizeConfig):
    """A measurement of alignment.

    Model, images and heat maps are chosen as for localization; boxes are used where the data has
    them.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known).
    """

    output: str = option("", "Folder for result.json and examples.npz; empty: none is written.")
    split: str = option("test[:500]", "Images to measure on.")
    threshold_split: str = option(
        "validation[:500]", "Held-out training images that the threshold of boxes is chosen on."
    )
    perturbation_threat_model: str = option(
        "8/255",
        "Random perturbations under which maps are compared: linf, in units of pixels in [0, 1].",
        alias="perturbation",
    )
    perturbations: int = option(4, "Number of perturbations per image; the worst of them counts.")
    top_share: float = option(
        0.1, "Share of pixels that count as the most important ones of a map, for their overlap."
    )
    curve_steps: int = option(
        16, "Steps in which all pixels are deleted, and in which they are inserted."
    )
    deleted_pixel: float = option(
        0.5, "Value of deleted pixels, in [0, 1]; 0.5 is gray, zero after normalization."
    )
    transfer_classifier: str = option(
        "",
        "Folder of an independently trained entry of the same classes (eps 0) that classifies "
        "perturbed images; empty: transfer is not measured.",
        alias="judge",
    )
    synthesis_threat_model: str = option(
        "",
        "Threat model of the targeted synthesis, such as l2:10; empty: l2, a tenth of the square "
        "root of the number of pixel values of an image (11.1 at 64x64).",
        alias="synthesis",
    )
    synthesis_steps: int = option(60, "Gradient steps of a synthesis.")
    examples: int = option(
        6, "Images that are shown: the first image of each of the first classes of the split."
    )
    seed: int = option(0, "Seed of perturbations, targets and synthesis.")

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_at_least(self, perturbations=1, curve_steps=1, synthesis_steps=1, examples=2, seed=0)
        if not 0 < self.top_share < 1:
            raise ValueError(f"top_share must lie between 0 and 1, got {self.top_share!r}.")
        if not 0 <= self.deleted_pixel <= 1:
            raise ValueError(f"deleted_pixel must lie in [0, 1], got {self.deleted_pixel!r}.")
        if self.perturbation.eps == 0:
            raise ValueError("perturbation_threat_model must be positive, such as 8/255.")
        if self.synthesis_threat_model:
            ThreatModel.parse(self.synthesis_threat_model)
        for field in dataclasses.fields(self):
            if field.name in _NOT_USED and getattr(self, field.name) != field.default:
                raise ValueError(
                    f"{field.name}={getattr(self, field.name)!r} changes nothing here: alignment "
                    "explains the predicted class, and its boxes are pictures only. Leave it out."
                )

    @property
    def perturbation(self) -> ThreatModel:
        """The threat model under which maps are compared."""
        return ThreatModel.parse(self.perturbation_threat_model, norm="linf")

    @property
    def robustness(self) -> dict[str, Any]:
        """The settings of `pag_tf.alignment.attribution_robustness`."""
        return {
            "eps": self.perturbation.eps,
            "samples": self.perturbations,
            "k": self.top_share,
            "seed": self.seed,
        }

    @property
    def curves(self) -> dict[str, Any]:
        """The settings of `pag_tf.alignment.deletion`."""
        return {"steps": self.curve_steps, "baseline": self.deleted_pixel}

    def synthesis(self, image_shape: tuple[int, ...]) -> dict[str, Any]:
        """Returns the settings of `pag_tf.alignment.synthesize` for images of this shape."""
        height, width, channels = image_shape
        within = f"l2:{0.1 * (height * width * channels) ** 0.5:.1f}"
        threat = ThreatModel.parse(self.synthesis_threat_model or within)
        return {"threat": threat, "steps": self.synthesis_steps, "seed": self.seed}


@dataclasses.dataclass(frozen=True)
class ZeroShotConfig(HeatMapConfig, SizedKerasFile):
    """A measurement of zero-shot recognition and localization.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known).
    """

    method: str = option(
        "loss_gradients",
        "What explains a class: vanilla_gradients is the gradient of its score, loss_gradients "
        "that of its cross-entropy among all classes, seen and unseen (predicted seen class: among "
        "the seen ones).",
    )
    entry: str = option("", "Folder of an entry that was trained on the seen classes only.")
    calibration_entry: str = option(
        "",
        "Folder of an entry that was trained in the same way, without the seen classes of a fold: "
        "the constant of calibrated stacking is chosen on them; empty: the constant is 0.",
    )
    dataset: str = option("", "Data set of a .keras file; an entry names its own.")
    class_split: str = option(
        "",
        "Class split whose seen classes a .keras file was trained on, stored or a file; an entry "
        "records its own.",
    )
    class_attributes: str = option(
        "",
        "Attributes of the classes: a .csv file (first line: the attributes; each other line: a "
        "class and its numbers), a predicate matrix of AwA2 or att_splits.mat of Xian "
        "et al.; empty: those of the data set. Those of an attribute head are those of its "
        "training.",
    )
    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA.")
    train_split: str = option(
        "",
        "Images of seen classes that the models on frozen features are fitted to; empty: those "
        "that the entry was trained on. Of a .keras file: those that it was trained on.",
    )
    calibration_split: str = option(
        "validation", "Held-out images that the constant of calibrated stacking is chosen on."
    )
    seen_split: str = option("test", "Images of seen classes to measure on; never trained on.")
    unseen_split: str = option(
        "test", "Images of unseen classes to measure on: any, such as 'train+validation+test'."
    )
    frozen: str = option(
        "eszsl", f"Models on frozen features, beside the entry's own: some of {', '.join(FROZEN)}."
    )
    attribute_maps: int = option(
        3, "Attributes that are drawn for each image on attributes.png; 0: no such picture."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = sorted(set(self.frozen_models) - set(FROZEN))
        if unknown:
            raise ValueError(
                f"Unknown model {unknown[0]!r} in frozen={self.frozen!r}. Known: "
                f"{', '.join(FROZEN)}, separated by commas."
            )
        _check_at_least(self, attribute_maps=0)
        SizedKerasFile.__post_init__(self)
        self._check_choice()
        if self.dataset:
            place_data(self)

    def _check_choice(self) -> None:
        needed = ("dataset", "class_split", "train_split")
        if missing := [name for name in needed if self.model and not getattr(self, name)]:
            raise ValueError(
                f"model={self.model!r} does not say what it was trained on: give "
                f"{', '.join(f'--{name}' for name in missing)}."
            )
        # What belongs to one kind of model only.
        if self.model:
            kind, wrong = f"model={self.model!r}", ("entry", "calibration_entry")
        else:
            kind, wrong = "an entry", ("dataset", "class_split")
        for name in wrong:
            if value := getattr(self, name):
                raise ValueError(f"{name}={value!r} does not go with {kind}: leave it out.")

    def fitted_to(self, trained_on: str) -> ZeroShotConfig:
        """Returns these settings with the split of the entry's training as `train_split`."""
        return dataclasses.replace(self, train_split=self.train_split or trained_on)

    @property
    def frozen_models(self) -> tuple[str, ...]:
        """The names in `frozen`, each once."""
        return tuple(dict.fromkeys(name for name in self.frozen.split(",") if name))


@dataclasses.dataclass(frozen=True)
class ExplainConfig(Attribution, SizedKerasFile):
    """An explanation of one picture.

    Raises:
        ValueError: A value out of range, or an unknown name (the message lists the known).
    """

    picture: str = option(
        "", "The image file: PNG, JPEG, WebP, GIF, BMP or TIFF, of any size. Or give it first."
    )
    output: str = option(
        "explained.png", "The picture that is drawn, a PNG; replaced if it exists."
    )
    dataset: str = option(
        "",
        "Data set whose classes are recognized: its bundled models, empty: those of cifar10. Of a "
        ".keras file: the data set that gives the names of its classes.",
    )
    eps: str = option(
        "",
        "Epsilons of the models, such as 2/255 or 0,2/255,l2:0.5, in units of pixels in [0, 1]; "
        "empty: all bundled ones.",
    )
    arch: str = option("", "Architecture of the models, where there are several.")
    entry: str = option("", "Folder of an entry to explain with instead of bundled ones.")
    class_name: str = option(
        PREDICTED,
        f"Class that is explained: its name, its number or {PREDICTED}, each model's own "
        "prediction.",
    )
    top: int = option(5, "Number of the most likely classes that are shown.")
    threshold: float = option(
        0.2, "Share of a heat map's maximum above which a pixel belongs to the box, in [0, 1]."
    )
    target: str = option(
        "", "Class, by name or number, that the picture is pushed to as well; empty: none."
    )
    target_threat_model: str = option("l2:10", "How far it is pushed: norm and radius.")
    target_steps: int = option(60, "Steps in which it is pushed.")
    seed: int = option(0, "Seed of anything random.")

    def __post_init__(self) -> None:
        super().__post_init__()
        SizedKerasFile.__post_init__(self)
        _check_at_least(self, top=1, target_steps=1)
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must lie in [0, 1], got {self.threshold!r}.")
        if not self.output.lower().endswith(".png"):
            raise ValueError(f"output must be a PNG file (--output=mine.png), got {self.output!r}.")
        own = "model" if self.model else "entry"
        for name in ("eps", "arch", *(["entry"] if self.model else [])):
            if getattr(self, own) and getattr(self, name):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} chooses among models of the zoo, and "
                    f"{own}={getattr(self, own)!r} is one already: leave one of them out."
                )
        ThreatModel.parse(self.target_threat_model)
        _ = self.threats

    @property
    def threats(self) -> tuple[ThreatModel, ...]:
        """The threat models that are asked for, each once; empty for all."""
        parts = [part for part in self.eps.split(",") if part.strip()]
        return tuple(dict.fromkeys(ThreatModel.parse(part) for part in parts))


@dataclasses.dataclass(frozen=True)
class CardConfig:
    """A model card."""

    entry: str = option("", "Folder of the entry, such as zoo/shapes-resnet-natural.")
    beside: str = option(
        "",
        "Folder of the entry to compare gradients with; empty: the bundled one of eps 0 for the "
        "same data and architecture; for an entry of eps 0 that of the smallest epsilon.",
    )
    data_dir: str = option("", "Where the data is; empty: PAG_TF_DATA, then TFDS' own folder.")
    split: str = option("test", "Images to draw from.")
    rows: int = option(6, "Images in the picture, each of another class.")
    seed: int = option(0, "Seed of the order in which images are searched.")
    picture: bool = option(True, "Draw the picture; without it only the text is written.")
    repo_id: str = option(
        "", "Repository to load from, <namespace>/<name>, for the card; empty: as the card has it."
    )

    def __post_init__(self) -> None:
        if not self.entry:
            raise ValueError("entry is empty: name a folder (--entry=zoo/shapes-resnet-natural).")
        _check_at_least(self, rows=1)


def _check_at_least(config: Any, **least: int) -> None:
    for name, smallest in least.items():
        value = getattr(config, name)
        if value < smallest:
            words = f"{smallest} or more" if smallest == 0 else f"at least {smallest}"
            raise ValueError(f"{name} must be {words}, got {value!r}.")


def _check_known_options(method: str, options: dict[str, Any]) -> None:
    known = explain.default_options(method)
    unknown = sorted(set(options) - set(known) | {"indices"} & set(options))
    known.pop("indices", None)  # They are the images' positions in the split.
    if unknown:
        raise ValueError(
            f"Method {method!r} has no option {', '.join(map(repr, unknown))} here. "
            f"Its options and defaults: {known or 'none'}."
        )


def _json_object(name: str, text: str, example: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{name} must be a JSON object such as {example}, got {text!r} ({error})."
        ) from None
    if not isinstance(found, dict):
        raise ValueError(f"{name} must be a JSON object such as {example}, got {text!r}.")
    return found
