"""ALE: its loss and gradient by hand and by difference, and that it learns a planted model."""

import numpy as np
import pytest

from pag_tf import zero_shot
from pag_tf.zero_shot import ALE
from pag_tf.zero_shot.ale import loss_gradient


def loss(scores, labels):
    """The docstring's formula, class by class."""
    total = 0.0
    for row, label in zip(scores, labels, strict=True):
        terms = [1 + row[c] - row[label] for c in range(len(row)) if c != label]
        above = [term for term in terms if term > 0]
        if above:
            beta = sum(1 / k for k in range(1, len(above) + 1))
            total += beta / len(above) * sum(above)
    return total


def test_gradient_by_hand():
    """Scores 2, 1.5, 0, 2.5 of class 0: classes 1 and 3 violate, beta(2) = 1.5, 0.75 each."""
    gradient = loss_gradient(np.array([[2, 1.5, 0, 2.5], [5, 0, 0, 0]]), np.array([0, 0]))
    assert gradient.tolist() == [[-1.5, 0.75, 0, 0.75], [0, 0, 0, 0]]
    assert loss([[2, 1.5, 0, 2.5]], [0]) == 0.75 * (0.5 + 1.5)


def test_gradient_of_equal_scores():
    """All three others violate: beta(3) = 11/6, a third of it each."""
    gradient = loss_gradient(np.zeros((1, 4)), np.array([2]))
    assert gradient == pytest.approx(np.array([[11 / 18, 11 / 18, -11 / 6, 11 / 18]]))


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(5, 7)), rng.integers(0, 7, 5)
    gradient, step = loss_gradient(scores, labels), 1e-6
    for index in np.ndindex(scores.shape):
        moved = np.zeros_like(scores)
        moved[index] = step
        difference = (loss(scores + moved, labels) - loss(scores - moved, labels)) / (2 * step)
        assert gradient[index] == pytest.approx(difference, abs=1e-6)


def test_one_step_by_hand():
    """One image [3, 4] of class 0 of two, attributes the identity: norms 5 and 1, W from 0.

    Class 1 violates: W becomes rate x [3, 4]'/5 x ([1, 0] - [0, 1]), divided by 5 x 1. A second
    image keeps class 1 from being without images: [4, -3], at a right angle to the first.
    """
    features = np.array([[3.0, 4.0], [4.0, -3.0]])
    model = ALE(learning_rate=0.5, epochs=1, batch_size=1).fit(features, [0, 1], np.eye(2))
    expected = 0.5 / 25 * (np.outer(features[0], [1, -1]) + np.outer(features[1], [-1, 1]))
    assert model.weights == pytest.approx(expected)
    whole = ALE(learning_rate=0.5, epochs=1, batch_size=2).fit(features, [0, 1], np.eye(2))
    assert whole.weights == pytest.approx(expected / 2)


def test_it_learns_a_planted_model_and_recognizes_unseen_classes(plant):
    data = plant()
    rows = data.of_seen
    training = data.features[rows], data.labels[rows], data.attributes
    choice = ALE.choose(*training, seen=data.seen, learning_rates=[0.03, 0.3], epochs=15, folds=3)
    model = choice.method.fit(*training, seen=data.seen)
    scores = model.scores(data.features, data.attributes)
    result = zero_shot.evaluate(
        data.labels, scores, seen=data.seen, unseen=data.unseen, resamples=50
    )
    assert result.T1 > 0.8 and choice.t1 > 0.8  # chance is 1/4
    assert result.S > 0.8  # chance is 1/16


def test_training_lowers_the_loss(plant):
    data = plant(noise=2.0)
    losses = []
    for epochs in (1, 3, 10):
        model = ALE(learning_rate=0.3, epochs=epochs).fit(
            data.features, data.labels, data.attributes
        )
        losses.append(loss(model.scores(data.features, data.attributes), data.labels))
    assert losses[0] > 1.2 * losses[1] > 1.2 * losses[2]


def test_the_seed_decides(plant):
    data = plant()
    known = data.features, data.labels, data.attributes
    first = ALE(epochs=2, seed=1).fit(*known).weights
    assert np.array_equal(first, ALE(epochs=2, seed=1).fit(*known).weights)
    assert not np.allclose(first, ALE(epochs=2, seed=2).fit(*known).weights)


def test_scaling_features_and_attributes_changes_no_score(plant):
    data = plant()
    plain = ALE(epochs=3).fit(data.features, data.labels, data.attributes)
    scaled = ALE(epochs=3).fit(1000 * data.features, data.labels, data.attributes / 7)
    assert plain.scores(data.features, data.attributes) == pytest.approx(
        scaled.scores(1000 * data.features, data.attributes / 7), rel=1e-9, abs=1e-9
    )


def test_classes_outside_of_seen_change_nothing(plant):
    data = plant()
    rows = data.of_seen
    unknown = data.attributes.copy()
    unknown[data.unseen] = np.nan
    fitted = [
        ALE(epochs=2).fit(data.features[rows], data.labels[rows], table, seen=data.seen).weights
        for table in (data.attributes, unknown)
    ]
    assert np.array_equal(*fitted)


def test_the_choice_equals_training_every_setting(plant):
    data = plant(noise=3.0, classes=8)
    choice = ALE.choose(
        data.features,
        data.labels,
        data.attributes,
        learning_rates=[0.3, 0.01],
        epochs=3,
        folds=2,
        seed=3,
    )
    folds = zero_shot.class_folds(np.arange(8), 2, seed=3)
    for candidate in choice.candidates:
        found = []
        for fold in folds:
            held = np.isin(data.labels, fold)
            model = ALE(**candidate.settings, seed=3).fit(
                data.features[~held],
                data.labels[~held],
                data.attributes,
                seen=np.setdiff1d(np.arange(8), fold),
            )
            best = fold[model.scores(data.features[held], data.attributes[fold]).argmax(axis=1)]
            found.append((best == data.labels[held]).mean())
        assert candidate.t1 == pytest.approx(np.mean(found))
    assert [c.settings["epochs"] for c in choice.candidates] == [1, 2, 3, 1, 2, 3]
    assert choice.t1 == max(c.t1 for c in choice.candidates)
    best = [c.settings for c in choice.candidates if c.t1 == pytest.approx(choice.t1)]
    assert (choice.method.epochs, choice.method.learning_rate) == min(
        (settings["epochs"], settings["learning_rate"]) for settings in best
    )
    assert choice.to_dict()["method"] == "ALE"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0}, "learning_rate must be a finite number > 0, got 0"),
        ({"epochs": 0}, "epochs must be a whole number >= 1, got 0"),
        ({"batch_size": 1.5}, "batch_size must be a whole number >= 1, got 1.5"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        ALE(**options)


def test_there_must_be_learning_rates_to_choose_from():
    with pytest.raises(ValueError, match="learning_rates must hold at least one number > 0"):
        ALE.choose(np.eye(4), [0, 1, 2, 3], np.eye(4), learning_rates=[], folds=2)
