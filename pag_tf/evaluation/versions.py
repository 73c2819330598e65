"""The versions of the libraries that numbers depend on."""

from __future__ import annotations

import importlib
import importlib.metadata

_MODULES = ("pag_tf", "cv2", "keras", "numpy", "scipy", "tensorflow")


def versions() -> dict[str, str]:
    """Library to its version, of those that are in use."""
    modules = {name: importlib.import_module(name).__version__ for name in _MODULES}
    tf_explain = importlib.metadata.version("tf-explain")  # its module does not say it
    return {**modules, "tf_explain": tf_explain}
