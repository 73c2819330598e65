"""Accuracy under attack: counts against a plain loop, every form of data set, work not done."""

import json

import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy as to_numpy

from pag_tf.attacks import FGSM, NFGSM, PGD, Attack, robust_accuracy

# The logits of `two_pixels` are 0 and 3 p - 4 q; an linf step of 0.05 adds 0.35 to the second.
# With p = 0.5 and q = (1.5 + m) / 4 an image of class 0 has the margin m.
WRONG, NEAR, FAR, SAFE = -0.3, 0.2, 0.5, 1.0
TWO_STEPS = PGD("linf:0.1", 2, step_size=0.05, random_start=False)


def with_margins(*margins):
    images = np.full((len(margins), 1, 2, 1), 0.5, "float32")
    images[:, 0, 1, 0] = (1.5 + np.array(margins)) / 4
    return images, np.zeros(len(margins), int)


MARGINS = (WRONG, SAFE, NEAR, FAR, NEAR)


def measure(model, dataset, *attacks, batch_size=2, **options):
    return robust_accuracy(
        model, dataset, attacks, batch_size=batch_size, progress=False, **options
    )


def test_hand_worked_counts(two_pixels):
    one_step = FGSM("linf:0.05")
    report = measure(two_pixels, with_margins(*MARGINS), TWO_STEPS, one_step)
    assert (report.images, report.clean_correct) == (5, 4)
    assert report.clean_accuracy == 0.8
    assert [result.attack for result in report.attacks] == [TWO_STEPS, one_step]
    assert [result.correct for result in report.attacks] == [1, 2]
    assert [result.accuracy for result in report.attacks] == [0.2, 0.4]
    assert (report.worst_case_correct, report.worst_case_accuracy) == (1, 0.2)


def test_worst_case_is_per_image(linear):
    # Logits 0, 10 p - 6.35 and 10 (p + q) - 8.25. The first image lies 1.35 below class 1: l2 gains
    # 1.49, linf 1.2. The second lies 2.25 below class 2: l2 gains 2.12, linf 2.4.
    model = linear([[[[0, 10, 10]], [[0, 0, 10]]]], bias=[0, -6.35, -8.25])
    images = np.array([[0.5, 0.0], [0.1, 0.5]], "float32").reshape(2, 1, 2, 1)
    attacks = FGSM("l2:0.15"), FGSM("linf:0.12")
    report = measure(model, (images, np.array([0, 0])), *attacks)
    counts = [result.correct for result in report.attacks]
    assert counts == [1, 1]
    assert report.worst_case_correct == 0


def plain_loop(model, images, labels, attack):
    """Is each image correct at every iterate? No slots, no early stop."""
    survives = np.ones(len(images), bool)
    center, wanted = ops.convert_to_tensor(images), ops.convert_to_tensor(labels)
    for _ in range(attack.restarts):
        state = attack.init(center)
        for step in range(attack.steps + 1):
            survives &= to_numpy(model(state["x"], training=False)).argmax(1) == labels
            if step < attack.steps:
                state, _ = attack.step(model, state, center, wanted, norm=attack.threat.norm)
    return survives


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.03), ("l2", 0.25)])
def test_counts_equal_a_plain_loop(network, norm, eps):
    images = np.random.default_rng(5).random((13, 8, 8, 3), dtype=np.float32)
    labels = to_numpy(network(images, training=False)).argmax(1)
    labels[[2, 7]] = (labels[[2, 7]] + 1) % 3
    attacks = [
        PGD(f"{norm}:{eps}", 3, random_start=False, restarts=2),
        FGSM(f"{norm}:{eps / 2}"),
    ]
    expected = [plain_loop(network, images, labels, attack) for attack in attacks]
    report = measure(network, (images, labels), *attacks, batch_size=5)
    assert report.clean_correct == 11
    assert [result.correct for result in report.attacks] == [e.sum() for e in expected]
    assert report.worst_case_correct == (expected[0] & expected[1]).sum()
    assert 0 < expected[0].sum() < expected[1].sum() < 11, "all or nothing: the test shows little"


