"""Global settings of Keras, pinned while a model is built.

`~/.keras/keras.json` or another part of a program may change them. Layers read them once, when
they are made, so a model keeps the values it was built with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def channels_last() -> Iterator[None]:
    """Builds layers for images `[B, H, W, C]`, the only layout of this library."""
    import keras

    former = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(former)


@contextlib.contextmanager
def float32() -> Iterator[None]:
    """Builds layers that hold and compute float32, as published models do."""
    import keras

    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")  # the dtype of `keras.Input`
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
