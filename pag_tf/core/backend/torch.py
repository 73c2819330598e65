"""Gradients on PyTorch, which runs eagerly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from pag_tf.core.backend.base import Backend


class TorchBackend(Backend):
    """`torch.autograd`; nothing is compiled."""

    def input_gradient(
        self, loss: Callable[[Any], tuple[Any, Any]], images: Any
    ) -> tuple[Any, Any]:
        with torch.enable_grad():
            images = images.detach().requires_grad_(True)
            total, auxiliary = loss(images)
            (gradient,) = torch.autograd.grad(total, images)
        return gradient, auxiliary

    def is_symbolic(self, tensor: Any) -> bool:
        return False

    def on_cpu(self) -> bool:
        return not torch.cuda.is_available()
