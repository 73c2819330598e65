"""How well gradients can be read: see `pag_tf.alignment`, which computes what these take.

`stability`, `deletion`, `insertion` and `transfer` are what `attribution_robustness`, `deletion`,
`insertion` and `transfer` of that package return.
"""

from __future__ import annotations

from typing import Any

from pag_tf.measure.metrics import register

_PETSIUK = {"kind": "alignment", "source": "Petsiuk et al. 2018, arXiv 1806.07421"}
_GHORBANI = {
    "kind": "alignment",
    "better": "higher",
    "source": "Ghorbani et al. 2019, arXiv 1710.10547",
}


@register(
    kind="alignment",
    title="cosine alignment",
    better="higher",
    source="Etmann et al. 2019, arXiv 1905.04172",
    description="Absolute cosine of the angle between an image and its input gradient.",
)
def cosine_alignment(image: Any, gradient: Any) -> Any:
    """float64 [B]."""
    return _alignment().cosine_alignment(image, gradient)


@register(
    kind="alignment",
    title="gradient energy in the box",
    better="higher",
    source="Wang et al. 2020, arXiv 1910.01279, of raw gradients",
    description="Share of the absolute input gradient that lies in the object's box.",
)
def energy_in_box(gradient: Any, box: Any) -> Any:
    """float64 [B]."""
    return _alignment().energy_in_box(gradient, box)


@register(
    kind="alignment",
    title="gradient energy on the object",
    better="higher",
    source="as the energy in the box, of the object's mask",
    description="Share of the absolute input gradient that lies on the object.",
)
def energy_in_mask(gradient: Any, mask: Any) -> Any:
    """float64 [B]."""
    return _alignment().energy_in_mask(gradient, mask)


@register(
    kind="alignment",
    title="total variation",
    better="lower",
    source="Rudin, Osher and Fatemi 1992, anisotropic, over the sum of absolute values",
    description="Differences between neighbouring pixels of the gradient, relative to its size.",
)
def total_variation(gradient: Any) -> Any:
    """float64 [B]."""
    return _alignment().total_variation(gradient)


@register(
    kind="alignment",
    title="spectral centroid",
    better="lower",
    source="radial power spectrum; van der Schaaf and van Hateren 1996",
    description="Mean spatial frequency of the gradient's power, in cycles per pixel (at most "
    "0.71).",
)
def spectral_centroid(gradient: Any) -> Any:
    """float64 [B]."""
    return _alignment().spectral_centroid(gradient)


@register(
    title="top-k intersection",
    description="Share of a map's most important pixels that stay so under a small random "
    "perturbation.",
    **_GHORBANI,
)
def top_k_intersection(stability: Any) -> Any:
    """float64 [B]."""
    return stability.top_k_intersection


@register(
    title="rank correlation",
    description="Spearman's correlation of a map before and after a small random perturbation.",
    **_GHORBANI,
)
def rank_correlation(stability: Any) -> Any:
    """float64 [B], NaN for a constant map."""
    return stability.rank_correlation


@register(
    key="deletion",
    title="deletion",
    description="Area under the class' probability as pixels are deleted, the most important "
    "first; it also grows with the model's confidence.",
    **_PETSIUK,
)
def deletion_area(deletion: Any) -> Any:
    """float64 [B]."""
    return deletion.areas


@register(
    key="insertion",
    title="insertion",
    description="Area under the class' probability as pixels are inserted, the most important "
    "first; it also grows with the model's confidence.",
    **_PETSIUK,
)
def insertion_area(insertion: Any) -> Any:
    """float64 [B]."""
    return insertion.areas


@register(
    kind="alignment",
    title="synthesis transfer",
    better="higher",
    source="ours, after Tsipras et al. 2018, arXiv 1805.12152",
    description="Share of images, perturbed towards a class by this model, that an independent "
    "natural model says are of that class.",
)
def synthesis_transfer(transfer: Any) -> Any:
    """Bool [B]."""
    return transfer.called_target


@register(
    kind="alignment",
    title="transfer of random perturbations",
    source="ours",
    description="The same for random perturbations of the same size: what chance gives.",
)
def random_transfer(transfer: Any) -> Any:
    """Bool [B]."""
    return transfer.random


def _alignment() -> Any:
    """`pag_tf.alignment`, which imports Keras, on first use."""
    from pag_tf import alignment

    return alignment
