"""Recipes: flag files of scripts/train.py, read for the threat model of another training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pag_tf.core import dataclass_flags
from pag_tf.core.threat_model import ThreatModel

if TYPE_CHECKING:
    from pag_tf.training import TrainConfig

# In the wheel, or recipes/ of a checkout.
_INSTALLED = Path(__file__).parent / "recipe_files"
FOLDER = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).resolve().parents[2] / "recipes"


def read(recipe: Path, threat: ThreatModel, **changes: Any) -> TrainConfig:
    """Returns the settings of a training by a recipe within another threat model.

    Args:
        recipe: The flag file.
        threat: Threat model of the training.
        **changes: Other fields to replace.

    Raises:
        ValueError: No such file, or one whose step size is a length in another norm.
    """
    from pag_tf.training import TrainConfig

    if not recipe.is_file():
        raise ValueError(
            f"There is no recipe {recipe}: name a flag file of scripts/train.py "
            "(--recipe=recipes/mine.flags)."
        )
    own = dataclass_flags.read_file(TrainConfig, str(recipe))
    if threat.eps > 0 and own.threat.norm != threat.norm and own.attack_step_size:
        raise ValueError(
            f"{recipe} sets attack_step_size={own.attack_step_size:g} for {own.threat}, which is "
            f"no step for {threat}: name a flag file of that norm, or one without a step size "
            "(--recipe)."
        )
    return dataclass_flags.read_file(TrainConfig, str(recipe), threat_model=str(threat), **changes)
