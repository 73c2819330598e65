"""The table of metrics: a metric is one function, and measurements use it."""

import numpy as np
import pytest

from pag_tf.core.statistics import confidence_intervals
from pag_tf.localization import evaluate
from pag_tf.measure import metrics as table
from pag_tf.measure.boxes import BoxMetrics
from pag_tf.measure.metrics import KINDS, Metric, declare, metric, metrics, register


@pytest.fixture
def own_table(monkeypatch):
    """A copy of the table: what a test registers goes with it."""
    metrics("accuracy")
    monkeypatch.setattr(table, "_TABLE", dict(table._TABLE))


def boxes_and_maps(images=9):
    rng = np.random.default_rng(0)
    maps = rng.random((images, 16, 16), np.float32)
    low, side = rng.uniform(0, 0.4, (images, 2)), rng.uniform(0.2, 0.6, (images, 2))
    batch = {"image": rng.random((images, 16, 16, 3), np.float32)}
    return batch | {"box": np.concatenate([low, low + side], axis=1)}, maps


def test_every_metric_says_what_it_is():
    for kind in KINDS:
        assert metrics(kind), kind
        for each in metrics(kind):
            assert each.kind == kind
            assert each.title
            assert each.description.endswith("."), each.key
            assert metric(kind, each.key) is each
    with pytest.raises(ValueError, match="Unknown kind 'speed'. Known: accuracy, localization"):
        metrics("speed")


def test_box_metrics_are_what_the_evaluator_takes_means_of():
    batch, maps = boxes_and_maps()
    ranked = {"labels": np.arange(9) % 5, "logits": np.random.default_rng(1).normal(size=(9, 5))}
    expected = evaluate(maps, batch["box"], threshold=0.3, **ranked)
    arrays = {k: v for k, v in vars(expected.per_image).items() if v is not None}
    compared = [each for each in metrics("localization") if each.function is not None]
    assert len(compared) == 10
    for each in compared:
        mean = np.mean(each.per_image(arrays))
        if each.key in ("top1", "top5"):
            assert mean == np.mean(arrays[each.key])
        else:
            assert mean == getattr(expected, each.key), each.key


def test_a_new_localization_metric_is_one_function(own_table):
    @register(kind="localization", title="brightness", description="Mean of the map.")
    def brightness(heat_map, true_box, iou):
        assert len(heat_map) == len(true_box) == len(iou)
        return heat_map.mean(axis=(1, 2))

    @register(kind="localization", title="on the object", description="Needs a mask.")
    def on_object(mask):
        raise AssertionError("the data has no masks")

    batch, maps = boxes_and_maps()
    whole = evaluate(maps, batch["box"], threshold=0.3, split="test").to_dict()
    expected = {k: v for k, v in whole.items() if k not in ("intervals", "by_size")}
    measured = BoxMetrics(threshold=0.3, split="test", center_fraction=0.75)
    parts = [slice(0, 4), slice(4, 9)]
    measured.add({k: v[parts[0]] for k, v in batch.items()}, maps[parts[0]])
    again = BoxMetrics(threshold=0.3, split="test", center_fraction=0.75)
    again.restore(measured.state())
    again.add({k: v[parts[1]] for k, v in batch.items()}, maps[parts[1]])
    found, per_image = again.result()

    assert {name: found[name] for name in expected} == expected
    values = maps.mean(axis=(1, 2)).astype(np.float64)
    assert found["brightness"] == values.mean()
    assert found["intervals"]["brightness"] == list(confidence_intervals({"v": values})["v"])
    small = per_image.object_area < 0.5
    assert found["by_size"]["small"]["brightness"] == values[small].mean()
    assert found["on_object"] is None
    assert "on_object" not in found["intervals"]
    assert metrics("localization")[-2].title == "brightness"


def test_images_on_which_a_metric_says_nothing_are_left_out(own_table):
    @register(kind="localization", title="t", description="d")
    def some(heat_map):
        return np.where(np.arange(len(heat_map)) < 2, np.nan, 0.5)

    batch, maps = boxes_and_maps()
    measured = BoxMetrics(threshold=0.3, split="test", center_fraction=0.75)
    measured.add(batch, maps)
    assert measured.result()[0]["some"] == 0.5


def test_a_metric_names_arrays_that_there_are():
    with pytest.raises(ValueError, match="needs heatmap, but measurements of localization provide"):
        register(kind="localization", title="t")(lambda heatmap: heatmap)
    with pytest.raises(ValueError, match="kind must be one of .* got 'boxes'"):
        declare(Metric("m", kind="boxes", title="t"))
    with pytest.raises(ValueError, match="better must be one of .* got 'more'"):
        declare(Metric("m", kind="alignment", title="t", better="more"))
    metrics("alignment")
    with pytest.raises(ValueError, match="a metric 'deletion' of alignment. Choose another"):
        declare(Metric("deletion", kind="alignment", title="t"))
