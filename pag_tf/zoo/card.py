"""The model card: `README.md` of a zoo folder, rendered from its record and nothing else."""

from __future__ import annotations

import json
import re

from pag_tf.threat_model import ThreatModel
from pag_tf.zoo.metric import Metric
from pag_tf.zoo.record import Entry

BEGIN = "<!-- begin: written by pag_tf from pag.json, changes inside are lost -->"
END = "<!-- end: written by pag_tf -->"
COMMON_TAG = "perceptually-aligned-gradients"  # of every entry

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_MOST_CLASS_NAMES = 20


def render(entry: Entry, *, flags_text: str, existing: str | None = None) -> str:
    """Renders the card.

    Args:
        entry: The record; every number of the card but those of the paper is in it.
        flags_text: Content of `train.flags`.
        existing: The card that is there; what people wrote outside its generated block is kept.

    Returns:
        Markdown with YAML front matter, as the Hub reads it.
    """
    above, below = "", ""
    if existing is not None and BEGIN in existing and END in existing:
        above = _FRONT_MATTER.sub("", existing[: existing.index(BEGIN)]).strip()
        below = existing[existing.rindex(END) + len(END) :].strip()
    sections = (
        f"# {entry.id}",
        _what_it_is(entry),
        _how_to_load(entry),
        _threat_model(entry),
        _metrics(entry.metrics),
        _training(flags_text),
        _LIMITS,
        _CITATION,
    )
    block = "\n\n".join((BEGIN, *sections, END))
    return "\n\n".join(part for part in (_front_matter(entry), above, block, below) if part) + "\n"


def tags(entry: Entry) -> tuple[str, ...]:
    """The Hub tags of an entry: what it is found by."""
    eps = eps_tag(entry.threat)
    if entry.threat.eps == 0:
        kind: tuple[str, ...] = ("natural-training", eps)
    else:
        kind = ("adversarial-training", eps, entry.threat.norm)
    return ("keras", COMMON_TAG, *kind, entry.dataset)


def eps_tag(threat: ThreatModel) -> str:
    """The Hub tag of an epsilon, such as `"eps-2-255"`."""
    return f"eps-{threat.eps_text.replace('/', '-')}"


def _front_matter(entry: Entry) -> str:
    # Quoted: YAML reads a data set called "2020" or "no" as something else than text.
    listed = "\n".join(f"- {json.dumps(tag)}" for tag in tags(entry))
    return f"---\nlicense: {entry.license}\nlibrary_name: keras\ntags:\n{listed}\n---"


def _what_it_is(entry: Entry) -> str:
    shape = "x".join(map(str, entry.architecture.image_shape))
    if entry.threat.eps == 0:
        how = "trained naturally, the reference for its adversarially trained siblings"
    else:
        how = (
            f"trained adversarially within {entry.threat} so that its plain input gradient looks "
            "like the thing it classifies"
        )
    names = entry.class_names
    listed = (
        "Class names, in the order of the logits: " + ", ".join(map(_code, names)) + "."
        if len(names) <= _MOST_CLASS_NAMES
        else "The class names are in `pag.json`, in the order of the logits."
    )
    return (
        f"A Keras image classifier ({entry.arch}) for {entry.dataset}, {len(names)} classes, "
        f"{how}. It takes float32 RGB images of {shape} with pixels in [0, 1], normalises them "
        f"inside, and returns logits.\n\n{listed}"
    )


def _how_to_load(entry: Entry) -> str:
    return f"""## Load it

With pag_tf, which builds the architecture in code and checks the weights before it reads them:

```python
import pag_tf

model = pag_tf.zoo.load("path/to/{entry.id}")
```

With plain Keras, from a copy of this folder or from the Hub:

```python
import keras

model = keras.saving.load_model("path/to/{entry.id}")
model = keras.saving.load_model("hf://<namespace>/{entry.id}")
```"""


def _threat_model(entry: Entry) -> str:
    if entry.threat.eps == 0:
        text = "None: epsilon is 0, no image was perturbed in training."
    else:
        ball = {
            "linf": "every channel of every pixel may change by at most",
            "l2": "the Euclidean length of the change of an image is at most",
        }[entry.threat.norm]
        text = f"`{entry.threat}`: {ball} {entry.threat.eps_text}, in units of pixels in [0, 1]."
        if entry.training.get("attack") == "nfgsm":
            text += (
                " It was trained by N-FGSM without projection, whose noise and step together "
                "reach up to three times as far."
            )
    return f"## Threat model\n\n{text}"


def _metrics(metrics: tuple[Metric, ...]) -> str:
    if not metrics:
        return "## Metrics\n\nNothing has been measured yet."
    rows = "\n".join(_metric_row(metric) for metric in metrics)
    return f"""## Metrics

| metric | value | correct | images | attack | threat model | measured with |
|---|---|---|---|---|---|---|
{rows}"""


def _metric_row(metric: Metric) -> str:
    correct = "" if metric.correct is None else str(metric.correct)
    cells = (
        _code(metric.name),
        f"{metric.value:.4f}",
        correct,
        str(metric.images),
        "none" if metric.attack is None else _code(metric.attack),
        "none" if metric.threat_model is None else _code(str(metric.threat_model)),
        _code(metric.command),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _training(flags_text: str) -> str:
    fence = "````" if "```" in flags_text else "```"
    return (
        "## How it was trained\n\nThe flags of `scripts/train.py` that train it again "
        f"(`train.flags`):\n\n{fence}\n{flags_text.strip()}\n{fence}"
    )


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


_LIMITS = """## Limits

"Robust at this epsilon" is not "secure". The numbers above hold for the named attacks, inside the
named ball, on the named images: a stronger attack may find more errors, and changes outside the
ball (larger ones, other norms, rotations, weather, another camera) are not covered. A gradient that
looks like an object shows what the logit is sensitive to; it does not prove why the model decided.
Measure again on your own images before relying on either."""

_CITATION = """## Citation

Method: [arXiv 2005.01499](https://arxiv.org/abs/2005.01499).

```bibtex
@article{aggarwal2020benefits,
  title   = {On the Benefits of Models with Perceptually-Aligned Gradients},
  author  = {Aggarwal, Gunjan and Sinha, Abhishek and Kumari, Nupur and Singh, Mayank},
  journal = {arXiv preprint arXiv:2005.01499},
  year    = {2020}
}
```"""
