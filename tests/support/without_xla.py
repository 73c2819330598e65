"""A layer that XLA does not accept, for tests of what does without."""

import keras
import numpy as np


def calls_python() -> keras.layers.Layer:
    """Multiplies by a one that Python is asked for. TensorFlow only."""
    import tensorflow as tf

    class CallsPython(keras.layers.Layer):
        def call(self, x):
            one = tf.numpy_function(lambda: np.float32(1), [], tf.float32)
            return x * tf.reshape(one, [])

    return CallsPython()
