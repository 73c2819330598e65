"""The generated text of a model card, section by section, from the record and the flags alone."""

from __future__ import annotations

import html
import re

from pag_tf.zoo.metric import Metric
from pag_tf.zoo.record import Entry

PICTURE_FILE = "gradients.png"

_MOST_CLASS_NAMES = 20


def all_of(entry: Entry, flags_text: str, repo_id: str, picture: bool) -> list[str]:
    """The sections of a card, in order, as Markdown without front matter; see `card.render`."""
    return [
        f"# {entry.id}",
        _what_it_is(entry),
        *([_picture(entry)] if picture else []),
        _how_to_load(entry, repo_id),
        _USE + _limits(entry),
        _threat_model(entry),
        _metrics(entry),
        _training(flags_text),
        _licence(entry),
        _CITATION,
    ]


def _what_it_is(entry: Entry) -> str:
    if entry.threat.eps == 0:
        how = "trained naturally, the reference for its adversarially trained siblings"
    else:
        how = (
            f"trained adversarially within {_code(str(entry.threat))} so that its plain input "
            "gradient looks like the thing it classifies"
        )
    names = entry.class_names
    listed = (
        "Class names, in the order of the logits: " + ", ".join(map(_code, names)) + "."
        if len(names) <= _MOST_CLASS_NAMES
        else "The class names are in `pag.json`, in the order of the logits."
    )
    return (
        f"A Keras image classifier ({_code(entry.arch)}) for {_code(entry.dataset)}, {len(names)} "
        f"classes, {how}. It takes float32 RGB images of {_shape(entry)} with pixels in [0, 1], "
        f"normalises them inside, and returns logits.\n\n{listed}"
    )


def _picture(entry: Entry) -> str:
    return (
        f"![Test images of {entry.dataset}, one in a row, and beside each its input gradient in "
        "models of one architecture; the head of a column says with which epsilon its model was "
        f"trained]({PICTURE_FILE})\n\n"
        "Images of different classes, drawn by a seed, none selected by hand. Each gradient is "
        "that of the true label's cross-entropy with respect to the pixels, signed, on grey, on a "
        "scale of its own; the same rule for every model."
    )


def _how_to_load(entry: Entry, repo_id: str) -> str:
    height, width, _ = entry.architecture.image_shape
    return f"""## Load it and look at its gradient

With pag_tf, which builds the architecture in code and checks the weights before it reads them:

```python
import keras
import pag_tf

# revision="..." stays with one version of the repository.
model = pag_tf.zoo.load("hf:{repo_id}")
photo = keras.utils.load_img(
    "photo.jpg", target_size=({height}, {width}), interpolation="bilinear", keep_aspect_ratio=True
)
images = keras.utils.img_to_array(photo)[None] / 255  # pixels in [0, 1]
logits = model.predict(images)
gradients = pag_tf.explain.gradients(model, images, method="loss_gradients")  # predicted class
```

With plain Keras, and a picture of the gradient; a copy of this folder loads by its path:

```python
import keras
import numpy as np
import tensorflow as tf

model = keras.saving.load_model("hf://{repo_id}")
photo = keras.utils.load_img(
    "photo.jpg", target_size=({height}, {width}), interpolation="bilinear", keep_aspect_ratio=True
)
image = tf.constant(keras.utils.img_to_array(photo)[None] / 255)  # pixels in [0, 1]
with tf.GradientTape() as tape:
    tape.watch(image)
    logits = model(image, training=False)
    predicted = tf.argmax(logits, axis=-1)
    loss = keras.losses.sparse_categorical_crossentropy(predicted, logits, from_logits=True)
gradient = tape.gradient(loss, image)[0].numpy()
shown = 0.5 + 0.5 * gradient / np.percentile(np.abs(gradient), 99)  # zero is grey
keras.utils.save_img("gradient.png", 255 * shown.clip(0, 1), scale=False)
```"""


_USE = """## Intended use and limits

For looking at what a classifier is sensitive to, finding objects without having been shown boxes,
and comparing models trained with different epsilons.

"""


