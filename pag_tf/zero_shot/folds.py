"""Seen classes held out in turn: how settings are chosen without any unseen class."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pag_tf.zero_shot import checks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of the settings that were tried.

    Attributes:
        settings: Names and values.
        t1: Mean over the folds of the class-averaged accuracy on the held-out classes, when only
            these compete; fraction in [0, 1].
    """

    settings: dict[str, float]
    t1: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """The best settings and how they were found.

    Attributes:
        method: An `ESZSL` or `ALE` with the best settings, not yet fitted.
        t1: Of the best candidate.
        candidates: All that were tried.
        folds: Ids of the seen classes that were held out together.
        seed: Of the folds.
    """

    method: Any
    t1: float
    candidates: tuple[Candidate, ...]
    folds: tuple[tuple[int, ...], ...]
    seed: int

    @property
    def at_edge(self) -> tuple[str, ...]:
        """Settings whose best value is an end of those tried: more should be tried there."""
        found = []
        for name in self.candidates[0].settings:
            tried = {candidate.settings[name] for candidate in self.candidates}
            if len(tried) > 1 and getattr(self.method, name) in (min(tried), max(tried)):
                found.append(name)
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "method": type(self.method).__name__,
            "settings": dataclasses.asdict(self.method),
            "t1": self.t1,
            "candidates": [dataclasses.asdict(candidate) for candidate in self.candidates],
            "folds": [list(fold) for fold in self.folds],
            "seed": self.seed,
            "at_edge": list(self.at_edge),
        }


def class_folds(classes: Any, folds: int, *, seed: int) -> tuple[np.ndarray, ...]:
    """Divides class ids at random into folds whose sizes differ by one at most.

    Args:
        classes: Ids of seen classes [K].
        folds: At least 2, and at most half of K: one class alone is always recognised.
        seed: Same seed, same folds.

    Returns:
        int64 arrays of ids, each rising.

    Raises:
        ValueError: Bad ids, or too few classes for so many folds.
    """
    classes = checks.class_ids(classes, "classes")
    checks.whole(folds, "folds", 2)
    checks.whole(seed, "seed", 0)
    if len(classes) < 2 * folds:
        raise ValueError(
            f"{folds} folds need at least {2 * folds} seen classes, two to tell apart in each, got "
            f"{len(classes)}. Use fewer folds or more classes."
        )
    shuffled = np.random.default_rng(seed).permutation(classes)
    return tuple(np.sort(fold) for fold in np.array_split(shuffled, folds))
