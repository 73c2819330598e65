"""Image, box and mask stay together through every resize, crop and flip."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pag_tf.data
from pag_tf.data import geometry

tf = pytest.importorskip("tensorflow")

SETTINGS = settings(max_examples=40, deadline=None)


def rectangle(height, width, top, left, bottom, right):
    """A white rectangle on black, with its box and mask."""
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    box = np.array([top / height, left / width, bottom / height, right / width], np.float32)
    image = np.repeat(mask[..., None].astype(np.float32), 3, axis=-1)
    return {"image": image, "box": box, "mask": mask, "label": 7}


@st.composite
def rectangles(draw):
    height, width = draw(st.integers(12, 40)), draw(st.integers(12, 40))
    top, left = draw(st.integers(0, height - 4)), draw(st.integers(0, width - 4))
    bottom, right = draw(st.integers(top + 4, height)), draw(st.integers(left + 4, width))
    return rectangle(height, width, top, left, bottom, right)


def numbered(height, width):
    """Pixels that tell their row (red) and column (green)."""
    row, column = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.stack([row, column, 0 * row], -1).astype(np.float32) / 100


def edges(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])


def assert_together(example, tolerance):
    """The rectangle seen in the image, its mask and its box agree to within `tolerance` pixels."""
    image, mask, box = (np.asarray(example[key]) for key in ("image", "mask", "box"))
    height, width = mask.shape
    assert image.shape == (height, width, 3) and example["label"] == 7
    assert image.min() >= 0 and image.max() <= 1 and box.min() >= 0 and box.max() <= 1
    seen = image[..., 0] >= 0.5
    np.testing.assert_array_equal(mask, seen)
    if box[2] == 0:
        np.testing.assert_array_equal(box, 0)
        assert not seen.any()
    else:
        in_pixels = box * [height, width, height, width]
        np.testing.assert_allclose(edges(seen), in_pixels, atol=tolerance)


@SETTINGS
@given(rectangles(), st.integers(6, 60), st.integers(6, 60))
def test_resizing(example, height, width):
    found = geometry.resize(example, height, width)
    extent = (found["box"][2:] - found["box"][:2]) * [height, width]
    assume(min(extent) >= 2)  # less than that blurs away
    assert found["image"].shape == (height, width, 3)
    assert_together(found, tolerance=1.0)


@SETTINGS
@given(rectangles(), st.integers(8, 50))
def test_resizing_the_shorter_side(example, size):
    found = geometry.resize_shorter_side(example, size)
    before, after = np.array(example["mask"].shape), np.array(found["mask"].shape)
    assert after.min() == size
    np.testing.assert_allclose(after.max(), before.max() * size / before.min(), atol=0.5)
    assume(min((found["box"][2:] - found["box"][:2]) * after) >= 2)
    assert_together(found, tolerance=1.0)


@SETTINGS
@given(rectangles(), st.data())
def test_cropping(example, data):
    height, width = example["mask"].shape
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom = data.draw(st.integers(top + 1, height))
    right = data.draw(st.integers(left + 1, width))
    found = geometry.crop(example, top, left, bottom - top, right - left)
    np.testing.assert_array_equal(found["image"], example["image"][top:bottom, left:right])
    assert_together(found, tolerance=1e-3)


def test_a_box_that_ends_where_the_window_begins_is_gone():
    """In float32, 7 / 13 * 13 is a little more than 7."""
    found = geometry.crop(rectangle(12, 13, 0, 0, 4, 7), 0, 7, 1, 1)
    assert_together(found, tolerance=1e-3)
    np.testing.assert_array_equal(found["box"], 0)


@SETTINGS
@given(rectangles())
def test_flipping_twice_is_the_identity(example):
    once = geometry.flip(example)
    np.testing.assert_array_equal(once["image"], example["image"][:, ::-1])
    assert_together(once, tolerance=1e-3)
    twice = geometry.flip(once)
    for key in ("image", "mask"):
        np.testing.assert_array_equal(twice[key], example[key])
    np.testing.assert_allclose(twice["box"], example["box"], atol=1e-6)


@SETTINGS
@given(rectangles(), st.sampled_from(geometry.FITS), st.integers(8, 40), st.integers(0, 99))
def test_fitting_to_a_square(example, fit, size, seed):
    found = geometry.fit_to_square(example, size, fit, seed=[seed, 5])
    assert found["image"].shape == (size, size, 3) and found["mask"].shape == (size, size)
    box = np.asarray(found["box"])
    # What is cut to a sliver by the crop, or shrunk to one, may be too faint to see.
    assume(box[2] > 0 and min((box[2:] - box[:2]) * size) >= 3)
    assert_together(found, tolerance=1.5)


def test_a_crop_worked_out_by_hand():
    example = rectangle(10, 20, 2, 4, 6, 12)
    found = geometry.crop(example, 1, 8, 4, 8)  # rows 1 to 4, columns 8 to 15
    np.testing.assert_allclose(found["box"], [1 / 4, 0, 1, 4 / 8])
    found = geometry.flip(found)
    np.testing.assert_allclose(found["box"], [1 / 4, 4 / 8, 1, 1])


def test_the_center_is_cut_out_of_the_center():
    found = geometry.center_crop({"image": numbered(7, 10)}, 4)
    np.testing.assert_array_equal(found["image"], numbered(7, 10)[1:5, 3:7])


def test_an_object_outside_the_crop_has_a_box_of_zeros():
    example = rectangle(10, 20, 2, 4, 6, 12)
    found = geometry.crop(example, 0, 12, 10, 8)
    np.testing.assert_array_equal(found["box"], [0, 0, 0, 0])
    assert not np.asarray(found["mask"]).any() and found["label"] == 7
    np.testing.assert_array_equal(geometry.flip(found)["box"], [0, 0, 0, 0])


def test_the_paper_sizes_of_224():
    example = rectangle(375, 500, 0, 0, 375, 500)
    found = geometry.resize_shorter_side(example, geometry._before_crop(224))
    assert found["image"].shape == (256, 341, 3)
    found = geometry.center_crop(found, 224)
    assert found["image"].shape == (224, 224, 3)
    np.testing.assert_array_equal(found["box"], [0, 0, 1, 1])


def test_shrinking_is_antialiased():
    image = np.repeat(np.array([[[0.0], [0], [1], [1]]], np.float32), 3, axis=-1)
    found = geometry.resize({"image": image}, 1, 2)["image"]
    # A triangle four pixels wide around 1.0 weighs the pixel centers by 3/4, 3/4 and 1/4.
    np.testing.assert_allclose(found[0, :, 0], [1 / 7, 6 / 7], rtol=1e-6)


@pytest.mark.parametrize("size", [(13, 29), (40, 64), (8, 50)])
def test_resizing_equals_pillow(size):
    images = pytest.importorskip("PIL.Image")
    image = np.random.default_rng(0).random((31, 45, 3), dtype=np.float32)
    found = geometry.resize({"image": image}, *size)["image"]
    for channel in range(3):
        there = images.fromarray(image[..., channel]).resize(size[::-1], images.BILINEAR)
        np.testing.assert_allclose(found[..., channel], np.asarray(there), atol=1e-5)


def test_the_same_size_is_the_same_image():
    image = np.random.default_rng(0).random((9, 12, 3), dtype=np.float32)
    np.testing.assert_allclose(geometry.resize({"image": image}, 9, 12)["image"], image, atol=1e-7)


def test_random_windows_are_anywhere_and_flipped_half_of_the_time():
    places, flips, again = [], [], []
    example = {"image": numbered(6, 5)}

    @tf.function(input_signature=[tf.TensorSpec([2], tf.int64)])
    def windows(seed):
        return geometry.random_crop_and_flip(example, 4, seed)["image"]

    for seed in range(300):
        window = np.round(windows(np.array([3, seed])) * 100)
        repeated = windows(np.array([3, seed]))
        if seed < 20:  # outside a graph too
            repeated = geometry.random_crop_and_flip(example, 4, [3, seed])["image"]
        again.append(np.array_equal(np.round(repeated * 100), window))
        flipped = window[0, 0, 1] > window[0, 1, 1]
        window = window[:, ::-1] if flipped else window
        top, left = window[0, 0, :2].astype(int)
        expected = np.round(numbered(6, 5)[top : top + 4, left : left + 4] * 100)
        np.testing.assert_array_equal(window, expected)
        places.append((top, left))
        flips.append(flipped)
    assert all(again)
    assert 120 < sum(flips) < 180
    counts = np.unique(places, axis=0, return_counts=True)[1]
    assert len(counts) == 6 and counts.min() > 25


def test_squashing_comes_before_the_crop():
    """As the code of arXiv 1911.13073: 256x256 whatever the shape, then 224x224 of it."""
    example = rectangle(375, 500, 75, 100, 300, 400)
    squashed = geometry.resize(example, 256, 256)
    found = geometry.fit_to_square(example, 224, "squash_center_crop")
    np.testing.assert_array_equal(found["image"], squashed["image"][16:240, 16:240])
    np.testing.assert_array_equal(found["mask"], squashed["mask"][16:240, 16:240])
    expected = (np.array([0.2, 0.2, 0.8, 0.8]) * 256 - 16) / 224
    np.testing.assert_allclose(found["box"], expected, atol=1e-6)
    windows = set()
    for seed in range(20):
        drawn = geometry.fit_to_square(example, 224, "squash_random_crop", seed=[seed, 1])
        same = geometry.random_crop_and_flip(squashed, 224, [seed, 1])
        for key in ("image", "box", "mask"):
            np.testing.assert_array_equal(drawn[key], same[key])
        windows.add(tuple(np.asarray(drawn["box"]).tolist()))
    assert len(windows) > 15
    assert geometry.visible_window(375, 500, 224, "squash_center_crop") == (
        *(16 / 256, 16 / 256),
        *(240 / 256, 240 / 256),
    )


def test_bad_requests_are_refused():
    example = rectangle(10, 12, 2, 3, 6, 7)
    with pytest.raises(ValueError, match="Unknown fit 'crop': expected one of whole, center_crop"):
        geometry.fit_to_square(example, 8, "crop")
    for fit in ("random_crop", "squash_random_crop"):
        with pytest.raises(ValueError, match=f"fit='{fit}' needs a seed, two int64 numbers"):
            geometry.fit_to_square(example, 8, fit)
    with pytest.raises(Exception, match="smaller than the window of 11x11: resize it first"):
        geometry.center_crop(example, 11)


@pytest.mark.parametrize("fit", ["center_crop", "squash_center_crop"])
def test_loading_at_another_size(fit):
    options = {"image_size": 28, "fit": fit}
    natural = pag_tf.data.load("shapes", "test[:6]")
    dataset = pag_tf.data.load("shapes", "test[:6]", **options)
    assert pag_tf.data.info("shapes", image_size=28).image_shape == (28, 28, 3)
    assert dataset.element_spec["image"].shape == (28, 28, 3)
    assert dataset.element_spec["mask"].shape == (28, 28)
    assert dataset.cardinality() == 6
    for before, after in zip(natural, dataset, strict=True):
        spelled = {"center_crop": "centre_crop"}.get(fit, fit)
        expected = geometry.fit_to_square(before, 28, spelled)  # as version 0.1 spells it
        for key in before:
            np.testing.assert_array_equal(after[key], expected[key])
    batched = next(iter(pag_tf.data.load("shapes", "test[:6]", batch_size=4, image_size=28)))
    assert batched["image"].shape == (4, 28, 28, 3)


@pytest.mark.parametrize("random_crop", ["random_crop", "squash_random_crop"])
def test_a_training_stream_of_random_crops_resumes(random_crop):
    def stream(first_epoch, seed=9, fit=random_crop):
        batches, steps = pag_tf.data.batches(
            "shapes", "train[:20]", batch_size=8, seed=seed, first_epoch=first_epoch,
            image_size=24, fit=fit,
        )  # fmt: skip
        assert steps == 2 and batches.element_spec[0].shape == (8, 24, 24, 3)
        return [(x.numpy(), y.numpy()) for x, y in batches.take(8 - 2 * first_epoch)]

    whole, resumed = stream(0), stream(2)
    for left, right in zip(whole[4:], resumed, strict=True):
        for ours, theirs in zip(left, right, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    # Other windows in every epoch, and for every seed (of 32 for each image, so that a few are the
    # same by chance); the same order as without windows.
    uncropped = stream(0, fit="whole")
    assert [y.tolist() for _, y in whole] == [y.tolist() for _, y in uncropped]
    images = {image.tobytes() for x, _ in whole for image in x}
    assert len(images) > 55
    assert len(images & {image.tobytes() for x, _ in stream(0, seed=8) for image in x}) < 15


def test_bad_geometry_options_are_refused():
    def load(**options):
        return pag_tf.data.load("shapes", "test[:4]", **options)

    with pytest.raises(ValueError, match="image_size must be 1 or more, got 0"):
        load(image_size=0)
    with pytest.raises(ValueError, match="image_size must be 1 or more, got -1"):
        pag_tf.data.info("shapes", image_size=-1)
    with pytest.raises(ValueError, match="fit='crop': expected one of whole, center_crop"):
        load(image_size=8, fit="crop")
    with pytest.raises(ValueError, match="random crops are for training, through batches"):
        load(image_size=8, fit="random_crop")
    with pytest.raises(ValueError, match="random crops are for training, through batches"):
        load(image_size=8, fit="squash_random_crop")
    with pytest.raises(ValueError, match="fit='center_crop' needs an image_size"):
        load(fit="center_crop")
    with pytest.raises(ValueError, match="fit='center_crop' needs an image_size"):
        pag_tf.data.batches("shapes", "test", batch_size=4, seed=0, fit="center_crop")


@pytest.mark.parametrize("fit", ["center_crop", "squash_center_crop"])
@pytest.mark.parametrize(("height", "width"), [(40, 80), (81, 37), (16, 16), (29, 30)])
def test_the_visible_window_is_what_the_crop_shows(height, width, fit):
    """A ramp tells which rows and columns the fitted image begins and ends at."""
    size = 14
    row, column = np.mgrid[:height, :width]
    ramp = np.stack([(row + 0.5) / height, (column + 0.5) / width, 0 * row], -1)
    fitted = geometry.fit_to_square({"image": ramp.astype("float32")}, size, fit)["image"]
    ymin, xmin, ymax, xmax = geometry.visible_window(height, width, size, fit)
    centers = (np.arange(size) + 0.5) / size
    inner = slice(2, -2)  # the antialiasing filter is cut off at the picture's rim
    for channel, low, high in ((0, ymin, ymax), (1, xmin, xmax)):
        seen = fitted.numpy()[..., channel].mean(axis=1 - channel)
        np.testing.assert_allclose(seen[inner], (low + (high - low) * centers)[inner], atol=0.005)


def test_the_visible_window_of_a_whole_image_is_all_of_it():
    assert geometry.visible_window(10, 20, 8, "whole") == (0.0, 0.0, 1.0, 1.0)
    # 100 x 200 comes to 64 x 128; the middle 56 x 56 of it is kept.
    expected = (4 / 64, 36 / 128, 60 / 64, 92 / 128)
    for spelling in ("center_crop", "centre_crop"):  # files of version 0.1 have the second
        assert geometry.visible_window(100, 200, 56, spelling) == expected
    with pytest.raises(ValueError, match="fit must be one of whole, .*got 'random_crop'"):
        geometry.visible_window(10, 20, 8, "random_crop")
