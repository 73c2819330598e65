"""Where a model looks: raw input gradients, one class per image, and heat maps made of them.

* `gradients` computes attributions by any of `methods()`; `describe` and `default_options` say what
  a method computes and takes, `check` refuses unfit models before images are read, and `register`
  adds a `Method`.
* `heatmaps` turns attributions into maps in [0, 1] by a `Recipe`, such as those in `RECIPES`.

Keras and TensorFlow are imported with the first use of `gradients` or `check`.
"""

from typing import TYPE_CHECKING, Any

from pag_tf.explain.heat_maps import RECIPES, Recipe, heatmaps, resolve_recipe

# The function, not the folder that it lists: the name of the package stands for the function.
from pag_tf.explain.methods import Method, default_options, describe, methods, register

if TYPE_CHECKING:
    from pag_tf.explain.attribution import check, gradients

__all__ = [
    "RECIPES",
    "Method",
    "Recipe",
    "check",
    "default_options",
    "describe",
    "gradients",
    "heatmaps",
    "methods",
    "register",
    "resolve_recipe",
]


def __getattr__(name: str) -> Any:
    if name in ("check", "gradients"):
        from pag_tf.explain import attribution

        return getattr(attribution, name)
    raise AttributeError(f"module 'pag_tf.explain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
