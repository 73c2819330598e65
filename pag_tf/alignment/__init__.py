"""Perceptual alignment of input gradients: metrics, and images synthesized by a model.

* Metrics of gradients, one number per image: `cosine_alignment`, `energy_in_box`, `energy_in_mask`,
  `total_variation`, `radial_spectrum`, `spectral_centroid`; per model: `phase_variation`.
* Metrics of maps and a model: `attribution_robustness`, `deletion`, `insertion`.
* Large perturbations: `synthesize`, `maximize_feature`, `interpolate`, from photographs or from
  `noise_seeds` and `class_seeds`; `transfer` measures what another model recognizes in them.
"""

from typing import TYPE_CHECKING

from pag_tf.core import lazy

if TYPE_CHECKING:
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
else:
    __getattr__, __dir__ = lazy.attach(
        __name__,
        {
            "AttributionRobustness": "pag_tf.alignment.robustness",
            "FaithfulnessCurves": "pag_tf.alignment.faithfulness",
            "Synthesis": "pag_tf.alignment.synthesis",
            "Transfer": "pag_tf.alignment.synthesis_transfer",
            "attribution_robustness": "pag_tf.alignment.robustness",
            "class_seeds": "pag_tf.alignment.pictures",
            "cosine_alignment": "pag_tf.alignment.gradient_measures",
            "deletion": "pag_tf.alignment.faithfulness",
            "energy_in_box": "pag_tf.alignment.gradient_measures",
            "energy_in_mask": "pag_tf.alignment.gradient_measures",
            "insertion": "pag_tf.alignment.faithfulness",
            "interpolate": "pag_tf.alignment.synthesis",
            "maximize_feature": "pag_tf.alignment.synthesis",
            "noise_seeds": "pag_tf.alignment.pictures",
            "phase_variation": "pag_tf.alignment.gradient_measures",
            "radial_spectrum": "pag_tf.alignment.gradient_measures",
            "rank_correlation": "pag_tf.alignment.robustness",
            "save_animation": "pag_tf.alignment.pictures",
            "spectral_centroid": "pag_tf.alignment.gradient_measures",
            "synthesize": "pag_tf.alignment.synthesis",
            "top_k_intersection": "pag_tf.alignment.robustness",
            "total_variation": "pag_tf.alignment.gradient_measures",
            "transfer": "pag_tf.alignment.synthesis_transfer",
        },
    )

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
