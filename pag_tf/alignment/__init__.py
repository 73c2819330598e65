"""Perceptual alignment of input gradients: metrics, and images synthesized by a model.

* Metrics of gradients, one number per image: `cosine_alignment`, `energy_in_box`, `energy_in_mask`,
  `total_variation`, `radial_spectrum`, `spectral_centroid`; per model: `phase_variation`.
* Metrics of maps and a model: `attribution_robustness`, `deletion`, `insertion`.
* Large perturbations: `synthesize`, `maximize_feature`, `interpolate`, from photographs or from
  `noise_seeds` and `class_seeds`; `transfer` measures what another model recognizes in them.
"""

from pag_tf.alignment.faithfulness import FaithfulnessCurves, deletion, insertion
from pag_tf.alignment.gradient_measures import (
    cosine_alignment,
    energy_in_box,
    energy_in_mask,
    phase_variation,
    radial_spectrum,
    spectral_centroid,
    total_variation,
)
from pag_tf.alignment.pictures import class_seeds, noise_seeds, save_animation
from pag_tf.alignment.robustness import (
    AttributionRobustness,
    attribution_robustness,
    rank_correlation,
    top_k_intersection,
)
from pag_tf.alignment.synthesis import Synthesis, interpolate, maximize_feature, synthesize
from pag_tf.alignment.synthesis_transfer import Transfer, transfer

__all__ = [
    "AttributionRobustness",
    "FaithfulnessCurves",
    "Synthesis",
    "Transfer",
    "attribution_robustness",
    "class_seeds",
    "cosine_alignment",
    "deletion",
    "energy_in_box",
    "energy_in_mask",
    "insertion",
    "interpolate",
    "maximize_feature",
    "noise_seeds",
    "phase_variation",
    "radial_spectrum",
    "rank_correlation",
    "save_animation",
    "spectral_centroid",
    "synthesize",
    "top_k_intersection",
    "total_variation",
    "transfer",
]
