"""What every test file shares: which tests can run here, and where the real data is."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _real_data_folder() -> Path | None:
    value = os.environ.get("PAG_TF_DATA")
    return Path(value) if value and Path(value).is_dir() else None


def pytest_collection_modifyitems(items):
    skip = pytest.mark.skip(
        reason="needs real data: set PAG_TF_DATA to the folder that holds it "
        f"(now {os.environ.get('PAG_TF_DATA', 'not set')})"
    )
    if _real_data_folder() is None:
        for item in items:
            if item.get_closest_marker("realdata"):
                item.add_marker(skip)


def pytest_runtest_setup(item):
    if item.get_closest_marker("tensorflow"):
        import keras  # Only here: most of a run must not pay for it, some tests forbid it.

        backend = keras.backend.backend()
        if backend != "tensorflow":
            pytest.skip(f"needs the TensorFlow backend of Keras (now {backend})")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data. For tests marked `realdata`."""
    folder = _real_data_folder()
    assert folder is not None, "a test that uses `real_data` must be marked `realdata`"
    return folder