def test_random_starts_only_break_more_and_follow_the_seed(network):
    images = np.random.default_rng(5).random((13, 8, 8, 3), dtype=np.float32)
    labels = to_numpy(network(images, training=False)).argmax(1)
    counts = [
        measure(network, (images, labels), attack, batch_size=5).attacks[0].correct
        for attack in (
            PGD("linf:0.03", 1, seed=1),
            PGD("linf:0.03", 1, seed=1),
            PGD("linf:0.03", 1, seed=1, restarts=4),
        )
    ]
    assert counts[0] == counts[1] >= counts[2]


class Calls:
    """Counts the compiled steps, and which images were in them."""

    def __init__(self, monkeypatch):
        self.batches = []
        original = Attack.compiled_step

        def compiled_step(attack, model, reading):
            step = original(attack, model, reading)

            def counting(state, images, labels):
                self.batches.append(to_numpy(images)[:, 0, 1, 0] * 4 - 1.5)
                return step(state, images, labels)

            return counting

        monkeypatch.setattr(Attack, "compiled_step", compiled_step)


def test_a_broken_image_is_not_attacked_further(two_pixels, monkeypatch):
    calls = Calls(monkeypatch)
    report = measure(two_pixels, with_margins(*MARGINS), TWO_STEPS)
    assert report.attacks[0].correct == 1
    # Iterates looked at: SAFE 0, 1, 2; NEAR 0, 1; FAR 0, 1, 2; NEAR 0, 1. Two places, ten iterates.
    expected = [[SAFE, NEAR], [SAFE, NEAR], [SAFE, FAR], [NEAR, FAR], [NEAR, FAR]]
    np.testing.assert_allclose(calls.batches, expected, atol=1e-6)


def test_only_an_image_that_stands_is_restarted(two_pixels, monkeypatch):
    calls = Calls(monkeypatch)
    attack = PGD("linf:0.1", 2, step_size=0.05, random_start=False, restarts=2)
    report = measure(two_pixels, with_margins(*MARGINS), attack)
    assert report.attacks[0].correct == 1
    # SAFE takes 2 x 3 iterates in its place, NEAR, FAR and NEAR 2 + 3 + 2 in the other.
    assert len(calls.batches) == 7
    np.testing.assert_allclose([b[0] for b in calls.batches[:6]], [SAFE] * 6, atol=1e-6)


@pytest.mark.parametrize("margins", [[SAFE, NEAR, WRONG], [WRONG, WRONG, SAFE], [NEAR] * 3])
def test_how_many_stand_changes_no_shape(two_pixels, monkeypatch, margins):
    # The step would be compiled anew for every shape: after each epoch of a training run.
    calls = Calls(monkeypatch)
    report = measure(two_pixels, with_margins(*margins), TWO_STEPS, batch_size=8)
    assert report.attacks[0].correct == margins.count(SAFE)
    assert {len(batch) for batch in calls.batches} == {3}


def test_the_noise_of_nfgsm_outside_the_ball_breaks_nothing(two_pixels):
    # Within linf 0.01 the second logit gains at most 0.07; the noise of 0.3 could gain 2.1.
    attack = NFGSM("linf:0.01", noise_scale=30)
    report = measure(two_pixels, with_margins(*[NEAR] * 12), attack, batch_size=12)
    assert report.attacks[0].correct == 12
    unprojected = NFGSM("linf:0.01", noise_scale=30, project=False)
    report = measure(two_pixels, with_margins(*[NEAR] * 12), unprojected, batch_size=12)
    assert 0 < report.attacks[0].correct < 12


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 256])
def test_the_batch_size_changes_nothing(two_pixels, batch_size):
    report = measure(two_pixels, with_margins(*MARGINS), TWO_STEPS, batch_size=batch_size)
    assert (report.clean_correct, report.attacks[0].correct) == (4, 1)


@pytest.mark.parametrize(
    ("max_images", "counts"),
    [(1, (1, 0, 0)), (2, (2, 1, 1)), (4, (4, 3, 1)), (5, (5, 4, 1)), (9, (5, 4, 1))],
)
def test_max_images(two_pixels, max_images, counts):
    report = measure(two_pixels, with_margins(*MARGINS), TWO_STEPS, max_images=max_images)
    assert (report.images, report.clean_correct, report.attacks[0].correct) == counts


def as_dicts(images, labels):
    return [{"image": image, "label": label} for image, label in zip(images, labels, strict=True)]


