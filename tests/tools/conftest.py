"""The maintainers' programs as modules: they define no flags when they are imported."""

import importlib
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="package")
def tool():
    """Imports tools/<name>.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOLS))
        yield importlib.import_module
        for path in TOOLS.glob("*.py"):
            sys.modules.pop(path.stem, None)
