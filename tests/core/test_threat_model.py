"""Threat models: every written form, printing, and what is refused."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pag_tf.core.threat_model import ThreatModel


@pytest.mark.parametrize(
    ("text", "norm", "eps"),
    [
        ("2/255", "linf", 2 / 255),
        ("linf:2/255", "linf", 2 / 255),
        ("linf:0.5/255", "linf", 0.5 / 255),
        ("0.00784", "linf", 0.00784),
        ("linf:1", "linf", 1.0),
        ("l2:0.5", "l2", 0.5),
        ("l2:3", "l2", 3.0),
        ("l2:128/255", "l2", 128 / 255),
        ("l2:1e-2", "l2", 0.01),
        ("0", "linf", 0.0),
        ("l2:0", "l2", 0.0),
        (" linf:2 / 255 ", "linf", 2 / 255),
        (2 / 255, "linf", 2 / 255),
        (0, "linf", 0.0),
        (1, "linf", 1.0),
    ],
)
def test_parse_reads_every_form(text, norm, eps):
    threat = ThreatModel.parse(text)
    assert (threat.norm, threat.eps) == (norm, eps)
    assert type(threat.eps) is float


def test_parse_returns_a_threat_model_as_it_is():
    threat = ThreatModel("l2", 0.5)
    assert ThreatModel.parse(threat) is threat
    assert ThreatModel.parse(threat, norm="l2") is threat


@pytest.mark.parametrize(
    ("text", "options", "printed"),
    [
        ("0.5", {"norm": "l2"}, "l2:0.5"),
        ("0.5", {"default_norm": "l2"}, "l2:0.5"),
        (0.5, {"default_norm": "l2"}, "l2:0.5"),
        ("l2:0.5", {"default_norm": "linf"}, "l2:0.5"),
        ("l2:0.5", {"norm": "l2", "default_norm": "linf"}, "l2:0.5"),
    ],
)
def test_the_norm_of_a_text_without_one(text, options, printed):
    assert str(ThreatModel.parse(text, **options)) == printed


@pytest.mark.parametrize(
    ("norm", "eps", "printed"),
    [
        ("linf", 0, "linf:0"),
        ("linf", 2 / 255, "linf:2/255"),
        ("linf", 8 / 255, "linf:8/255"),
        ("linf", 0.5 / 255, "linf:0.5/255"),
        ("linf", 127.125 / 255, "linf:127.125/255"),
        ("linf", 1.0, "linf:255/255"),
        ("linf", 0.1, "linf:25.5/255"),
        ("linf", 0.00784, "linf:0.00784"),
        ("l2", 0.5, "l2:0.5"),
        ("l2", 2 / 255, "l2:0.00784313725490196"),
        ("l2", 3, "l2:3.0"),
        ("l2", 0.0, "l2:0"),
    ],
)
def test_printing(norm, eps, printed):
    threat = ThreatModel(norm, eps)
    assert str(threat) == printed
    assert f"{norm}:{threat.eps_text}" == printed


@settings(deadline=None, derandomize=True)
@given(levels=st.integers(0, 255_000))
def test_printing_then_parsing_thousandths_of_a_level_is_exact(levels):
    threat = ThreatModel.parse(f"linf:{levels / 1000}/255")
    assert ThreatModel.parse(str(threat)) == threat


@settings(deadline=None, derandomize=True)
@given(eps=st.floats(0, 1e6), norm=st.sampled_from(["linf", "l2"]))
def test_printing_then_parsing_gives_the_same_number(eps, norm):
    eps = min(eps, 1.0) if norm == "linf" else eps
    threat = ThreatModel(norm, eps)
    again = ThreatModel.parse(str(threat))
    assert again.norm == norm
    # A linf radius within 1e-9 of a round number of levels is printed as that number.
    assert again.eps == eps or (norm == "linf" and math.isclose(again.eps, eps, rel_tol=1.1e-9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2", r"^eps=2 for linf is larger than the whole pixel range.*did you mean 2/255\?$"),
        ("linf:1.001", r"did you mean 1\.001/255\?"),
        (8, r"did you mean 8/255\?"),
        ("-2/255", r"eps must be a finite number >= 0 .*got -0\.0078.*Use eps=0 for natural"),
        ("l2:-1", r"eps must be a finite number >= 0 .*got -1\.0"),
        ("nan", r"eps must be a finite number >= 0 .*got nan"),
        ("l2:inf", r"eps must be a finite number >= 0 .*got inf"),
        ("1e400", r"eps must be a finite number >= 0 .*got inf"),
        ("l1:0.5", r"Unknown norm 'l1'\. Known norms: linf, l2\. .*'linf:2/255' or 'l2:0\.5'"),
        ("linf:l2:0.5", r"Unknown norm 'linf:l2'"),
        ("LINF:2/255", r"Unknown norm 'LINF'"),
        ("", r"Cannot read '' as a threat model\. Accepted forms: '2/255', '0\.00784'"),
        ("linf", r"Cannot read 'linf' as a threat model"),
        ("linf:", r"Cannot read 'linf:' as a threat model"),
        ("2/0", r"Cannot read '2/0' as a threat model"),
        ("1/2/3", r"Cannot read '1/2/3' as a threat model"),
        ("two/255", r"Cannot read 'two/255' as a threat model"),
        ("nan/255", r"Cannot read 'nan/255' as a threat model"),
        ("1e999999999/255", r"Cannot read '1e999999999/255' as a threat model"),
        ("1/1e-9_999_999_999", r"Cannot read '1/1e-9_999_999_999' as a threat model"),
        ("0e+000009999/255", r"Cannot read '0e\+000009999/255' as a threat model"),
        (None, r"eps must be a number such as 2/255, got None"),
        (True, r"eps must be a number such as 2/255, got True"),
        ([0.1], r"eps must be a number such as 2/255, got \[0\.1\]"),
    ],
)
def test_refused(text, message):
    with pytest.raises(ValueError, match=message):
        ThreatModel.parse(text)


def test_a_fraction_too_large_for_a_float_is_refused():
    with pytest.raises(ValueError, match="eps must be a finite number|Cannot read"):
        ThreatModel.parse("1e400/255")


@pytest.mark.parametrize("text", ["l2:0.5", ThreatModel("l2", 0.5)])
def test_another_norm_than_the_wanted_one_is_refused(text):
    with pytest.raises(ValueError, match=r"'l2:0\.5' is not of the norm 'linf'"):
        ThreatModel.parse(text, norm="linf")


def test_a_threat_model_is_a_value():
    threat = ThreatModel("linf", 2 / 255)
    assert threat == ThreatModel.parse("2/255")
    assert hash(threat) == hash(ThreatModel.parse("linf:2/255"))
    assert threat != ThreatModel("l2", 2 / 255)
    with pytest.raises(dataclasses.FrozenInstanceError):
        threat.eps = 0.5
