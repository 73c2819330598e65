"""Parameters are counted without building, and exactly (by hand for others: test_build.py)."""

import time
import tracemalloc

import numpy as np
import pytest

from pag_tf import models
from pag_tf.models.architectures.resnet import STEMS
from pag_tf.models.layers import ACTIVATIONS


def resnets(count: int):
    """Arguments that differ in everything the number of parameters depends on."""
    rng = np.random.default_rng(11)
    for _ in range(count):
        stages = int(rng.integers(1, 4))
        widths = [int(n) for n in rng.choice([1, 3, 4, 8], stages)]
        yield (
            "resnet",
            int(rng.integers(1, 12)),
            (8 * int(rng.integers(1, 4)), 16, int(rng.choice([1, 3, 4]))),
            {
                "widths": widths,
                "blocks": [int(n) for n in rng.integers(1, 4, stages)],
                "stem": str(rng.choice(STEMS)),
                # As wide as the first stage in some: its first block then has no convolution in
                # the shortcut.
                "stem_width": int(rng.choice([widths[0], 2, 5])),
                "activation_name": str(rng.choice(ACTIVATIONS)),
                "pre_activation": bool(rng.integers(2)),
                "attributes": int(rng.choice([0, 6])),
            },
        )


WIDE_RESNET = ("wide_resnet", 7, (16, 8, 1), {"depth": 16, "width": 2, "attributes": 5})


def test_the_count_is_that_of_the_built_model():
    for arch, num_classes, image_shape, options in (*resnets(30), WIDE_RESNET):
        counted = models.count_parameters(arch, num_classes, image_shape, **options)
        built = models.build(arch, num_classes, image_shape, **options)
        assert counted == built.count_params(), (arch, num_classes, image_shape, options)


def test_counting_takes_no_memory_and_no_time_however_large_the_model():
    tracemalloc.start()
    start = time.perf_counter()
    count = models.count_parameters(
        "resnet", 10**6, (65536, 65536, 65536), widths=[8192] * 8, blocks=[16] * 8, stem_width=8192
    )
    assert time.perf_counter() - start < 1
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert count > 10**11


@pytest.mark.parametrize(
    ("image_shape", "options", "message"),
    [
        ((36, 36, 3), {}, "must be divisible by 8"),
        ((32, 32, 3), {"widths": [8]}, "one number >= 1 for each stage"),
        (
            (32, 32, 3),
            {"std": [1, 1]},
            r"std needs one number or 3 \(one a channel\), got \[1, 1\]",
        ),
        ((32, 32, 3), {"depth": 3}, "has no option 'depth'"),
    ],
)
def test_what_cannot_be_built_is_not_counted(image_shape, options, message):
    with pytest.raises(ValueError, match=message):
        models.count_parameters("resnet", 10, image_shape, **options)
