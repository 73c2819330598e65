"""Loss gradients, the default method."""

from __future__ import annotations

import dataclasses
from typing import Any

from pag_tf.explain.methods import Chunk, Compiled, Method, register


@register("loss_gradients")
@dataclasses.dataclass(frozen=True)
class LossGradients(Method):
    """Signed gradient of the cross-entropy of the target class.

    The direction in which attacks move an image: the same gradient as that of
    `pag_tf.attacks.loss_gradient`, which leaves checks, batches and compilation to its caller. In
    margin form, so that it stays exact for confident models. Not in tf-explain.

    Source: Aggarwal et al. 2020, arXiv 2005.01499.
    """

    def maps(self, compiled: Compiled, chunk: Chunk) -> tuple[Any, Any, Any]:  # noqa: D102
        from pag_tf.explain import computations

        return compiled(computations.target_loss_gradient)(chunk.images, chunk.targets)
