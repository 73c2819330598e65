"""How well input gradients can be read."""

from pag_tf.alignment.phase import phase_variation

__all__ = ["phase_variation"]
