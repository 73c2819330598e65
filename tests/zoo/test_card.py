import dataclasses

from pag_tf import zoo
from pag_tf.threat_model import ThreatModel
from pag_tf.zoo import card


def test_the_card_shows_every_metric_and_no_other_number(pristine, metrics):
    text = (pristine / "README.md").read_text()
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    assert rows == [
        "| `clean_accuracy` | 0.7500 | 150 | 200 | none | none | "
        "`python scripts/evaluate.py --model=zoo/tiny` |",
        "| `robust_accuracy` | 0.3750 | 75 | 200 | `PGD(steps=50, restarts=2)` | `linf:2/255` | "
        "`python scripts/evaluate.py --model=zoo/tiny --attack='pgd\\|50'` |",
    ]
    assert len(rows) == len(metrics)
    for part in ("--dataset=shapes\n--eps=2/255", "red cube", "8x8x3", '"secure"', "2005.01499"):
        assert part in text


def test_the_front_matter_is_what_the_hub_reads(pristine):
    front = (pristine / "README.md").read_text().split("---\n")[1]
    assert front.splitlines() == [
        "license: apache-2.0",
        "library_name: keras",
        "tags:",
        '- "keras"',
        '- "perceptually-aligned-gradients"',
        '- "adversarial-training"',
        '- "eps-2-255"',
        '- "linf"',
        '- "shapes"',
    ]


def test_the_card_of_a_natural_model_claims_no_adversary(pristine):
    entry = dataclasses.replace(zoo.read_entry(pristine), threat=ThreatModel("linf", 0), metrics=())
    text = card.render(entry, flags_text="--eps=0\n```")
    assert '- "eps-0"' in text and '- "natural-training"' in text and '- "linf"' not in text
    assert "trained naturally" in text and "trained adversarially" not in text
    assert "Nothing has been measured yet." in text
    assert "````\n--eps=0\n```\n````" in text
