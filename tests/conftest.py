"""What test files share: which tests can run here, where the real data is, small data."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Tracing functions makes millions of objects, which Python would search for garbage all the time:
# this saves a tenth of a run.
gc.set_threshold(50_000, 20, 20)


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


@pytest.fixture(scope="session")
def arrays_folder(tmp_path_factory):
    """`arrays` data, 8x8 pixels, that can be learned: the class is the brightest channel."""
    folder = tmp_path_factory.mktemp("arrays")
    rng = np.random.default_rng(5)
    for split, size in (("train", 64), ("validation", 32), ("test", 48)):
        label = np.arange(size) % 3
        image = rng.uniform(0.2, 0.6, (size, 8, 8, 3)).astype("float32")
        image[np.arange(size), :, :, label] += 0.3
        np.savez(folder / f"{split}.npz", image=image, label=label)
    return folder


@pytest.fixture(scope="session")
def real_data_folder():
    """The folder that PAG_TF_DATA names; for tests that are marked `realdata`."""
    return _real_data_folder()
