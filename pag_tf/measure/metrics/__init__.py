"""The table of metrics: what each number of a result is called, and how it is computed.

Every module of this package adds metrics. A new one of localization or alignment is one file:

```
@register(
    kind="alignment",
    title="zero share",
    unit="percent",
    better="lower",
    source="ours",
    description="Share of gradient values that are exactly 0.",
)
def zero_share(gradient):
    return (gradient == 0).mean(axis=(1, 2, 3))
```

The measurement calls it, records the mean with its 95 % interval over images, and scripts, readers
of results and the report show it. A function returns one number per image, `[B]`; bools are shares.
Its parameters name the arrays that it needs (`ARRAYS`); where the data has no such array (masks,
say), the metric is not measured. Import heavy libraries inside the function: `--help` and the
report read this table.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

KINDS = ("accuracy", "localization", "alignment", "zero_shot")
UNITS = ("", "percent")
BETTER = ("higher", "lower", None)

# Arrays that a metric's function can ask for, one row per image. Of localization, the second line
# is computed by `pag_tf.localization.Evaluator`; `label`, `predicted`, `top1` and `top5` are not
# there for zero-shot views that rank no classes, `mask` only where the data set has masks.
ARRAYS: dict[str, tuple[str, ...]] = {
    "accuracy": (),
    "localization": (
        *("image", "heat_map", "true_box", "mask", "label", "predicted"),
        *("boxes", "iou", "energy_in_box", "pointing_game", "center_iou", "object_area"),
        *("top1", "top5"),
    ),
    "alignment": (
        *("image", "label", "predicted", "gradient", "heat_map", "box", "mask"),
        *("stability", "deletion", "insertion", "transfer"),
    ),
    "zero_shot": (),
}


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric of one kind of measurement.

    Attributes:
        key: Name in result documents.
        kind: One of `KINDS`.
        title: For tables and figures.
        unit: `"percent"` for a fraction that is printed in percent; else `""`.
        better: `"higher"`, `"lower"`, or None where neither is.
        source: Authors, year and arXiv number.
        description: One sentence.
        function: Arrays to one value per image; None for an aggregate that the evaluator of its
            kind computes over all images, because it is no mean of per-image values.
    """

    key: str
    kind: str
    title: str
    unit: str = ""
    better: str | None = None
    source: str = ""
    description: str = ""
    function: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        for name, known in (("kind", KINDS), ("unit", UNITS), ("better", BETTER)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"Metric {self.key!r}: {name} must be one of {known}, got "
                    f"{getattr(self, name)!r}."
                )
        unknown = sorted(set(self.arrays) - set(ARRAYS[self.kind]))
        if unknown:
            raise ValueError(
                f"Metric {self.key!r} needs {', '.join(unknown)}, but measurements of "
                f"{self.kind} provide {', '.join(ARRAYS[self.kind]) or 'no arrays'}. Name its "
                "parameters after those."
            )

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the arrays that `function` takes."""
        return () if self.function is None else tuple(inspect.signature(self.function).parameters)

    def per_image(self, arrays: Mapping[str, Any]) -> Any:
        """Returns `function` of these arrays, or None if one of them is missing."""
        if self.function is None or any(arrays.get(name) is None for name in self.arrays):
            return None
        return self.function(**{name: arrays[name] for name in self.arrays})


_TABLE: dict[tuple[str, str], Metric] = {}


def register(
    *, kind: str, key: str = "", **about: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Returns a decorator that adds a function to the table of metrics.

    Args:
        kind: `"localization"` or `"alignment"`.
        key: Name in result documents; empty: that of the function.
        **about: `title`, `unit`, `better`, `source` and `description` of `Metric`.

    Raises:
        ValueError: A bad value, unknown arrays, or a key that is taken.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        declare(Metric(key=key or function.__name__, kind=kind, function=function, **about))
        return function

    return add


def declare(metric: Metric) -> Metric:
    """Adds a metric to the table.

    Raises:
        ValueError: Its kind has a metric of that key.
    """
    if (metric.kind, metric.key) in _TABLE:
        raise ValueError(f"There is a metric {metric.key!r} of {metric.kind}. Choose another key.")
    _TABLE[metric.kind, metric.key] = metric
    return metric


def metrics(kind: str) -> tuple[Metric, ...]:
    """Returns all metrics of a kind, in the order of tables.

    Raises:
        ValueError: Unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"Unknown kind {kind!r}. Known: {', '.join(KINDS)}.")
    _load()
    return tuple(metric for metric in _TABLE.values() if metric.kind == kind)


def metric(kind: str, key: str) -> Metric | None:
    """Returns one metric, or None if the table has none of that kind and key."""
    _load()
    return _TABLE.get((kind, key))


@functools.cache
def _load() -> None:
    """Imports every module of this package: those of the kinds first, others by name."""
    others = sorted({module.name for module in pkgutil.iter_modules(__path__)} - set(KINDS))
    for name in (*KINDS, *others):
        importlib.import_module(f"{__name__}.{name}")
