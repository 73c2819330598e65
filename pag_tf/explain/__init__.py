"""Where a model looks: raw input gradients, one class per image, and heat maps made of them."""

from pag_tf.explain.attribution import check, default_options, gradients, methods
from pag_tf.explain.heat_maps import RECIPES, Recipe, heatmaps, resolve_recipe

__all__ = [
    "RECIPES",
    "Recipe",
    "check",
    "default_options",
    "gradients",
    "heatmaps",
    "methods",
    "resolve_recipe",
]