def as_tf_data(images, labels, *, form, batch=None):
    import tensorflow as tf

    values = {"image": images, "label": labels, "id": np.arange(len(labels))}
    if form == "tuples":
        values = (images, labels)
    dataset = tf.data.Dataset.from_tensor_slices(values)
    return dataset.batch(batch) if batch else dataset


FORMS = {
    "pair of arrays": lambda x, y: (x, y),
    "pair of float64 arrays": lambda x, y: (x.astype("float64"), y.astype("int32")),
    "list of batches": lambda x, y: [(x[:3], y[:3]), (x[3:], y[3:])],
    "list of images": lambda x, y: list(zip(x, y, strict=True)),
    "list of dicts": as_dicts,
    "dicts": lambda x, y: as_tf_data(x, y, form="dicts"),
    "batched dicts": lambda x, y: as_tf_data(x, y, form="dicts", batch=2),
    "tuples": lambda x, y: as_tf_data(x, y, form="tuples"),
    "batched tuples": lambda x, y: as_tf_data(x, y, form="tuples", batch=3),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_data_set(two_pixels, form):
    dataset = FORMS[form](*with_margins(*MARGINS))
    report = measure(two_pixels, dataset, TWO_STEPS)
    assert (report.images, report.clean_correct, report.attacks[0].correct) == (5, 4, 1)


def test_no_attack_and_eps_zero(two_pixels):
    report = measure(two_pixels, with_margins(*MARGINS))
    assert (report.clean_correct, report.attacks, report.worst_case_correct) == (4, (), 4)
    report = measure(two_pixels, with_margins(*MARGINS), PGD("linf:0"), TWO_STEPS)
    assert [result.correct for result in report.attacks] == [4, 1]


def test_nothing_correct_to_begin_with(two_pixels):
    report = measure(two_pixels, with_margins(WRONG, WRONG), TWO_STEPS)
    assert (report.clean_correct, report.attacks[0].correct) == (0, 0)
    assert report.attacks[0].accuracy == 0.0


def test_the_report_is_plain_json(two_pixels):
    attack = PGD("linf:25.5/255", 2, step_size=0.05, restarts=3, seed=7)
    report = measure(two_pixels, with_margins(*MARGINS), attack)
    written = json.loads(json.dumps(report.to_dict()))
    assert written["images"] == 5
    assert written["clean"] == {"correct": 4, "accuracy": 0.8}
    assert written["worst_case"] == {"correct": 1, "accuracy": 0.2}
    [entry] = written["attacks"]
    assert entry == {
        "attack": str(attack),
        "threat_model": "linf:25.5/255",
        "steps": 2,
        "step_size": 0.05,
        "start_radius": 0.1,
        "restarts": 3,
        "seed": 7,
        "correct": 1,
        "accuracy": 0.2,
    }


@pytest.mark.parametrize("progress", [True, False])
def test_progress(two_pixels, capsys, progress):
    robust_accuracy(
        two_pixels, with_margins(*MARGINS), [TWO_STEPS], batch_size=2, progress=progress
    )
    printed = capsys.readouterr().out
    assert ("clean_accuracy: 0.8" in printed and "standing: 0.25" in printed) == progress
    assert bool(printed) == progress


class Restless:
    """A data set in another order at each iteration."""

    def __init__(self, images, labels):
        self.examples = list(zip(images, labels, strict=True))

    def __iter__(self):
        self.examples = self.examples[1:] + self.examples[:1]
        return iter(self.examples)


class Spent:
    """Looks like a data set, but gives its images once."""

    def __init__(self, images, labels):
        self.examples = zip(images, labels, strict=True)

    def __iter__(self):
        return self.examples


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda x, y: iter([(x, y)]), {}, "The data set can be iterated only once; pass a tf.data"),
        (lambda x, y: ((a, b) for a, b in zip(x, y, strict=True)), {}, "iterated only once"),
        (Restless, {}, "in another order, each time it is iterated. Do not shuffle it"),
        (Spent, {}, "The data set gives other images"),
        (lambda x, y: [], {}, "The data set is empty: at least one image is needed"),
        (lambda x, y: (x[:0], y[:0]), {}, "The data set is empty"),
        (
            lambda x, y: (x, y),
            {"batch_size": 2.0},
            r"batch_size must be a whole number >= 1, got 2\.0",
        ),
        (lambda x, y: (x, y), {"batch_size": 0}, "batch_size must be a whole number >= 1, got 0"),
        (lambda x, y: (x, y), {"max_images": 0}, "max_images must be a whole number >= 1, got 0"),
    ],
)
def test_a_data_set_that_cannot_be_measured_is_refused(two_pixels, make, options, message):
    with pytest.raises(ValueError, match=message):
        measure(two_pixels, make(*with_margins(*MARGINS)), TWO_STEPS, **options)


