"""scripts/localize.py as it is called: what it prints is what it writes."""

import json

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A `.keras` file and test images of noise, each with a box: three small, three large."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    box = np.array([[0.25, 0.25, 0.5, 0.75], [0, 0, 0.75, 1]] * 3, "float32")
    image = rng.random((6, 8, 8, 3), dtype=np.float32)
    np.savez(folder / "test.npz", image=image, label=np.arange(6) % 2, box=box)
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    keras.Sequential(layers).save(folder / "mine.keras")
    return folder


def test_the_table_shows_what_is_written(run_script, world):
    finished = run_script(
        "localize",
        "--dataset=arrays",
        f"--data_dir={world}",
        f"--model={world / 'mine.keras'}",
        "--threshold=0.4",
        "--heatmap=plain",
        "--cases=1",
        "--nojit_compile",
        f"--output={world / 'out'}",
    )
    assert finished.status == 0, finished.stderr
    result = json.loads((world / "out" / "result.json").read_text())
    found = result["localization"]
    assert "mine.keras on test of arrays: loss_gradients of the predicted class" in finished.stdout
    assert "threshold 0.4 (given)" in finished.stdout
    lines = [line.replace(" %", "").split() for line in finished.stdout.splitlines()]
    assert ["images", "6", "3", "3"] in lines
    low, high = (100 * end for end in found["intervals"]["mean_iou"])
    by_size = [f"{100 * found['by_size'][size]['mean_iou']:.1f}" for size in ("small", "large")]
    mean = f"{100 * found['mean_iou']:.1f}"
    interval = (f"[{low:.1f},", f"{high:.1f}]")
    assert ["mean", "IoU", mean, *interval, *by_size, "higher"] in lines
    assert ["center", "box", f"{100 * found['center_box']:.1f}"] in [line[:3] for line in lines]
    parts = (found, found["by_size"]["small"], found["by_size"]["large"])
    assert [
        "MaxBoxAccV2",
        *(f"{100 * part['max_box_acc_v2']:.1f}" for part in parts),
        "higher",
    ] in lines
    accuracy = f"{100 * result['clean']['top1']['accuracy']:.1f}"
    assert ["top-1", "accuracy", accuracy] in [line[:3] for line in lines]
    assert not any(line[:1] == ["PxAP"] or line[:1] == ["Top-5"] for line in lines)


def test_data_without_boxes_is_one_line(run_script):
    finished = run_script("localize", "--dataset=cifar10", "--eps=0")
    assert finished.status == 1
    assert finished.stderr.splitlines()[-1].startswith("error: The data set cifar10 has no boxes")
