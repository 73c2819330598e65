"""Where a model looks: raw input gradients, one class per image, and heat maps made of them."""

from pag_tf.explain.attribution import default_options, gradients, methods
from pag_tf.explain.heat_maps import RECIPES, Recipe, heatmaps

__all__ = ["RECIPES", "Recipe", "default_options", "gradients", "heatmaps", "methods"]
