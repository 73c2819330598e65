"""Values in messages keep the digits that make them wrong."""

import numpy as np
import pytest

from pag_tf.core.extent import extent

TEXTS = [
    (np.float32([0, 1 + 1e-7]), "0 to 1.0000001"),
    (np.float64([-1e-12, 1 + 1e-15]), "-1e-12 to 1.000000000000001"),
    (np.float32([-0.20000002, 255]), "-0.2 to 255"),
    (np.uint8([7, 7]), "7 to 7"),
    (np.float32([0, np.nan]), "nan to nan"),
]


@pytest.mark.parametrize(("values", "text"), TEXTS, ids=[text for _, text in TEXTS])
def test_extent(values, text):
    assert extent(values) == text
