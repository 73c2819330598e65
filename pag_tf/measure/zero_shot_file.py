"""A `.keras` file whose unseen classes are recognized, as its user says that it was trained."""

from __future__ import annotations

import dataclasses

import keras

import pag_tf.data
from pag_tf import zero_shot
from pag_tf.core.layers import on_unit_pixels
from pag_tf.data.attribute_files import with_attributes
from pag_tf.data.info import class_indices
from pag_tf.measure.config import ZeroShotConfig
from pag_tf.measure.images import Images, check_outputs
from pag_tf.measure.subject import Subject, check_image_shape, of_keras_file
from pag_tf.measure.zero_shot_task import Task, distinguishing_attributes


def task_of_file(config: ZeroShotConfig, loaded: Subject | None = None) -> Task:
    """Returns a `.keras` file, checked against the class split that its user names.

    Args:
        config: Names the file, data set, class split and the images that it was trained on.
        loaded: The file as a subject, if it is loaded already.

    Raises:
        ValueError: No such file, data set or class split; a model whose outputs are not the seen
            classes, or that does not end in a `Dense` layer; a data set without attributes.
    """
    data_dir = config.data_dir or None
    split = pag_tf.data.class_split(config.dataset, data_dir, split_name=config.class_split)
    names = config.parsed_class_names
    pixel_range = config.parsed_pixel_range
    subject = of_keras_file(config.model, loaded, pixel_range=pixel_range, class_names=names)
    check_outputs(subject, len(split.seen), f"seen class of class split {split.name!r}")
    if names is not None:
        split = _in_order_of(split, names, pag_tf.data.info(config.dataset, data_dir))
    size = config.image_size or subject.image_shape[0]
    images = Images(config.dataset, data_dir, size, config.fit or "whole", config.batch_size)
    info = with_attributes(images.info, config.class_attributes)
    check_image_shape(info, subject, config.image_size)
    attributes, attribute_names = distinguishing_attributes(info, split)
    return Task(
        subject=subject,
        features=_features(subject.model, pixel_range),
        training={"dataset": config.dataset, "train_split": config.train_split},
        info=info,
        split=split,
        attributes=attributes,
        attribute_names=attribute_names,
        images=images,
        jit_compile=config.jit_compile,
    )


def _in_order_of(
    split: pag_tf.data.ClassSplit, names: tuple[str, ...], info: pag_tf.data.DatasetInfo
) -> pag_tf.data.ClassSplit:
    """The split with its seen classes in the order of the model's logits."""
    indices = class_indices(info, names)
    pag_tf.data.check_no_leak(indices, split)
    return dataclasses.replace(split, seen=indices)


def _features(model: keras.Model, pixel_range: tuple[float, float]) -> keras.Model:
    if pixel_range == (0, 1):
        return zero_shot.features_model(model)
    # The file itself is the last layer, behind the one that scales pixels.
    return on_unit_pixels(zero_shot.features_model(model.layers[-1]), pixel_range)
