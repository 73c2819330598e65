"""What an entry claims about its accuracy, compared with its model on a few images."""

import dataclasses

import pytest

from pag_tf import zoo
from pag_tf.zoo import claims

COMMAND = "python scripts/evaluate.py"


def clean(value, images=1000):
    return zoo.Metric(name="clean_accuracy", value=value, images=images, command=COMMAND)


def robust(value, threat="linf:2/255"):
    return zoo.Metric(
        name="robust_accuracy",
        value=value,
        images=1000,
        attack="PGD(steps=50)",
        threat_model=threat,
        command=COMMAND,
    )


@pytest.mark.parametrize(
    ("metric", "correct", "holds"),
    [
        # 300 images at 0.8: a standard error of 0.0231, four of them and one image are 0.0957.
        (clean(0.8), 240, True),
        (clean(0.8), 212, True),  # 0.7067
        (clean(0.8), 211, False),  # 0.7033
        (clean(0.8), 268, True),  # 0.8933
        (clean(0.8), 269, False),  # 0.8967
        # The attack here is weaker than the one of the claim: more may survive, not fewer.
        (robust(0.8), 300, True),
        (robust(0.8), 212, True),
        (robust(0.8), 211, False),
        # At 0 and 1 the standard error is that of two images.
        (clean(1.0), 294, True),
        (clean(1.0), 293, False),
        (clean(0.0), 6, True),
        (clean(0.0), 7, False),
    ],
)
def test_a_claim_holds_within_four_standard_errors(metric, correct, holds):
    assert claims.Claim(metric, images=300, correct=correct).holds is holds


def test_a_claim_is_printed_with_both_numbers():
    assert str(claims.Claim(robust(0.5), images=300, correct=120)) == (
        "robust_accuracy at linf:2/255: 0.5000 claimed on 1000 images, 0.4000 found on 300 "
        "(PGD, 10 steps)"
    )


@pytest.fixture(scope="module")
def shapes_entry():
    return zoo.list_models(dataset="shapes", eps=2 / 255)[0]


@pytest.fixture(scope="module")
def shapes_model(shapes_entry):
    return zoo.load(shapes_entry)


def test_true_claims_hold(shapes_entry, shapes_model):
    found = claims.check(shapes_entry, shapes_model, images=60)
    named = {(claim.metric.name, str(claim.metric.threat_model)) for claim in found}
    assert named == {("clean_accuracy", "None"), ("robust_accuracy", "linf:2/255")}
    assert all(claim.images == 60 and 30 < claim.correct <= 60 for claim in found)


def test_made_up_claims_are_refused_by_name(shapes_entry, shapes_model):
    boasting = dataclasses.replace(shapes_entry, metrics=(clean(0.91), robust(0.999, "linf:8/255")))
    message = r"claims what .*robust_accuracy at linf:8/255: 0.9990 claimed.*--update_entry"
    with pytest.raises(ValueError, match=message) as raised:
        claims.check(boasting, shapes_model, images=60)
    assert "clean_accuracy" not in str(raised.value)
