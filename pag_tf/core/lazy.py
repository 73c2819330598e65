"""Public names that are imported on first use, so that importing a package is fast."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns the `__getattr__` and `__dir__` (PEP 562) of a package's `__init__.py`.

    ```
    __all__ = ["PGD", "names"]
    if TYPE_CHECKING:
        from pag_tf.attacks.methods.pgd import PGD
    else:
        __getattr__, __dir__ = lazy.attach(__name__, {"PGD": "pag_tf.attacks.methods.pgd"})
    ```

    Args:
        package: `__name__` of the package; `dir()` of the package lists its `__all__`.
        names: Public name to the module that defines it. A name must not be that of a module of
            the package, which would replace it when imported.
    """

    def load(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(names[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    clashes = {name for name in names if f"{names[name]}.".startswith(f"{package}.{name}.")}
    assert not clashes, f"{package}: names of modules are also names of things in them: {clashes}"
    return load, lambda: sorted(sys.modules[package].__all__)
