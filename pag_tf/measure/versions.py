"""The versions of the libraries that numbers depend on."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

from pag_tf import __version__
from pag_tf.measure.schema import SCHEMA

_MODULES = ("pag_tf", "cv2", "keras", "numpy", "scipy", "tensorflow")


def versions() -> dict[str, str]:
    """Library to its version, of those that are in use."""
    modules = {name: importlib.import_module(name).__version__ for name in _MODULES}
    tf_explain = importlib.metadata.version("tf-explain")  # its module does not say it
    return {**modules, "tf_explain": tf_explain}


def finished(path: Path) -> dict[str, Any] | None:
    """The result in a file, if it is there and was measured by this version of pag_tf."""
    if not path.exists():
        return None
    result: dict[str, Any] = json.loads(path.read_text("utf-8"))
    current = (result["versions"]["pag_tf"], result.get("schema")) == (__version__, SCHEMA)
    return result if current else None
