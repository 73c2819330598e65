"""`folder:<path>`: layouts, splits, classes, file kinds, boxes, and what is refused."""

import logging
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

import pag_tf.data
from pag_tf.data import held_out
from pag_tf.data.schemes.folder.duplicates import duplicates

pytestmark = pytest.mark.tensorflow


def picture(path, color=(255, 0, 0), size=(6, 4), **save):
    """Writes an image of one color; `size` is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **save)
    return path


def flowers(root, counts, suffix=".png"):
    """Writes `<class>/<number>` images: {"train/rose": 3, ...}."""
    for folder, count in counts.items():
        for number in range(count):
            shade = (number * 5 % 256, number // 51, len(folder))
            picture(root / folder / f"{number:03d}{suffix}", shade)
    return f"folder:{root}"


def read(name, split, data_dir=None, **options):
    return list(pag_tf.data.load(name, split, data_dir, **options).as_numpy_iterator())


def test_folders_of_splits_are_splits_and_folders_of_classes_classes(tmp_path):
    counts = {"train/rose": 3, "train/daisy": 2, "val/rose": 1, "val/daisy": 1}
    name = flowers(tmp_path, counts | {"test/rose": 1, "test/daisy": 2})
    info = pag_tf.data.info(name)
    assert info.class_names == ("daisy", "rose") and not info.has_boxes
    assert info.splits == {"train": 5, "validation": 2, "test": 3}
    assert info.image_shape == (None, None, 3)
    examples = read(name, "train")
    # One of each class, then the next, by path.
    assert [example["id"].decode() for example in examples] == [
        *("train/daisy/000.png", "train/rose/000.png", "train/daisy/001.png"),
        *("train/rose/001.png", "train/rose/002.png"),
    ]
    assert [example["label"] for example in examples] == [0, 1, 0, 1, 1]
    assert examples[0]["image"].shape == (4, 6, 3) and examples[0]["image"].dtype == np.float32
    np.testing.assert_allclose(examples[4]["image"][0, 0], np.array([10, 0, 10]) / 255)


def test_one_folder_is_divided_by_name_and_seed(tmp_path):
    name = flowers(tmp_path, {"rose": 60, "daisy": 60})
    first = {split: {e["id"] for e in read(name, split)} for split in held_out.SPLITS}
    assert sum(map(len, first.values())) == 120 == len(set().union(*first.values()))
    assert 4 <= len(first["validation"]) <= 24 and 4 <= len(first["test"]) <= 24
    other = {e["id"] for e in read(f"{name}?seed=1", "test")}
    assert other != first["test"]
    # Images that are added move no others.
    flowers(tmp_path, {"rose": 80})
    again = {split: {e["id"] for e in read(name, split)} for split in held_out.SPLITS}
    assert all(first[split] <= again[split] for split in held_out.SPLITS)
    assert pag_tf.data.info(f"{name}?held_out=0.3").splits["test"] > 25


def test_a_stored_division_decides(tmp_path):
    name = flowers(tmp_path, {"rose": 4, "daisy": 4})
    path = pag_tf.data.store_splits(name)
    lines = path.read_text().splitlines()
    assert path == tmp_path / "splits.csv" and lines[0] == "image,split" and len(lines) == 9
    before = pag_tf.data.info(name).splits
    assert pag_tf.data.info(f"{name}?seed=7").splits == before
    rows = {f"{c}/{i:03d}.png": "train" for c in ("rose", "daisy") for i in range(4)}
    rows |= {f"{c}/003.png": "test" for c in ("rose", "daisy")}
    rows |= {f"{c}/002.png": "validation" for c in ("rose", "daisy")}
    path.write_text("image,split\n" + "".join(f"{k},{v}\n" for k, v in rows.items()))
    assert {e["id"] for e in read(name, "test")} == {b"rose/003.png", b"daisy/003.png"}
    path.write_text("image,split\nrose/000.png,holdout\n")
    with pytest.raises(ValueError, match="Line 2 of .*splits.csv.*'holdout'.*train, validation"):
        pag_tf.data.info(name)


def test_the_split_that_is_missing_beside_train_and_test_is_held_out_of_train(tmp_path):
    counts = {f"{split}/{c}": n for split, n in (("train", 20), ("test", 3)) for c in "ab"}
    info = pag_tf.data.info(flowers(tmp_path, counts))
    assert info.splits["test"] == 6 and info.splits["train"] + info.splits["validation"] == 40
    assert info.splits["validation"] >= 2


def test_every_class_is_in_every_part_that_is_held_out():
    label = np.repeat([0, 1, 2], [3, 4, 200])
    names = [f"image-{number}" for number in range(len(label))]
    split = held_out.held_out(names, label, {"validation": 0.1, "test": 0.1}, seed=3)
    for one in range(3):
        assert set(split[label == one]) == {"train", "validation", "test"}
    assert 10 <= (split == "test").sum() <= 35
    with pytest.raises(ValueError, match="class 1 has 2 images, too few for 3 splits"):
        held_out.held_out(
            names[:5], np.array([0, 0, 0, 1, 1]), {"validation": 0.1, "test": 0.1}, seed=0
        )


def test_nested_hidden_linked_and_unicode_files(tmp_path):
    name = flowers(tmp_path, {"train/rose": 2, "train/Gänseblümchen": 2, "val/rose": 1})
    decomposed = unicodedata.normalize("NFD", "Gänseblümchen")  # as macOS writes names
    picture(tmp_path / "val" / decomposed / "1.JPG")
    picture(tmp_path / "train/rose/deep/er/1.png")
    (tmp_path / "train/rose/._1.png").write_bytes(b"not an image")
    (tmp_path / "train/rose/.hidden.png").write_bytes(b"not an image")
    (tmp_path / "train/rose/Thumbs.db").write_bytes(b"not an image")
    other = picture(tmp_path / "elsewhere" / "5.png")
    os.symlink(other, tmp_path / "train/rose/linked.png")
    os.rename(tmp_path / "elsewhere", tmp_path / ".elsewhere")
    os.remove(tmp_path / "train/rose/linked.png")
    os.symlink(tmp_path / ".elsewhere" / "5.png", tmp_path / "train/rose/linked.png")
    info = pag_tf.data.info(name)
    assert info.class_names == ("Gänseblümchen", "rose") and info.splits == {
        "train": 6,
        "validation": 2,
    }
    names = {e["id"].decode() for e in read(name, "train")}
    assert {"train/rose/deep/er/1.png", "train/rose/linked.png"} < names


def test_files_of_every_kind_are_read_as_the_picture_reader_reads_them(tmp_path):
    from pag_tf.data.picture_file import read_picture

    gray = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2000
    Image.new("RGB", (2, 2)).save((tmp_path / "a").with_suffix(".png"))
    (tmp_path / "a.png").unlink()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    kinds = tmp_path / "a"
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(noise).save(kinds / "turned.jpg", exif=exif, quality=95)
    Image.fromarray(noise).save(kinds / "plain.jpg", quality=95)
    Image.fromarray(noise[..., 0]).save(kinds / "gray.jpg")
    Image.fromarray(noise).convert("CMYK").save(kinds / "cmyk.jpg")
    Image.fromarray(noise).save(kinds / "progressive.jpeg", progressive=True)
    Image.fromarray(np.dstack([noise, noise[..., 0]])).save(kinds / "alpha.png")
    Image.fromarray(gray).save(kinds / "deep.png")
    Image.fromarray(noise).save(kinds / "w.webp", lossless=True)
    Image.fromarray(noise).save(kinds / "b.bmp")
    Image.fromarray(noise).quantize(16).save(kinds / "p.gif")
    Image.fromarray(noise).save(kinds / "t.tiff")
    Image.fromarray(noise).save(kinds / "really_a_png.jpg", format="PNG")
    for number in range(3):
        picture(tmp_path / "b" / f"{number}.png")
    name = f"folder:{tmp_path}"
    found = {}
    for split in ("train", "validation", "test"):
        found |= {e["id"].decode(): e["image"] for e in read(name, split) if e["label"] == 0}
    assert len(found) == 12
    for path, image in found.items():
        expected = read_picture(tmp_path / path).pixels
        assert image.shape == expected.shape, path
        # TensorFlow and Pillow round differently as they turn YCbCr of JPEG into RGB.
        np.testing.assert_allclose(
            image, expected, atol=3 / 255 if "jp" in path else 0, err_msg=path
        )
    assert found["a/turned.jpg"].shape == (60, 40, 3)
    assert found["a/deep.png"][3, 5, 0] == pytest.approx(46000 / 65535)


def test_images_are_read_at_one_size_and_shuffled_by_seed(tmp_path):
    name = flowers(tmp_path, {"train/a": 9, "train/b": 9, "val/a": 2, "val/b": 2})
    (batch,) = pag_tf.data.load(name, "validation", batch_size=4, image_size=8)
    assert batch["image"].shape == (4, 8, 8, 3)
    order = [[e["id"] for e in read(name, "train", shuffle_seed=s)] for s in (0, 0, 1)]
    assert order[0] == order[1] != order[2] and sorted(order[0]) == sorted(order[2])
    stream, steps = pag_tf.data.batches(name, "train", batch_size=4, seed=3, image_size=8)
    image, label = next(iter(stream))
    assert steps == 4 and image.shape == (4, 8, 8, 3) and set(label.numpy()) <= {0, 1}
    with pytest.raises(ValueError, match="different sizes.*image_size=224"):
        pag_tf.data.load(name, "train", batch_size=4)
    only = read(name, "train", classes=["b"])
    assert len(only) == 9 and {e["label"] for e in only} == {1}


def test_a_broken_file_is_named_and_skipped_only_when_asked(tmp_path, caplog):
    name = flowers(tmp_path, {"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 1}, ".jpg")
    whole = (tmp_path / "train/a/001.jpg").read_bytes()
    (tmp_path / "train/a/001.jpg").write_bytes(whole[:200])
    (tmp_path / "train/b/002.jpg").write_bytes(b"")
    with pytest.raises(Exception, match="train/a/001.jpg is a JPEG file that is damaged"):
        read(name, "train")
    with caplog.at_level(logging.WARNING):
        examples = read(f"{name}?broken=skip", "train")
    assert len(examples) == 4 and "2 images are skipped" in caplog.text
    assert (
        "train/a/001.jpg is a JPEG file that is damaged" in caplog.text
        and "b/002.jpg is empty" in caplog.text
    )


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"train/a": 2, "train/b": 2, "val/a": 2}, "'validation' of .* no images of 'b', which"),
        ({"train/a": 2, "val/a": 2, "train/b": 2, "val/b": 2, "val/c": 1}, "'train' of .* of 'c'"),
        ({"a": 4, "A": 4}, "differ in case only: A and a"),
        ({"a": 4}, "has one folder of images, 'a': expected a folder for each of two classes"),
        ({"a": 4, "b": 2}, "'b' has 2 images, too few for 3 splits, train and validation and test"),
        ({"my/train/a": 3, "my/train/b": 3}, "has one folder of images, 'my'.*name .*my"),
        ({}, "holds no images .*expected train/<class>/<image>, or <class>/<image>"),
        ({"train/a": 2, "train/b": 2, "val/a": 1, "valid/a": 1}, "has val and valid, .*same split"),
    ],
)  # fmt: skip
def test_layouts_that_do_not_fit_are_refused(tmp_path, counts, message):
    with pytest.raises(ValueError, match=message):
        pag_tf.data.info(flowers(tmp_path, counts))


def test_other_faults_of_a_folder_are_refused(tmp_path):
    name = flowers(tmp_path, {"a": 4, "b": 4})
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match="class folders without images, 'c': put images in"):
        pag_tf.data.info(name)
    os.rmdir(tmp_path / "c")
    picture(tmp_path / "loose.png")
    with pytest.raises(ValueError, match="holds images beside class folders, 'loose.png'"):
        pag_tf.data.info(name)
    os.remove(tmp_path / "loose.png")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "a/gone.png")
    with pytest.raises(ValueError, match="a/gone.png is a link that leads nowhere"):
        pag_tf.data.info(name)
    os.remove(tmp_path / "a/gone.png")
    os.symlink(tmp_path / "a", tmp_path / "a/again")
    with pytest.raises(ValueError, match="again is linked from within itself"):
        pag_tf.data.info(name)
    os.remove(tmp_path / "a/again")
    for option, message in {
        "broken=ignore": "broken=ignore: expected one of refuse, skip",
        "held_out=2": "held_out=2.0: expected a share between 0 and 0.5",
        "boxs=voc": "no option 'boxs'; there are boxes, broken",
    }.items():
        with pytest.raises(ValueError, match=message):
            pag_tf.data.info(f"{name}?{option}")
    with pytest.raises(ValueError, match="There is no folder .*nothere"):
        pag_tf.data.info("folder:nothere")
    with pytest.raises(ValueError, match="'folder:' lacks what follows"):
        pag_tf.data.info("folder:")


@pytest.mark.parametrize("fit", ["whole", "center_crop", "squash_center_crop"])
def test_images_of_one_size_are_kept_on_disk_when_asked(tmp_path, monkeypatch, fit):
    monkeypatch.setenv("PAG_TF_CACHE", str(tmp_path / "cache"))
    noise = np.random.default_rng(0)
    for number, split in enumerate(["train"] * 8 + ["val"] * 4):
        path = tmp_path / "own" / split / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (20 + number, 30, 3)
        Image.fromarray(noise.integers(0, 256, size, dtype=np.uint8)).save(path)
    name = f"folder:{tmp_path / 'own'}"
    fresh = read(name, "train[1:7]", image_size=16, fit=fit)
    for _ in range(2):  # written, then found
        kept = read(f"{name}?cache=yes", "train[1:7]", image_size=16, fit=fit)
        assert [e["id"] for e in kept] == [e["id"] for e in fresh]
        for one, other in zip(kept, fresh, strict=True):
            np.testing.assert_allclose(one["image"], other["image"], atol=1 / 510 + 1e-6)
            np.testing.assert_array_equal(one["image"] * 255, np.round(one["image"] * 255))
    (folder,) = (tmp_path / "cache").iterdir()
    (folder / "pixels.bin").unlink()  # so it is read, not the images again
    with pytest.raises(FileNotFoundError):
        read(f"{name}?cache=yes", "train", image_size=16, fit=fit)
    only = read(f"{name}?cache=yes", "validation", classes=["b"], image_size=16, fit=fit)
    assert [e["label"] for e in only] == [1, 1] and len(list((tmp_path / "cache").iterdir())) == 2


def test_images_in_two_splits_are_named(tmp_path, caplog):
    counts = {f"{split}/{c}": 2 for split in ("train", "val") for c in "ab"}
    name = flowers(tmp_path, counts)
    same = (tmp_path / "train/a/001.png").read_bytes()
    (tmp_path / "val/b/copy.png").write_bytes(same)
    with caplog.at_level(logging.WARNING):
        pag_tf.data.info(name)
    assert "train/a/001.png and val/b/copy.png" in caplog.text
    splits = {"train": ["train/a/000.png", "train/a/001.png"], "validation": ["val/b/copy.png"]}
    assert duplicates(tmp_path, splits) == [("train/a/001.png", "val/b/copy.png")]


def test_a_folder_is_recorded_by_its_name_and_found_again(tmp_path, monkeypatch):
    root = tmp_path / "flowers"
    flowers(root, {"a": 5, "b": 5})
    assert pag_tf.data.place(f"folder:{root}?seed=2") == ("folder:flowers?seed=2", str(root))
    assert pag_tf.data.info(f"folder:{root}").name == "folder:flowers"
    for data_dir in (root, tmp_path):
        assert pag_tf.data.info("folder:flowers", data_dir).num_classes == 2
    monkeypatch.setenv("PAG_TF_DATA", str(tmp_path))
    assert pag_tf.data.info("folder:flowers").num_classes == 2
    monkeypatch.chdir(tmp_path)
    assert pag_tf.data.place("folder:flowers") == ("folder:flowers", str(root))
    assert pag_tf.data.place("shapes", "somewhere") == ("shapes", "somewhere")
    with pytest.raises(ValueError, match="says where the images are, and data_dir="):
        pag_tf.data.info(f"folder:{root}", tmp_path)


@pytest.mark.realdata
def test_raccoons_have_the_boxes_of_their_voc_files(real_data_folder):
    name = f"folder:{real_data_folder / 'raccoon'}"
    info = pag_tf.data.info(name)
    assert info.class_names == ("raccoon",) and info.has_boxes
    assert sum(info.splits.values()) == 200
    count = 0
    for split in info.splits:
        for example in read(name, split, image_size=32):
            boxes = example["boxes"]
            real = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
            count += len(real)
            areas = (real[:, 2:] - real[:, :2]).prod(axis=1)
            np.testing.assert_array_equal(example["box"], real[areas.argmax()])
    assert count == 217


@pytest.mark.realdata
def test_imagenette_has_the_official_boxes(real_data_folder):
    folder = real_data_folder / "imagenette-ilsvrc-boxes"
    info = pag_tf.data.info("imagenette", folder)
    assert info.splits["test"] == 500 and info.splits["train"] + info.splits["validation"] == 4000
    assert info.class_names[1] == "English springer" and info.class_ids[1] == "n02102040"
    boxes = [example["boxes"] for example in read("imagenette", "test", folder)]
    assert sum(int((box[:, 2] > box[:, 0]).sum()) for box in boxes) == 813
    assert read("imagenette", "train[:1]", folder)[0]["box"].tolist() == [0, 0, 0, 0]


def test_imagenet_is_read_from_folders_by_wnid(tmp_path):
    wnids = [f"n{number:08d}" for number in range(12)]
    for place, count in (("train", 30), ("val", 2)):
        flowers(tmp_path / "ilsvrc", {f"{place}/{wnid}": count for wnid in wnids})
    root = tmp_path / "ilsvrc"
    info = pag_tf.data.info("imagenet", root)
    assert info.class_names == info.class_ids == tuple(wnids) and not info.has_boxes
    assert info.splits["test"] == 24 and info.splits["train"] + info.splits["validation"] == 360
    assert 12 <= info.splits["validation"] <= 40
    (root / "LOC_synset_mapping.txt").write_text(
        "".join(f"{wnid} thing {number}, object\n" for number, wnid in enumerate(wnids))
    )
    assert pag_tf.data.info("imagenet", root).class_names[3] == "thing 3, object"
    lists = tmp_path / "metadata/test"
    lists.mkdir(parents=True)
    names = [f"val/{wnid}/{number:03d}.png" for wnid in wnids for number in range(2)]
    for file, row in {
        "image_ids": "{}",
        "class_labels": "{},0",
        "image_sizes": "{},6,4",
        "localization": "{},3,0,6,2",
    }.items():
        (lists / f"{file}.txt").write_text("".join(row.format(n) + "\n" for n in names))
    assert pag_tf.data.info("imagenet", tmp_path / "ilsvrc").has_boxes
    assert read("imagenet", "test[:1]", root)[0]["box"].tolist() == [0, 0.5, 0.5, 1]
    with pytest.raises(
        ValueError, match="Found no ImageNet in data_dir=.*no copy prepared by TFDS"
    ):
        pag_tf.data.info("imagenet", tmp_path / "metadata")
    with pytest.raises(
        ValueError, match="Found no Imagenette in data_dir=.*unpack imagenette2.tgz"
    ):
        pag_tf.data.info("imagenette", tmp_path)
