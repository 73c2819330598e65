"""Gradients times inputs."""

from __future__ import annotations

import dataclasses
from typing import Any

from pag_tf.explain.methods import Chunk, Compiled, register
from pag_tf.explain.methods.vanilla_gradients import VanillaGradients


@register("gradients_inputs")
@dataclasses.dataclass(frozen=True)
class GradientsInputs(VanillaGradients):
    """Gradient of the target logit times the pixel.

    Source: Shrikumar et al. 2016, arXiv 1605.01713.
    """

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        slope, logits, sizes = super().maps(compiled, chunk)
        return chunk.images * slope, logits, sizes
