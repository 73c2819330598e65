"""Shifts and flips: exact selections of pixels, each image by its own draw."""

import keras
import numpy as np
import pytest
from scipy import stats

from pag_tf.core.random_stream import RandomStream
from pag_tf.data.augmentation import Augmentation


class Draws:
    """A random stream that gives prescribed numbers: one list for each call of `uniform`."""

    def __init__(self, *calls):
        self.calls = list(calls)

    def uniform(self, shape):
        numbers = np.asarray(self.calls.pop(0), "float32").reshape(-1, 1)
        assert tuple(shape) == numbers.shape
        return keras.ops.convert_to_tensor(numbers)


def augment(images, random, **options):
    images = keras.ops.convert_to_tensor(images)
    return keras.ops.convert_to_numpy(Augmentation(**options)(images, random))


def draw_for(shift, largest):
    """A number in the middle of the interval that stands for this shift."""
    return (shift + largest + 0.5) / (2 * largest + 1)


def by_hand(image, down, right, flip, largest):
    """Flips an image, then moves its content up and left, mirroring at the border."""
    image = image[:, ::-1] if flip else image
    padded = np.pad(image, [(largest, largest), (largest, largest), (0, 0)], mode="reflect")
    height, width = image.shape[:2]
    rows, columns = largest + down, largest + right
    return padded[rows : rows + height, columns : columns + width]


@pytest.fixture
def images():
    return np.random.default_rng(0).random((6, 7, 5, 3), dtype=np.float32)


def test_a_shift_worked_out_by_hand():
    image = np.arange(12, dtype="float32").reshape(1, 3, 4, 1) / 11
    # One row down, two columns to the left of the original.
    draws = Draws([draw_for(1, 2)], [draw_for(-2, 2)], [0.7])
    found = augment(image, draws, shift=2)
    expected = np.array([[6, 5, 4, 5], [10, 9, 8, 9], [6, 5, 4, 5]], "float32") / 11
    np.testing.assert_array_equal(found[0, :, :, 0], expected)


def test_a_flip_worked_out_by_hand():
    image = np.arange(6, dtype="float32").reshape(1, 2, 3, 1) / 5
    found = augment(image, Draws([0.49999]), shift=0)
    expected = np.array([[2, 1, 0], [5, 4, 3]], "float32") / 5
    np.testing.assert_array_equal(found[0, :, :, 0], expected)


def test_each_image_has_its_own_shift_and_flip(images):
    downs, rights = [-3, -1, 0, 1, 2, 3], [0, 3, -3, 2, -1, 1]
    flips = [True, False, True, False, False, True]
    draws = Draws(
        [draw_for(shift, 3) for shift in downs],
        [draw_for(shift, 3) for shift in rights],
        [0.2 if flip else 0.8 for flip in flips],
    )
    found = augment(images, draws, shift=3)
    for index, image in enumerate(images):
        expected = by_hand(image, downs[index], rights[index], flips[index], 3)
        np.testing.assert_array_equal(found[index], expected)


@pytest.mark.parametrize(
    ("draw", "shift"),
    [(0.0, -2), (0.19999, -2), (0.2001, -1), (0.5, 0), (0.79999, 1), (0.80001, 2), (0.9999999, 2)],
)
def test_equal_intervals_stand_for_the_shifts(images, draw, shift):
    found = augment(images[:1], Draws([draw], [0.5]), shift=2, flip=False)
    np.testing.assert_array_equal(found[0], by_hand(images[0], shift, 0, False, 2))


def test_all_shifts_and_flips_are_equally_likely():
    # The red channel tells a pixel's row, the green one its column.
    row, column = np.meshgrid(np.arange(9.0), np.arange(9.0), indexing="ij")
    image = np.stack([row, column, 0 * row], -1).astype("float32")
    count = 4000
    found = augment(np.tile(image, (count, 1, 1, 1)), RandomStream(1, 5), shift=2)
    down = found[:, 4, 4, 0] - 4
    flipped = found[:, 4, 3, 1] > found[:, 4, 4, 1]
    right = np.where(flipped, 4 - found[:, 4, 4, 1], found[:, 4, 4, 1] - 4)
    for shifts in (down, right):
        values, counts = np.unique(shifts, return_counts=True)
        assert values.tolist() == [-2, -1, 0, 1, 2]
        assert stats.chisquare(counts).pvalue > 1e-3
    assert stats.binomtest(int(flipped.sum()), count).pvalue > 1e-3
    # Independent of each other: all 50 combinations, none of them twice as often as it should be.
    combinations = np.unique(np.stack([down, right, flipped]), axis=1, return_counts=True)[1]
    assert len(combinations) == 50
    assert stats.chisquare(combinations).pvalue > 1e-3


def test_each_row_holds_exact_pixels_of_one_original_row(images):
    # Mirrored borders repeat pixels, but none is mixed, and a row never gets pixels of two rows.
    for number in range(20):
        found = augment(images, RandomStream(0, number), shift=4)
        for before, after in zip(images, found, strict=True):
            rows = [{pixel.tobytes() for pixel in row} for row in before]
            for row in after:
                assert any({pixel.tobytes() for pixel in row} <= there for there in rows)


@pytest.mark.parametrize(("seed", "step", "same"), [(3, 4, True), (3, 5, False), (2, 4, False)])
def test_the_result_depends_on_seed_and_step(images, seed, step, same):
    first = augment(images, RandomStream(3, 4))
    assert np.array_equal(first, augment(images, RandomStream(seed, step))) == same


def test_no_shift_and_no_flip_is_the_identity(images):
    np.testing.assert_array_equal(augment(images, RandomStream(0, 0), shift=0, flip=False), images)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_shape_and_dtype_stay(images, dtype):
    found = augment(images.astype(dtype), RandomStream(0, 0), shift=2)
    assert (found.shape, found.dtype) == (images.shape, dtype)


@pytest.mark.tensorflow
def test_compiled_it_does_the_same_to_a_batch_of_unknown_size(images):
    import tensorflow as tf

    spec = [tf.TensorSpec((None, 7, 5, 3)), tf.TensorSpec((), tf.int32)]
    compiled = tf.function(
        lambda x, step: Augmentation(shift=3)(x, RandomStream(2, step)),
        input_signature=spec,
        jit_compile=True,
    )
    expected = augment(images, RandomStream(2, 9), shift=3)
    np.testing.assert_array_equal(compiled(images, 9).numpy(), expected)


@pytest.mark.parametrize("shift", [-1, -4])
def test_a_negative_shift_is_refused(shift):
    with pytest.raises(ValueError, match=f"shift must be a number of pixels >= 0, got {shift}"):
        Augmentation(shift=shift)


@pytest.mark.parametrize("shift", [5, 7])
def test_a_shift_as_large_as_the_image_is_refused(images, shift):
    message = f"shift={shift} is too large for images of 7x5"
    with pytest.raises(ValueError, match=message):
        augment(images, RandomStream(0, 0), shift=shift)


def test_the_largest_possible_shift(images):
    draws = Draws([draw_for(-4, 4)] * 6, [draw_for(4, 4)] * 6)
    found = augment(images, draws, shift=4, flip=False)
    np.testing.assert_array_equal(found[2], by_hand(images[2], -4, 4, False, 4))
