"""Configurations of measurements: light, and one spelling of threat models."""

import pytest

from pag_tf.measure import EvaluateConfig, LocalizeConfig


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"eps": "2/255"}, "linf:2/255"),
        ({"eps": "l2:0.5"}, "l2:0.5"),
        ({"eps": "0.5", "norm": "l2"}, "l2:0.5"),
        ({"eps": "l2:0.5", "norm": "l2"}, "l2:0.5"),
    ],
)
def test_eps_is_any_threat_model(given, expected):
    assert str(LocalizeConfig(**given).threat) == expected
    assert str(EvaluateConfig(**given).threat) == expected


def test_two_norms_are_refused():
    with pytest.raises(ValueError, match="'linf:2/255' is not of the norm 'l2'"):
        _ = EvaluateConfig(eps="linf:2/255", norm="l2").threat


def test_the_former_spelling_of_a_fit_is_accepted():
    assert EvaluateConfig(fit="centre_crop").fit == "center_crop"