def test_a_reshuffled_tf_data_set_is_refused(two_pixels):
    dataset = as_tf_data(*with_margins(*MARGINS), form="dicts")
    with pytest.raises(ValueError, match=r"shuffle\(\.\.\., reshuffle_each_iteration=False\)"):
        measure(two_pixels, dataset.shuffle(5, seed=1), TWO_STEPS)
    once = dataset.shuffle(5, seed=1, reshuffle_each_iteration=False)
    assert measure(two_pixels, once, TWO_STEPS).attacks[0].correct == 1


def test_a_targeted_attack_is_refused(two_pixels):
    with pytest.raises(ValueError, match=r"needs untargeted attacks, got PGD\(linf:0\.1.*targeted"):
        measure(two_pixels, with_margins(SAFE), PGD(0.1001, targeted=True))


def test_one_attack_is_taken_as_a_list_of_one(two_pixels):
    images = with_margins(*MARGINS)
    alone, listed = (
        robust_accuracy(two_pixels, images, attacks, batch_size=2, progress=False)
        for attacks in (TWO_STEPS, [TWO_STEPS])
    )
    assert alone == listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda x, y: (x, y, [TWO_STEPS]), r"three arguments .*got 4.*\(images, labels\)"),
        (lambda x, y: (x, y), r"must be an attack or a list of attacks, got a ndarray of shape"),
        (lambda x, y: ((x, y), "pgd"), "must be an attack .*, got the text 'pgd'"),
        (lambda x, y: ((x, y), ["pgd"]), "must be an attack .*, got the text 'pgd'"),
        (lambda x, y: ((x, y), {"pgd": TWO_STEPS}), "must be an attack .*, got a dict of pgd"),
        (lambda x, y: ((x, y), PGD), "must be an attack .*, got a type"),
        (lambda x, y: (TWO_STEPS, [(x, y)]), "must be an attack .*, got a tuple"),
        (lambda x, y: (TWO_STEPS, TWO_STEPS), r"a PGD is no data set with .* Pass \(images"),
        (
            lambda x, y: (x, TWO_STEPS),
            r"shape \(5, 1, 2, 1\) is no data set with labels",
        ),
        (lambda x, y: (None, TWO_STEPS), "a NoneType is no data set with labels"),
        (lambda x, y: ("cifar10", TWO_STEPS), "the text 'cifar10' is no data set with labels"),
        (lambda x, y: ({"image": x, "label": y}, TWO_STEPS), "a dict of image, label is no data"),
        (lambda x, y: ((x, TWO_STEPS), TWO_STEPS), "pair of arrays is expected, got .* and a PGD"),
        (lambda x, y: ((x, y.tolist()), TWO_STEPS), "pair of arrays is expected, .* and a list"),
        (lambda x, y: ([x, y], TWO_STEPS), r"must be \(image, label\) or a dict .*, got a ndarray"),
        (
            lambda x, y: ([{"image": x}], TWO_STEPS),
            "dict with image and label, got a dict of im",
        ),
        (
            lambda x, y: ([(x, y[:2])], TWO_STEPS),
            r"shape \(5, 1, 2, 1\) and labels of .*\(2,\)",
        ),
    ],
)
def test_arguments_in_the_wrong_place_are_refused(two_pixels, arguments, message):
    with pytest.raises(ValueError, match=message):
        robust_accuracy(two_pixels, *arguments(*with_margins(*MARGINS)), progress=False)


def test_a_tf_data_set_in_place_of_the_attacks_is_refused(two_pixels):
    images = with_margins(*MARGINS)
    with pytest.raises(ValueError, match="must be an attack or a list of attacks, got a _Batch"):
        robust_accuracy(two_pixels, images, as_tf_data(*images, form="tuples", batch=2))
