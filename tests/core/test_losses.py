"""Cross-entropy and its gradient by hand, where float32 loses the usual form."""

import numpy as np
import pytest
from keras import ops

from pag_tf.core import backend
from pag_tf.core.losses import class_logit, cross_entropy

LOGITS = np.array([[2, 2, 2, 2], [30, 0, -50, 0], [0, 0, 50, 0]], "float32")
CLASSES = np.array([1, 0, 3])


def test_the_logit_of_the_class():
    found = class_logit(ops.convert_to_tensor(LOGITS), CLASSES)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), [2, 30, 0])


def test_one_class_has_no_loss():
    assert float(cross_entropy(ops.convert_to_tensor([[3.0]]), np.array([0]))[0]) == 0


def test_cross_entropy_of_the_confident():
    def loss(logits):
        each = cross_entropy(logits, CLASSES)
        return ops.sum(each), each

    slope, each = backend.input_gradient(loss, ops.convert_to_tensor(LOGITS))
    small = 2 * np.exp(-30.0)  # 1 - softmax, which float32 cannot tell from 0
    expected = [np.log(4), small, 50]
    np.testing.assert_allclose(ops.convert_to_numpy(each), expected, rtol=1e-5)
    slope = ops.convert_to_numpy(slope)
    np.testing.assert_allclose(slope[0], [0.25, -0.75, 0.25, 0.25], rtol=1e-5)
    assert slope[1, 0] == pytest.approx(-small, rel=1e-5)
    np.testing.assert_allclose(slope[1, [1, 3]], small / 2, rtol=1e-5)
    np.testing.assert_allclose(slope[2], [0, 0, 1, -1], atol=1e-5)
