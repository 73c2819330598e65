"""ESZSL against brute force, by hand, and its choice of settings against fitting one by one."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from pag_tf import zero_shot
from pag_tf.zero_shot import ESZSL
from pag_tf.zero_shot.closed_form import AttributeSide, gram, ridge_solution

# Images, features, classes, attributes: every combination of the smaller systems.
SIZES = {
    "many images, many classes": (40, 7, 6, 4),
    "many images, many attributes": (40, 7, 4, 6),
    "many features, many classes": (12, 30, 6, 4),
    "many features, many attributes": (12, 30, 4, 6),
    "square": (9, 9, 3, 3),
}


def random_problem(size, seed=0):
    images, width, classes, attributes = size
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, images - classes)])
    return rng.normal(size=(images, width)), labels, rng.normal(size=(classes, attributes))


def targets_of(labels, classes):
    return np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)


def objective(weights, x, y, s, gamma, lamda):
    return (
        np.square(x @ weights @ s.T - y).sum()
        + gamma * np.square(weights @ s.T).sum()
        + lamda * np.square(x @ weights).sum()
        + gamma * lamda * np.square(weights).sum()
    )


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(("gamma", "lamda"), [(1.0, 1.0), (0.03, 20.0), (50.0, 0.002)])
def test_it_solves_the_normal_equations(size, gamma, lamda):
    """One system for all of W: (S'S + lamda I) kron (X'X + gamma I), with nothing factored."""
    x, labels, s = random_problem(size)
    system = np.kron(s.T @ s + lamda * np.eye(s.shape[1]), x.T @ x + gamma * np.eye(x.shape[1]))
    right = (x.T @ targets_of(labels, len(s)) @ s).ravel(order="F")
    expected = np.linalg.solve(system, right).reshape((x.shape[1], -1), order="F")
    model = ESZSL(gamma, lamda).fit(x, labels, s)
    assert model.weights.dtype == np.float64
    assert model.weights == pytest.approx(expected, rel=1e-9, abs=1e-11 * abs(expected).max())


@pytest.mark.parametrize("size", [(15, 4, 3, 3), (6, 8, 3, 4)])
def test_it_minimizes_the_objective_of_the_paper(size):
    x, labels, s = random_problem(size, seed=1)
    y, shape = targets_of(labels, len(s)), (x.shape[1], s.shape[1])

    def flat(w):
        return objective(w.reshape(shape), x, y, s, 0.7, 0.3)

    found = optimize.minimize(flat, np.zeros(shape).ravel(), method="BFGS", options={"gtol": 1e-7})
    weights = ESZSL(0.7, 0.3).fit(x, labels, s).weights
    assert weights == pytest.approx(found.x.reshape(shape), abs=1e-6)
    assert flat(weights.ravel()) <= found.fun + 1e-12


def test_two_classes_by_hand():
    """X = [[2, 0], [0, 1]], S = [[1, 0], [1, 1]], Y = [[1, -1], [-1, 1]], gamma 1, lamda 1.

    X'X + I = diag(5, 2). X'YS = X' [[0, -1], [0, 1]] = [[0, -2], [0, 1]].
    S'S + I = [[3, 1], [1, 2]], its inverse [[2, -1], [-1, 3]] / 5.
    W = [[0, -2/5], [0, 1/2]] [[2, -1], [-1, 3]] / 5 = [[2/25, -6/25], [-1/10, 3/10]].
    """
    model = ESZSL(gamma=1, lamda=1).fit([[2.0, 0.0], [0.0, 1.0]], [0, 1], [[1, 0], [1, 1]])
    assert model.weights == pytest.approx(np.array([[2 / 25, -6 / 25], [-1 / 10, 3 / 10]]))
    scores = model.scores([[2.0, 0.0], [0.0, 1.0]], [[1, 0], [1, 1], [0, 1]])
    assert scores == pytest.approx(np.array([[0.16, -0.32, -0.48], [-0.1, 0.2, 0.3]]))


def test_the_scores_of_training_images_approach_the_targets():
    x, labels, s = random_problem((8, 30, 4, 6))
    scores = ESZSL(1e-9, 1e-9).fit(x, labels, s).scores(x, s)
    assert scores == pytest.approx(targets_of(labels, 4), abs=1e-6)


def test_classes_outside_of_seen_change_nothing(plant):
    data = plant()
    rows = data.of_seen
    images = data.features[rows], data.labels[rows]
    own = np.searchsorted(data.seen, data.labels[rows])
    alone = ESZSL(1, 1).fit(data.features[rows], own, data.attributes[data.seen])
    unknown = data.attributes.copy()
    unknown[data.unseen] = np.nan
    for attributes in (data.attributes, unknown):
        among_others = ESZSL(1, 1).fit(*images, attributes, seen=data.seen)
        assert np.array_equal(among_others.weights, alone.weights)


def test_float32_features_are_multiplied_in_float64():
    rng = np.random.default_rng(0)
    features = (1000 + rng.normal(size=(3000, 5))).astype(np.float32)
    exact = features.astype(np.float64).T @ features.astype(np.float64)
    assert np.triu(gram(features)) == pytest.approx(np.triu(exact), rel=1e-13)
    labels, attributes = np.arange(3000) % 4, rng.normal(size=(4, 3))
    single = ESZSL(1, 1).fit(features, labels, attributes).weights
    double = ESZSL(1, 1).fit(features.astype(np.float64), labels, attributes).weights
    assert single == pytest.approx(double, rel=1e-8)


def test_input_is_left_alone():
    x, labels, s = random_problem((40, 7, 6, 4))
    before = x.copy(), labels.copy(), s.copy()
    ESZSL(1, 1).fit(x, labels, s).scores(x, s)
    ESZSL.choose(x, labels, s, folds=2, gammas=[1], lamdas=[1])
    assert all(np.array_equal(a, b) for a, b in zip(before, (x, labels, s), strict=True))


def test_unseen_classes_are_recognized(plant):
    data = plant()
    rows = data.of_seen
    training = data.features[rows], data.labels[rows], data.attributes
    choice = ESZSL.choose(*training, seen=data.seen)
    model = choice.method.fit(*training, seen=data.seen)
    scores = model.scores(data.features[~rows], data.attributes)
    result = zero_shot.evaluate(
        data.labels[~rows], scores, seen=data.seen, unseen=data.unseen, resamples=50
    )
    # Chance is 1/4 and 5/12.
    assert result.T1 > 0.65 and choice.t1 > 0.65


@pytest.mark.parametrize("width", [5, 300], ids=["primal", "dual"])
def test_the_choice_equals_fitting_every_setting(plant, width):
    data = plant(2, width=width, noise=3.0, classes=12, images=12)
    gammas, lamdas = [0.1, 10.0, 1e3], [0.01, 3.0]
    choice = ESZSL.choose(
        data.features, data.labels, data.attributes, gammas=gammas, lamdas=lamdas, folds=3, seed=4
    )
    folds = zero_shot.class_folds(np.arange(12), 3, seed=4)
    assert choice.folds == tuple(tuple(fold.tolist()) for fold in folds)
    for candidate in choice.candidates:
        found = []
        for fold in folds:
            held = np.isin(data.labels, fold)
            kept = np.setdiff1d(np.arange(12), fold)
            model = ESZSL(**candidate.settings).fit(
                data.features[~held], data.labels[~held], data.attributes, seen=kept
            )
            best = fold[model.scores(data.features[held], data.attributes[fold]).argmax(axis=1)]
            found.append((best == data.labels[held]).mean())
        assert candidate.t1 == pytest.approx(np.mean(found))
    assert len(choice.candidates) == 6
    assert choice.t1 == max(candidate.t1 for candidate in choice.candidates)
    best = [c.settings for c in choice.candidates if c.t1 == pytest.approx(choice.t1)]
    assert {"gamma": choice.method.gamma, "lamda": choice.method.lamda} == best[-1]


def test_the_choice_says_when_the_best_is_at_the_edge(plant):
    data = plant(noise=3.0)
    known = data.features, data.labels, data.attributes
    choice = ESZSL.choose(*known, gammas=[1e6, 1e9], lamdas=[1.0])
    assert choice.at_edge == ("gamma",)
    plain = json.loads(json.dumps(choice.to_dict(), allow_nan=False))
    assert plain["method"] == "ESZSL" and plain["at_edge"] == ["gamma"]
    assert plain["settings"] == {"gamma": choice.method.gamma, "lamda": 1.0}


def test_of_equal_settings_the_strongest_is_chosen(plant):
    data, grid = plant(noise=0.0, classes=4), [1e-3, 1e-2]
    choice = ESZSL.choose(
        data.features, data.labels, data.attributes, gammas=grid, lamdas=grid, folds=2
    )
    assert {candidate.t1 for candidate in choice.candidates} == {choice.t1}
    assert choice.method == ESZSL(1e-2, 1e-2)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 6), st.integers(1, 7), st.floats(1e-3, 1e3), st.integers(0, 10**6))
def test_both_sides_of_the_attributes_agree(classes, attributes, lamda, seed):
    s = np.random.default_rng(seed).normal(size=(classes, attributes))
    side = AttributeSide(s)
    assert side.width == min(classes, attributes)
    expected = s @ np.linalg.inv(s.T @ s + lamda * np.eye(attributes))
    assert side.right() @ side.factor(lamda) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_gamma_lost_in_rounding_is_refused():
    with pytest.raises(ValueError, match="gamma = 1e-30 is too small for these features"):
        ridge_solution(np.ones((3, 3)), 1e-30, np.ones((3, 1)))


@pytest.mark.parametrize("name", ["gamma", "lamda"])
@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "1", True, None])
def test_ridges_must_be_positive(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a finite number > 0, got"):
        ESZSL(**{"gamma": 1.0, "lamda": 1.0, name: value})
    with pytest.raises(ValueError, match=f"each of {name}s must be a finite number > 0, got"):
        ESZSL.choose(np.eye(4), [0, 1, 2, 3], np.eye(4), **{f"{name}s": [1.0, value]}, folds=2)


def test_there_must_be_settings_to_choose_from():
    with pytest.raises(ValueError, match="gammas must hold at least one number > 0, got none"):
        ESZSL.choose(np.eye(4), [0, 1, 2, 3], np.eye(4), gammas=[], folds=2)
