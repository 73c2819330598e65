"""The settings that describe a `.keras` file, which says little about itself."""

from __future__ import annotations

import dataclasses
import math

from pag_tf.core.config import EVALUATION_FITS, FIT_HELP, option
from pag_tf.core.files import user_path


@dataclasses.dataclass(frozen=True)
class KerasFile:
    """A model of one's own in place of an entry of the zoo.

    Raises:
        ValueError: Facts about a file without a file, or a range that is none.
    """

    model: str = option(
        "",
        "A .keras file to measure instead of an entry: pixels in, logits of the data set's classes "
        "out.",
    )
    pixel_range: str = option(
        "",
        "Lowest and highest pixel that the .keras file takes, such as 0,255 or -1,1; empty: 0,1. "
        "Epsilon stays in units of pixels in [0, 1].",
    )
    class_names: str = option(
        "",
        "Classes of the .keras file in the order of its logits: cat,dog or a .txt file with one "
        "name in each line; empty: those of the data set.",
    )

    def __post_init__(self) -> None:
        for name in ("pixel_range", "class_names"):
            if getattr(self, name) and not self.model:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} describes a .keras file, but an entry records "
                    "it: leave it out, or name the file (--model=mine.keras)."
                )
        _ = self.parsed_pixel_range

    @property
    def parsed_pixel_range(self) -> tuple[float, float]:
        """Lowest and highest pixel that the file takes."""
        try:
            low, high = map(float, (self.pixel_range or "0,1").split(","))
        except ValueError:
            low = high = math.nan
        if not -math.inf < low < high < math.inf:
            raise ValueError(
                "pixel_range must be the lowest and highest pixel that the model takes, such as "
                f"0,255 or -1,1, got {self.pixel_range!r}."
            )
        return low, high

    @property
    def parsed_class_names(self) -> tuple[str, ...] | None:
        """One name for each logit of the file; None where they are not given.

        Raises:
            ValueError: There is no such .txt file, or a name is empty or given twice.
            OSError: The file cannot be read.
        """
        if not self.class_names:
            return None
        names = self.class_names.split(",")
        if self.class_names.endswith(".txt"):
            path = user_path(self.class_names)
            if not path.is_file():
                raise ValueError(
                    f"There is no file class_names={self.class_names!r}: expected a text file with "
                    "one class name in each line, or names such as cat,dog."
                )
            names = path.read_text("utf-8").rstrip().split("\n")
        names = [name.strip() for name in names]
        wrong = [name for place, name in enumerate(names) if not name or name in names[:place]]
        if wrong:
            raise ValueError(
                f"class_names={self.class_names!r} has the name {wrong[0]!r}, which is empty or "
                "stands there twice: give one name for each logit."
            )
        return tuple(names)


@dataclasses.dataclass(frozen=True)
class SizedKerasFile(KerasFile):
    """A model of one's own, and the images it takes, where nothing but an entry records these.

    Raises:
        ValueError: See `KerasFile`; an unknown fit.
    """

    image_size: int = option(
        0, "Height and width in pixels that a .keras file of any size is given; 0: its own."
    )
    fit: str = option(
        "",
        f"How images come to the size of a .keras file: {FIT_HELP}; empty: whole. Entries record "
        "theirs.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("image_size", "fit"):
            if getattr(self, name) and not self.model:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is for a .keras file (--model): entries "
                    "record how they are given an image. Leave it out."
                )
        if self.image_size < 0:
            raise ValueError(f"image_size must be 0 or more, got {self.image_size!r}.")
        if self.fit not in ("", *EVALUATION_FITS):
            raise ValueError(f"Unknown fit {self.fit!r}. Known: {', '.join(EVALUATION_FITS)}.")
