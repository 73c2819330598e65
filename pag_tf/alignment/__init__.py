"""How well input gradients can be read."""

from pag_tf.alignment.gradient_measures import (
    cosine_alignment,
    energy_in_box,
    energy_in_mask,
    radial_spectrum,
    spectral_centroid,
    total_variation,
)
from pag_tf.alignment.phase import phase_variation

__all__ = [
    "cosine_alignment",
    "energy_in_box",
    "energy_in_mask",
    "phase_variation",
    "radial_spectrum",
    "spectral_centroid",
    "total_variation",
]
