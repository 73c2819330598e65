"""How attacks are named, constructed and added: by any threat model, from a file of their own."""

import dataclasses
import json
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from pag_tf import ThreatModel, attacks
from pag_tf.attacks import FGSM, NFGSM, PGD, RSFGSM
from pag_tf.attacks.base import Attack
from pag_tf.core.threat_model import frozen

ROOT = Path(__file__).resolve().parents[2]
THREAT = ThreatModel("linf", 2 / 255)


@pytest.mark.parametrize(
    "attack",
    [
        PGD("linf:2/255"),
        PGD("2/255"),
        PGD(2 / 255),
        PGD(THREAT),
        PGD(np.float64(2 / 255)),
        PGD(eps=2 / 255),
        PGD(eps="linf:2/255"),
        PGD(threat=THREAT),
        PGD(THREAT, np.int64(10), restarts=np.int32(1), seed=np.uint8(0)),
    ],
)
def test_every_way_to_give_a_threat_model(attack):
    assert attack == PGD(THREAT)
    assert attack.threat == THREAT
    assert hash(attack) == hash(PGD(THREAT))
    assert {type(getattr(attack, name)) for name in ("steps", "restarts", "seed")} == {int}


def test_numpy_scalars_are_numbers():
    attack = PGD(np.float32(0.5), step_size=np.float32(0.25))
    assert (attack.threat, attack.step_size) == (ThreatModel("linf", 0.5), 0.25)
    assert type(attack.step_size) is float
    assert NFGSM("0.1", noise_scale=np.int64(2)) == NFGSM("0.1")


@pytest.mark.parametrize("attack", [PGD("l2:0.5", 3, targeted=True), NFGSM("2/255", project=False)])
def test_an_attack_is_a_value(attack):
    assert pickle.loads(pickle.dumps(attack)) == attack
    names = {"ThreatModel": ThreatModel, "NFGSM": NFGSM, "PGD": PGD}
    assert eval(repr(attack), names) == attack
    assert dataclasses.replace(attack, seed=3).seed == 3
    assert dataclasses.replace(attack, threat="4/255").threat == ThreatModel("linf", 4 / 255)
    with pytest.raises(dataclasses.FrozenInstanceError):
        attack.seed = 3


def test_the_names_in_published_metrics_are_those_of_pgd():
    """Metrics are found by these names: another spelling would lose them."""
    published = {
        metric["attack"]
        for path in ROOT.glob("zoo/*/pag.json")
        for metric in _dicts(json.loads(path.read_text()))
        if isinstance(metric.get("attack"), str) and "(" in metric["attack"]
    }
    expected = {
        str(PGD(f"linf:{levels}/255", steps, restarts=restarts))
        for levels in (2, 4, 8)
        for steps, restarts in ((20, 1), (50, 2))
    }
    assert published
    assert published <= expected


def _dicts(value):
    if isinstance(value, dict):
        yield value
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _dicts(each)


def test_settings_that_differ_have_names_that_differ():
    settings = {
        "targeted": True,
        "restarts": 2,
        "best_iterate": True,
        "seed": 1,
    }
    variants = [
        *(
            cls("2/255", **{name: value})
            for cls in (FGSM, NFGSM, PGD)
            for name, value in settings.items()
        ),  # noqa: E501  # fmt: skip
        *(FGSM("2/255"), FGSM("2/255", random_start=True), FGSM("2/255", step_size=0.1)),
        *(NFGSM("2/255"), NFGSM("2/255", project=False), NFGSM("2/255", noise_scale=1)),
        *(PGD("2/255"), PGD("l2:2/255"), PGD("2/255", 9), PGD("2/255", random_start=False)),
        RSFGSM("2/255"),
    ]
    assert len({str(attack) for attack in variants}) == len(variants)


def test_the_registry_names_every_attack():
    assert attacks.names() == ("fgsm", "nfgsm", "pgd", "rs_fgsm")
    assert [attacks.get(name) for name in attacks.names()] == [FGSM, NFGSM, PGD, RSFGSM]
    with pytest.raises(ValueError, match="Unknown attack 'pdg'. Known: fgsm, .* mean 'pgd'"):
        attacks.get("pdg")


def test_an_added_attack_needs_no_other_file(monkeypatch):
    from pag_tf.training import TrainConfig

    monkeypatch.setattr(attacks._METHODS, "_things", dict(attacks._METHODS._things))

    @attacks.register("double")
    @frozen
    class Double(Attack):
        @classmethod
        def for_training(cls, threat, *, steps, step_size):
            return cls(ThreatModel(threat.norm, 2 * threat.eps))

    assert attacks.Double is Double
    assert TrainConfig(attack="double", threat_model="0.1").build_attack() == Double("0.2")


def test_users_type_check_against_the_package(tmp_path):
    """`py.typed` ships: what the constructors take, and what their attributes are."""
    (tmp_path / "user.py").write_text(
        textwrap.dedent(
            """
            from pag_tf import ThreatModel
            from pag_tf.attacks import FGSM, NFGSM, PGD, RSFGSM

            PGD("linf:2/255"); PGD(2 / 255, 7); PGD(eps=0.1); PGD(ThreatModel("l2", 1))
            NFGSM("2/255", project=False); FGSM("2/255", random_start=True); RSFGSM(eps="l2:1")
            threat: ThreatModel = PGD("2/255").threat
            PGD([2])  # wrong
            PGD("2/255", project=False)  # wrong
            text: str = PGD("2/255").threat  # wrong
            """
        )
    )
    finished = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", "user.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = (tmp_path / "user.py").read_text().splitlines()
    wrong = [i for i, line in enumerate(lines, 1) if line.endswith("# wrong")]
    found = [int(line.split(":")[1]) for line in finished.stdout.splitlines() if ": error:" in line]
    assert found == wrong, finished.stdout
