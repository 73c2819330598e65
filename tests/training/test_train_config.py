"""`TrainConfig`: what a run may be told, and the attack that comes out of it."""

import dataclasses
import json

import pytest

from pag_tf.attacks import FGSM, NFGSM, PGD, RSFGSM
from pag_tf.training import TrainConfig

NAN = float("nan")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threat_model": "linf:2"}, "eps=2 for linf is larger .*did you mean 2/255"),
        ({"threat_model": "linf:-1/255"}, "eps must be a finite number >= 0"),
        ({"threat_model": "linf:nan"}, "eps must be a finite number >= 0"),
        ({"threat_model": "l1:2/255"}, "Unknown norm 'l1'. Known norms: linf, l2"),
        ({"arch": "resnext"}, "Unknown architecture 'resnext'. Known: resnet, "),
        ({"arch_options": '{"depth": 3}'}, "'resnet' has no option 'depth'. .*'widths'"),
        ({"arch_options": "{widths: 3}"}, r"must be a JSON object such as .*, got '\{widths: 3\}'"),
        ({"arch_options": "[64]"}, r"arch_options must be a JSON object, got '\[64\]'"),
        ({"attack": "cw"}, "Unknown attack 'cw'. Known: fgsm, nfgsm, pgd, rs_fgsm"),
        ({"on_overfitting": "ignore"}, "Unknown on_overfitting .* Known: stop, fall_back, warn"),
        ({"attack_batch_norm": "eval"}, "Unknown attack_batch_norm 'eval'. Known: inference, tr"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"attack_steps": 0}, "attack_steps must be at least 1, got 0"),
        ({"check_images": 0}, "check_images must be at least 1, got 0"),
        ({"check_steps": -1}, "check_steps must be at least 1, got -1"),
        ({"eps_warmup_epochs": -0.5}, "eps_warmup_epochs must be 0 or more, got -0.5"),
        ({"eps_warmup_epochs": NAN}, "eps_warmup_epochs must be 0 or more, got nan"),
        ({"attack_step_size": -0.1}, "attack_step_size must be 0 or more, got -0.1"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or more, got -1.0"),
        ({"weight_decay": NAN}, "weight_decay must be 0 or more, got nan"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"augment_shift": -1}, "augment_shift must be 0 or more, got -1"),
        ({"clean_fraction": 1.0}, r"clean_fraction must be in \[0, 1\), got 1.0"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"ema_momentum": 1.0}, r"ema_momentum must be in \[0, 1\), got 1.0"),
        ({"ema_momentum": -0.1}, r"ema_momentum must be in \[0, 1\), got -0.1"),
        ({"learning_rate_warmup": 1.1}, r"learning_rate_warmup must be in \[0, 1\], got 1.1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"learning_rate": NAN}, "learning_rate must be positive, got nan"),
        ({"head_learning_rate_factor": -1.0}, "factor must be positive and finite, got -1.0"),
        ({"head_learning_rate_factor": 0.0}, "factor must be positive and finite, got 0.0"),
        ({"head_learning_rate_factor": float("inf")}, "must be positive and finite, got inf"),
        ({"frozen_epochs": -1}, "frozen_epochs must be 0 or more, got -1"),
        (
            {"frozen_epochs": 4, "epochs": 3},
            r"frozen_epochs must be at most epochs=3 \(then only the head is ever .*, got 4",
        ),
        ({"arch": "application:MobileNetX"}, "Did you mean 'application:MobileNet'"),
        ({"image_size": -1}, "image_size must be 0 or more, got -1"),
        ({"fit": "crop"}, "Known: whole, center_crop, squash_center_crop; random crops are for"),
        ({"fit": "random_crop"}, "Unknown fit 'random_crop'.*: train_fit=random_crop"),
        ({"train_fit": "crop"}, "Unknown train_fit 'crop'. Known: whole, .*, squash_random_crop"),
        ({"fit": "center_crop"}, "fit='center_crop' and train_fit='' need an image_size"),
        ({"train_fit": "random_crop"}, "train_fit='random_crop' need an image_size, such as"),
    ],
    ids=str,
)
def test_a_value_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**changes)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"attack": "fgsm"}, FGSM("linf:2/255")),
        ({"attack": "rs_fgsm"}, RSFGSM("linf:2/255")),
        # The paper trains without the projection.
        ({"attack": "nfgsm"}, NFGSM("linf:2/255", project=False)),
        ({"attack": "pgd"}, PGD("linf:2/255", 7)),
        (
            {"attack": "pgd", "attack_steps": 3, "attack_step_size": 0.01},
            PGD("linf:2/255", 3, step_size=0.01),
        ),
        ({"attack": "fgsm", "threat_model": "l2:0.5"}, FGSM("l2:0.5")),
        ({"attack": "pgd", "threat_model": "linf:0"}, PGD("linf:0", 7)),
    ],
    ids=str,
)
def test_the_attack_of_a_configuration(settings, expected):
    assert TrainConfig(**settings).build_attack() == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "whole"),
        ({"image_size": 64, "fit": "center_crop"}, "center_crop"),
        (
            {
                "image_size": 64,
                "fit": "squash_center_crop",
                "train_fit": "squash_random_crop",
            },
            "squash_random_crop",
        ),
        ({"image_size": 64, "fit": "center_crop", "train_fit": "random_crop"}, "random_crop"),
        ({"image_size": 64, "fit": "center_crop", "train_fit": "whole"}, "whole"),
    ],
    ids=str,
)
def test_training_images_are_fitted_as_the_others_unless_said_otherwise(settings, expected):
    assert TrainConfig(**settings).resolved_train_fit == expected


def test_options_and_threat_are_parsed():
    config = TrainConfig(arch_options='{"widths": [4, 8], "stem": "conv"}', threat_model="8/255")
    assert config.options == {"widths": [4, 8], "stem": "conv"}
    assert str(config.threat) == "linf:8/255"


def test_the_record_is_plain_json_of_every_field():
    config = TrainConfig(seed=4, jit_compile=False)
    record = json.loads(json.dumps(config.to_dict()))
    assert TrainConfig(**record) == config
    assert list(record) == [field.name for field in dataclasses.fields(config)]


def test_every_field_has_a_help_text():
    for field in dataclasses.fields(TrainConfig):
        assert len(field.metadata["help"]) > 10, field.name