def _limits(entry: Entry) -> str:
    robustness = (
        "It was not trained against any attack: changes that nobody sees make it err."
        if entry.threat.eps == 0
        else '"Robust at this epsilon" is not "secure". The numbers below hold for the named '
        "attacks, inside the named ball, on the named images: a stronger attack may find more "
        "errors, and changes outside the ball (larger ones, other norms, rotations, weather, "
        "another camera) are not covered."
    )
    points = (
        robustness,
        f"It answers with one of its {len(entry.class_names)} classes whatever an image shows, and "
        f"it knows only images like those of {_code(entry.dataset)}, at {_shape(entry)}.",
        "A gradient that looks like an object shows what the loss is sensitive to; it does not "
        "prove why the model decided.",
        "Measure it on your own images before you rely on it, and do not let it decide about "
        "people or where an error does harm.",
    )
    return "\n".join(f"* {point}" for point in points)


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


def _metrics(entry: Entry) -> str:
    metrics = entry.metrics
    if not metrics:
        return "## Metrics\n\nNothing has been measured yet."
    of_classes = ""
    if split := entry.training.get("class_split"):
        of_classes = (
            f"On images of the {len(entry.class_names)} classes it was trained on, seen ones of "
            f"the class split {_code(str(split))}.\n\n"
        )
    commands = list(dict.fromkeys(metric.command for metric in metrics))
    rows = "\n".join(_metric_row(m, commands.index(m.command) + 1) for m in metrics)
    numbered = "\n".join(f"{i}. {_code(command)}" for i, command in enumerate(commands, 1))
    return f"""## Metrics

{of_classes}| metric | value | correct | images | attack | threat model | command |
|---|---|---|---|---|---|---|
{rows}

Commands that measure them again:

{numbered}"""


def _metric_row(metric: Metric, command: int) -> str:
    cells = (
        _code(metric.name),
        f"{metric.value:.4f}",
        "" if metric.correct is None else str(metric.correct),
        str(metric.images),
        "none" if metric.attack is None else _code(metric.attack),
        "none" if metric.threat_model is None else _code(str(metric.threat_model)),
        str(command),
    )
    return "| " + " | ".join(cells) + " |"


def _training(flags_text: str) -> str:
    return (
        "## How it was trained\n\nThe flags of `scripts/train.py` that train it again "
        f"(`train.flags`):\n\n{_preformatted(plain_line_ends(flags_text).strip())}"
    )


def _licence(entry: Entry) -> str:
    return (
        f"## Licence\n\n{_code(entry.license)}, for this model. The images it was trained on have "
        "a licence and authors of their own; for a data set that pag_tf reads, "
        f'`pag_tf.data.info("{entry.dataset}")` names both.'
    )


def _shape(entry: Entry) -> str:
    return "x".join(map(str, entry.architecture.image_shape))


def plain_line_ends(text: str) -> str:
    r"""The text with every line ending in `\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _code(text: str) -> str:
    r"""The text as it is, in a code span; inside a table as well.

    Renderers disagree on a span with "`" or "\|", and the card's own marker must not appear in it.
    """
    if not set("`|\\<>&") & set(text) and text == text.strip():
        return f"`{text}`"
    safe = "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in text)
    return f"<code>{safe}</code>"


def _preformatted(text: str) -> str:
    if "<!--" in text:  # It might be a marker of the card.
        return f"<pre>\n{html.escape(text)}\n</pre>"
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


_CITATION = """## Citation

Method: [arXiv 2005.01499](https://arxiv.org/abs/2005.01499). This is an independent implementation.

```bibtex
@article{aggarwal2020benefits,
  title   = {On the Benefits of Models with Perceptually-Aligned Gradients},
  author  = {Aggarwal, Gunjan and Sinha, Abhishek and Kumari, Nupur and Singh, Mayank},
  journal = {arXiv preprint arXiv:2005.01499},
  year    = {2020}
}
```"""
