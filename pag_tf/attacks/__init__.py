"""Attacks within a threat model, and accuracy under them.

To add one, write `pag_tf/attacks/methods/<name>.py` with a subclass of `Attack` under
`@register("<name>")`: `--attack=<name>` of `scripts/train.py` and `pag_tf.attacks.<Class>` find it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pag_tf.core import lazy
from pag_tf.core.registry import Registry

__all__ = [
    "FGSM",
    "NFGSM",
    "PGD",
    "RSFGSM",
    "Attack",
    "AttackResult",
    "RobustnessReport",
    "get",
    "loss_gradient",
    "names",
    "register",
    "robust_accuracy",
]

_METHODS: Registry[type[Attack]] = Registry("attack", package="pag_tf.attacks.methods")
register = _METHODS.register


def names() -> tuple[str, ...]:
    """Returns the names of all attacks; imports none of them."""
    return _METHODS.names()


def get(name: str) -> type[Attack]:
    """Returns the class of an attack, such as `PGD` for `"pgd"`.

    Raises:
        ValueError: No such attack; the message lists the known ones.
    """
    return _METHODS[name]


if TYPE_CHECKING:
    from pag_tf.attacks.base import Attack
    from pag_tf.attacks.methods.fgsm import FGSM
    from pag_tf.attacks.methods.nfgsm import NFGSM
    from pag_tf.attacks.methods.pgd import PGD
    from pag_tf.attacks.methods.rs_fgsm import RSFGSM
    from pag_tf.attacks.robustness import AttackResult, RobustnessReport, robust_accuracy
    from pag_tf.core.classifier import loss_gradient
else:
    _load, __dir__ = lazy.attach(
        __name__,
        {
            "FGSM": "pag_tf.attacks.methods.fgsm",
            "NFGSM": "pag_tf.attacks.methods.nfgsm",
            "PGD": "pag_tf.attacks.methods.pgd",
            "RSFGSM": "pag_tf.attacks.methods.rs_fgsm",
            "Attack": "pag_tf.attacks.base",
            "AttackResult": "pag_tf.attacks.robustness",
            "RobustnessReport": "pag_tf.attacks.robustness",
            "loss_gradient": "pag_tf.core.classifier",
            "robust_accuracy": "pag_tf.attacks.robustness",
        },
    )

    def __getattr__(name: str) -> Any:
        if name not in __all__ and name[:1].isupper():  # the class of an added file
            for attack in map(get, names()):
                if attack.__name__ == name:
                    return attack
        return _load(name)
