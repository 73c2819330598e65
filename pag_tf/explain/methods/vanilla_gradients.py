"""Vanilla gradients."""

from __future__ import annotations

import dataclasses
from typing import Any

from pag_tf.explain.methods import Chunk, Compiled, Method, register


@register("vanilla_gradients")
@dataclasses.dataclass(frozen=True)
class VanillaGradients(Method):
    """Signed gradient of the target logit.

    Source: Simonyan et al. 2013, arXiv 1312.6034, section 3.
    """

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        from pag_tf.core.classifier import Classifier
        from pag_tf.explain import computations

        function = compiled(computations.gradient, score=Classifier.score)
        return function(chunk.images, chunk.targets)
