"""A folder of results as the measuring scripts write them, with tiny made-up numbers."""

import json

import numpy as np
import pytest

from pag_tf.measure import schema

CLASS = 'cat <b>"&'
NAMES = {0: "toy-natural", 1: "toy-linf-1-255", 2: "toy-linf-2-255"}


class Results:
    """Writes result files; each method returns the file that it wrote."""

    def __init__(self, folder):
        self.folder = folder

    def evaluation(self, level, *, clean=90, name="evaluation.json", **changes):
        attack = {"correct": 10 * level, "accuracy": level / 10}
        numbers = {
            "images": 100,
            "clean": {"correct": clean, "accuracy": clean / 100},
            "attacks": [{"attack": "PGD(linf:2/255)", "threat_model": "linf:2/255"} | attack],
        }
        return self._write(level, name, self._document("accuracy", level, numbers) | changes)

    def localization(self, level, *, gt_known=0.5, method="loss_gradients", **changes):
        means = {
            "images": 100,
            "gt_known": gt_known,
            "top1_loc": 0.4,
            "center_box": 0.3,
            "center_top1_loc": 0.2 + level / 100,
            "pxap": None,
            "intervals": {"gt_known": [gt_known - 0.1, gt_known + 0.1]},
        }
        small = {"images": 40, "gt_known": 0.25, "top1_loc": None, "center_box": 0.125}
        numbers = {
            "clean": {"top1": {"correct": 90, "accuracy": 0.9}},
            "method": {"name": method, "options": {}},
            "target": "predicted",
            "heatmap": {"recipe": "paper"},
            "localization": means | {"by_size": {"small": small}},
        }
        document = self._document("localization", level, numbers)
        document["config"]["method"] = method
        return self._write(level, f"{method}/result.json", document | changes)

    def alignment(self, level, *, arrays=None, older=False, **changes):
        def measure(title, value, better):
            interval = None if value is None else [value - 0.01, value + 0.01]
            what = {"better": better, "source": "Someone 2019", "what": f"What {title} is."}
            return {"title": title, "value": value, "interval": interval, "images": 100} | what

        examples = [
            {
                "id": f"toy-test_{number}",
                "class": CLASS,
                "predicted": CLASS if number == 0 else "dog",
                "target": "dog",
                "true_box": [0.25, 0.25, 0.75, 0.75],
                "box": [0.25, 0.25, 0.75, 1.0] if number == 0 else None,
                "iou": 2 / 3 if number == 0 else None,
            }
            for number in range(2)
        ]
        measures = {
            "cosine_alignment": measure("cosine alignment", 0.1234 * (1 + level), "higher"),
            "total_variation": measure("total variation", float("nan"), "lower"),
        }
        found = {"images": 100, "measures": measures}
        if not older:  # an older version measured no curves
            found |= curves(level)
            for name in ("deletion", "insertion"):
                mean = found[f"{name}_curve"]
                area = np.trapezoid(mean["probabilities"], mean["fractions"])
                measures[name] = measure(name, float(area), None)
        document = self._document("alignment", level, {"alignment": found, "examples": examples})
        path = self._write(level, "alignment/result.json", document | changes)
        np.savez(path.with_name("examples.npz"), **(pictures(level) | (arrays or {})))
        return path

    def zero_shot(self, level, seed, *, T1=0.5, **changes):
        recognition = {n: T1 / 2 for n in "SUH"} | {"T1": T1, "intervals": {"T1": [0.4, 0.6]}}
        recognition |= {"seen_images": 20, "unseen_images": 10}
        boxes = {"images": 10, "gt_known": 0.6, "center_box": 0.2, "intervals": {}}
        numbers = {
            "training": {"dataset": "toy", "seed": seed},
            "class_split": {"name": "pairs"},
            "method": {"name": "vanilla_gradients", "options": {}},
            "heatmap": {"recipe": "paper"},
            "recognition": {"attributes": recognition},
            "localization": {"attributes-true_unseen": boxes, "likely_seen": boxes},
        }
        document = self._document("zero_shot", level, numbers)
        del document["config"]["dataset"]
        document["weights_sha256"] = f"{level}{seed}" * 32
        path = self._write(level, f"zero_shot_{seed}/result.json", document | changes)
        view = {"command": "c", "config": {"dataset": "toy"}, "localization": boxes}
        self._write(level, f"zero_shot_{seed}/attributes-true_unseen/result.json", view)
        return path

    def change(self, path, **changes):
        """Replaces top-level values of a file; None deletes one."""
        document = json.loads(path.read_text()) | changes
        document = {name: value for name, value in document.items() if value is not None}
        path.write_text(json.dumps(document))

    def _document(self, kind, level, numbers):
        return schema.document(
            kind,
            command=f"python scripts/measure.py --eps={level}/255 --name='<i>'",
            config={"dataset": "toy", "split": "test", "batch_size": level},
            model={
                "entry": NAMES[level],
                "weights_sha256": f"{level}" * 64,
                "threat_model": f"linf:{level}/255" if level else "linf:0",
            },
            numbers=numbers,
            seconds=1.0,
            versions={"pag_tf": "0"},
            backend="tensorflow",
        )

    def _write(self, level, name, document):
        path = self.folder / NAMES[level] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
        return path


def pictures(level):
    """The arrays of examples.npz: all models have the same images."""
    image = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    rng = np.random.default_rng(1 + level)
    return {
        "image": image,
        "gradient": rng.normal(size=image.shape).astype(np.float32),
        "heat_map": rng.random(image.shape[:3], np.float32),
        "synthesis": rng.random(image.shape, np.float32),
    }


def curves(level):
    """The curves of an alignment result: each level's are others."""
    powers = np.array([4, 2, 1, 1]) ** (1.0 + level)
    falling = np.array([0.75, 0.5, 0.25, 0.125, 0.0625]) / (1 + level)
    fractions = [0, 0.25, 0.5, 0.75, 1]
    return {
        "spectrum": {
            "frequencies": [0.1, 0.25, 0.45, 0.6],
            "power": (powers / powers.sum()).tolist(),
        },
        "deletion_curve": {"fractions": fractions, "probabilities": falling.tolist()},
        "insertion_curve": {"fractions": fractions, "probabilities": falling[::-1].tolist()},
    }


@pytest.fixture
def results(tmp_path):
    """An empty folder of results."""
    (tmp_path / "results").mkdir()
    return Results(tmp_path / "results")


@pytest.fixture(scope="session")
def whole_page(tmp_path_factory):
    """A page of three models, of which the last was not evaluated: `(index.html, results)`."""
    from pag_tf.report import ReportConfig, write_page

    folder = tmp_path_factory.mktemp("report")
    results = Results(folder / "results")
    for level in NAMES:
        if level < 2:
            results.evaluation(level, clean=90 - 9 * level)
        results.localization(level, gt_known=0.5 + level / 8)
        results.alignment(level)
    for seed, T1 in enumerate((0.5, 0.625)):
        results.zero_shot(1, seed, T1=T1)
    (results.folder / "config.json").write_text('{"output": "of a run"}')
    return write_page(ReportConfig(str(results.folder), str(folder / "out"))), results
