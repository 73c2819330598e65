"""The drawn data set: pure in its arguments, balanced, and drawn as its annotations say."""

import numpy as np
import pytest

import pag_tf.data
from pag_tf.data.readers.shapes import COLORS, SHAPES, SPLITS, TEXTURES, generate
from pag_tf.data.readers.shapes.background import dots, stripes
from pag_tf.data.readers.shapes.drawing import _cover

INFO = pag_tf.data.info("shapes")


@pytest.fixture(scope="module")
def examples():
    return [generate("test", index) for index in range(240)]


def test_the_same_arguments_draw_the_same_bytes(examples):
    np.random.seed(5)  # global state has no say in it
    for index in (0, 17):
        again = generate("test", index)
        for key, value in examples[index].items():
            np.testing.assert_array_equal(again[key], value)


def test_every_argument_changes_the_image():
    images = [
        generate(split, index, seed)["image"]
        for split in SPLITS
        for index in (0, 1)
        for seed in (0, 1)
    ]
    assert len({image.tobytes() for image in images}) == 12


def test_dtypes_and_shapes(examples):
    for example in examples[:60]:
        assert example["image"].shape == (64, 64, 3) and example["image"].dtype == np.uint8
        assert example["mask"].shape == (64, 64) and example["mask"].dtype == bool
        assert example["label"].dtype == np.int64
        assert example["box"].dtype == example["attributes"].dtype == np.float32


def test_boxes_are_tight_around_masks_and_inside_the_image(examples):
    for example in examples:
        ymin, xmin, ymax, xmax = (example["box"] * 64).astype(int)
        mask = example["mask"]
        inside = mask[ymin:ymax, xmin:xmax]
        assert inside.sum() == mask.sum() > 0
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
        assert ymin >= 1 and xmin >= 1 and ymax <= 63 and xmax <= 63


def test_sizes_and_places_vary(examples):
    boxes = np.stack([example["box"] for example in examples])
    sides = (boxes[:, 2:] - boxes[:, :2]).max(1)
    assert 0.2 < sides.min() < 0.32 and 0.68 < sides.max() < 0.8
    centers = (boxes[:, 2:] + boxes[:, :2]) / 2
    assert (centers.min(0) < 0.25).all() and (centers.max(0) > 0.75).all()


@pytest.mark.parametrize("split", SPLITS)
def test_each_sixty_images_hold_each_class_once(split):
    for start in (0, 60 * (SPLITS[split] // 60 - 1)):
        labels = [generate(split, start + i)["label"] for i in range(60)]
        assert sorted(labels) == list(range(60))
        assert labels != sorted(labels)


def test_class_names_and_attributes_say_the_same():
    assert len(set(INFO.class_names)) == INFO.num_classes == 60
    assert INFO.class_names[12 * 3 + 4 * 1 + 0] == "red striped star"
    for name, row in zip(INFO.class_names, INFO.class_attributes, strict=True):
        colour, texture, shape = name.split()
        on = {INFO.attribute_names[place] for place in np.flatnonzero(row)}
        assert on == {f"shape::{shape}", f"texture::{texture}", f"color::{colour}"}
    assert len(INFO.attribute_names) == len(SHAPES) + len(TEXTURES) + len(COLORS) == 12
    assert dict(INFO.splits) == {"train": 20_000, "validation": 2_000, "test": 2_000}
    assert INFO.has_boxes and INFO.has_masks


def test_attributes_are_those_of_the_class(examples):
    for example in examples[:60]:
        np.testing.assert_array_equal(
            example["attributes"], INFO.class_attributes[example["label"]]
        )


def test_plain_objects_have_the_color_of_their_name(examples):
    strongest = {"red": (0,), "green": (1,), "blue": (2,), "yellow": (0, 1)}
    for example in examples:
        colour, texture, _ = INFO.class_names[example["label"]].split()
        if texture == "plain":
            mean = example["image"][example["mask"]].mean(0)
            on = [mean[channel] for channel in strongest[colour]]
            off = [mean[channel] for channel in range(3) if channel not in strongest[colour]]
            assert min(on) > 1.25 * max(off)


def test_textured_objects_have_two_tones_and_plain_ones_one(examples):
    spread = {texture: [] for texture in TEXTURES}
    for example in examples:
        texture = INFO.class_names[example["label"]].split()[1]
        spread[texture].append(example["image"][example["mask"]].std(0).max())
    textured = spread["striped"] + spread["dotted"]
    assert np.median(spread["plain"]) < 30 < min(textured)
    assert np.median(textured) > 50


def test_cover_is_the_area_inside_the_outline():
    cover = _cover(np.array([[10.0, 20.0], [30.5, 20.0], [30.5, 50.25], [10.0, 50.25]]))
    assert cover[30, 20] == 1 and cover[30, 9] == 0 and cover[19, 20] == 0
    # x runs along the columns; cv2 adds the pixels its outline touches, a quarter pixel at most.
    assert cover.sum() == pytest.approx(20.5 * 30.25, rel=0.03)


def test_stripes_and_dots_repeat_with_their_period():
    pattern = stripes(0.0, 8.0, 0.0, width=0.5)
    np.testing.assert_allclose(pattern[:, :-8], pattern[:, 8:], atol=1e-4)
    assert pattern.mean() == pytest.approx(0.5, abs=0.01)
    staggered = dots(0.0, 8.0, (0.0, 0.0), radius=0.25)
    np.testing.assert_allclose(staggered[:-16], staggered[16:], atol=1e-4)
    assert staggered.mean() == pytest.approx(np.pi / 16, abs=0.01)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("dev", 0), "no split 'dev': its splits are train, validation, test"),
        (("test", 2_000), "Index 2000 is outside 'test' of shapes: expected 0 to 1999"),
        (("test", -1), "Index -1 is outside"),
        (("test", 0, -1), r"Seed must lie in \[0, 2\*\*64\), got -1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate(*arguments)


def test_loaded_examples_are_the_generated_ones():
    tf = pytest.importorskip("tensorflow")
    dataset = pag_tf.data.load("shapes", "validation[40:75]")
    assert dataset.element_spec == {
        "image": tf.TensorSpec((64, 64, 3), tf.float32),
        "label": tf.TensorSpec((), tf.int64),
        "box": tf.TensorSpec((4,), tf.float32),
        "mask": tf.TensorSpec((64, 64), tf.bool),
        "attributes": tf.TensorSpec((12,), tf.float32),
        "id": tf.TensorSpec((), tf.string),
    }
    loaded = list(dataset)
    assert len(loaded) == 35
    for index, example in enumerate(loaded, start=40):
        drawn = generate("validation", index)
        for key in ("label", "box", "mask", "attributes"):
            np.testing.assert_array_equal(example[key], drawn[key])
        np.testing.assert_array_equal(
            example["image"], drawn["image"].astype(np.float32) / np.float32(255)
        )
        assert example["id"].numpy().decode() == f"shapes-validation-{index:05d}"
