"""Classes with the same attributes get one of their own."""

import numpy as np
import pytest

from pag_tf import zero_shot


def test_only_classes_that_share_a_row_get_an_attribute():
    matrix, names = zero_shot.distinguished(
        [[1, 0], [0.5, 1], [1, 0], [0, 1]], ["striped", "red"], ["cat", "bee", "tabby", "ant"]
    )
    np.testing.assert_array_equal(
        matrix, [[1, 0, 1, 0], [0.5, 1, 0, 0], [1, 0, 0, 1], [0, 1, 0, 0]]
    )
    assert names == ("striped", "red", "is::cat", "is::tabby")


def test_rows_that_differ_stay_as_they_are():
    matrix, names = zero_shot.distinguished(np.eye(3), "abc", "xyz")
    np.testing.assert_array_equal(matrix, np.eye(3))
    assert names == ("a", "b", "c")


def test_names_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"expected \[2 classes, 3 attributes\].*shape \(3, 3\)"):
        zero_shot.distinguished(np.eye(3), "abc", "xy")
