import dataclasses
import errno
import html
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pag_tf import zoo
from pag_tf.core.threat_model import ThreatModel
from pag_tf.zoo import card, places
from pag_tf.zoo.entry import PICTURE_FILE, update_card

FLAGS = "--dataset=shapes\n"
ENTRY = zoo.Entry(
    id="shapes-resnet-linf-2-255",
    dataset="shapes",
    threat="linf:2/255",
    architecture=zoo.Architecture(name="resnet", num_classes=1, image_shape=(8, 8, 3)),
    class_names=("disc",),
    metrics=(zoo.Metric(name="clean_accuracy", value=0.5, images=2, command="measure it"),),
    training={},
    license="apache-2.0",
    weights_sha256="0" * 64,
    weights_bytes=1,
    folder=Path("zoo"),
)


def rendered(entry=ENTRY, **options):
    return card.render(entry, **{"flags_text": FLAGS} | options)


def body_as_html(text):
    markdown_it = pytest.importorskip("markdown_it")  # Keras installs it
    body = text.split("\n---\n", 1)[1]
    return markdown_it.MarkdownIt("commonmark").enable("table").render(body)


def test_the_card_shows_every_metric_and_how_to_measure_it(pristine, metrics):
    text = (pristine / "README.md").read_text()
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    assert rows == [
        "| `clean_accuracy` | 0.7500 | 150 | 200 | none | none | 1 |",
        "| `robust_accuracy` | 0.3750 | 75 | 200 | `PGD(steps=50, restarts=2)` | `linf:2/255` "
        "| 2 |",
    ]
    shown = body_as_html(text).replace("&#39;", "'")
    for metric in metrics:
        assert f"<li><code>{metric.command}</code></li>" in shown
    for part in ("--dataset=shapes\n--eps=2/255", "red cube", "8x8x3", '"secure"', "2005.01499"):
        assert part in text


def test_the_card_of_a_natural_model_claims_no_adversary(pristine):
    entry = dataclasses.replace(zoo.read_entry(pristine), threat=ThreatModel("linf", 0), metrics=())
    text = card.render(entry, flags_text="--eps=0\n```")
    assert "- eps-0\n" in text and "- natural-training\n" in text and "- linf\n" not in text
    assert "trained by standard training" in text and "trained adversarially" not in text
    assert "not trained against any attack" in text and '"secure"' not in text
    assert "Nothing has been measured yet." in text
    assert "````\n--eps=0\n```\n````" in text


def test_the_snippets_name_the_repository():
    placeholder = rendered()
    assert 'zoo.load("hf:<namespace>/shapes-resnet-linf-2-255")' in placeholder
    assert 'load_model("hf://<namespace>/shapes-resnet-linf-2-255")' in placeholder
    published = rendered(existing=placeholder, repo_id="Some-1/my.model_2")
    assert 'zoo.load("hf:Some-1/my.model_2")' in published
    assert 'load_model("hf://Some-1/my.model_2")' in published
    assert "<namespace>" not in published
    # Rendered again where nobody knows the repository, the card still names it.
    assert rendered(existing=published) == published
    assert 'zoo.load("hf:b/c")' in rendered(existing=published, repo_id="b/c")


@pytest.mark.parametrize("repo_id", ["", "model", "a/b/c", 'a/b")', "a/b c", "/b", "a/"])
def test_what_is_no_repository_is_refused(repo_id):
    with pytest.raises(ValueError, match=r"repo_id: expected '<namespace>/<name>' of letters"):
        rendered(repo_id=repo_id)


@pytest.mark.tensorflow
def test_the_snippets_run(write, tmp_path, monkeypatch):
    import keras

    from pag_tf import models

    keras.utils.set_random_seed(0)  # the weights of the fixture leave no gradient
    fresh = models.build("resnet", 3, (8, 8, 3), widths=[8, 16], blocks=[1, 1])
    folder = write(tmp_path / "shapes-resnet-linf-2-255", model=fresh).folder
    monkeypatch.chdir(tmp_path)
    photo = np.random.default_rng(0).uniform(0, 255, (20, 30, 3))
    keras.utils.save_img("photo.jpg", photo, scale=False)
    text = (folder / "README.md").read_text()
    name = f"<namespace>/{folder.name}"
    ours, plain = (part.split("```")[0] for part in text.split("```python\n")[1:])
    found = {}
    exec(ours.replace(f"hf:{name}", str(folder)), found)
    assert found["gradients"].shape == (1, 8, 8, 3) and found["logits"].shape == (1, 3)
    as_plain = {}
    exec(plain.replace(f"hf://{name}", str(folder)), as_plain)
    np.testing.assert_allclose(as_plain["gradient"], found["gradients"][0], rtol=1e-3, atol=1e-6)
    picture = keras.utils.img_to_array(keras.utils.load_img("gradient.png"))
    assert picture.shape == (8, 8, 3)
    assert np.abs(picture - 255 * as_plain["shown"].clip(0, 1)).max() <= 1


def test_names_are_shown_as_they_are():
    names = ("a|b", "`x`", "<b>bold</b>", "back\\slash\\", " _under_ ", "*a* [b](c)", card.END)
    names += (card.BEGIN, "&amp;", "~~no~~", "#1", "ü 猫", "``", "\\|")
    awkward = dataclasses.replace(
        ENTRY,
        class_names=names,
        architecture=dataclasses.replace(ENTRY.architecture, num_classes=len(names)),
        metrics=(
            zoo.Metric(
                name="robust_accuracy",
                value=0.5,
                images=2,
                command="a | `b` <c> \\| d",
                attack="Own|attack(`eps` <= 1)\\",
            ),
        ),
    )
    text = rendered(awkward)
    shown = body_as_html(text)
    spans = [html.unescape(s.split("</code>")[0]) for s in shown.split("<code>")[1:]]
    for name in (*names, "a | `b` <c> \\| d", "Own|attack(`eps` <= 1)\\"):
        assert name in spans, name
    assert shown.count("<td>") == 7
    assert rendered(awkward, existing=text) == text


@pytest.mark.parametrize("flags", [f"--a={card.END}\n{card.BEGIN}", "--a=```\n````", "--a=1\r\n"])
def test_flags_are_shown_as_they_are(flags):
    text = rendered(flags_text=flags)
    plain = flags.replace("\r\n", "\n").strip()
    (shown,) = (
        part.split("</pre>")[0]
        for part in body_as_html(text).split("<pre>")
        if "--a=" in part.split("</pre>")[0]
    )
    assert html.unescape(shown.replace("<code>", "").replace("</code>", "")).strip() == plain
    assert rendered(flags_text=flags, existing=text) == text


def test_the_picture_is_shown_if_it_is_there(folder, metrics):
    assert f"({PICTURE_FILE})" not in (folder / "README.md").read_text()
    update_card(folder, picture=b"drawn")
    assert (folder / PICTURE_FILE).read_bytes() == b"drawn"
    text = (folder / "README.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("![")]
    assert line.endswith(f"]({PICTURE_FILE})")
    for word in ("shapes", "input gradient", "epsilon"):  # for those who do not see it
        assert word in line
    zoo.update_metrics(folder, metrics[:1])
    assert line in (folder / "README.md").read_text()
    (folder / PICTURE_FILE).unlink()
    update_card(folder)
    assert f"({PICTURE_FILE})" not in (folder / "README.md").read_text()


def test_a_card_without_the_block_is_kept_whole_above_it():
    mine = "# My birds\n\n    indented\n\nWords.  \n\n---\n\nEnd."
    text = rendered(existing=f"\n\n{mine}\n\n")
    assert text.startswith("---\nlicense: apache-2.0\n")
    assert f"\n---\n\n{mine}\n\n{card.BEGIN}" in text
    assert text.endswith(f"{card.END}\n")
    assert rendered(existing=text) == text


@pytest.mark.parametrize(
    ("marks", "counts"),
    [
        (f"mine {card.BEGIN} yours", (1, 0)),
        (f"mine {card.END} yours", (0, 1)),
        (f"mine {card.END} {card.BEGIN} yours", (1, 1)),
        (f"{card.BEGIN} 1 {card.END} mine {card.BEGIN} 2 {card.END}", (2, 2)),
        (f"{card.BEGIN} 1 {card.BEGIN} 2 {card.END}", (2, 1)),
    ],
)
def test_marks_that_say_nothing_clear_are_refused_and_nothing_is_lost(folder, marks, counts):
    path = folder / "README.md"
    path.write_text(marks)
    begins, ends = counts
    message = f"README.md: The model card has {begins} times '<!-- begin.*{ends} times '<!-- end"
    for change in (update_card, lambda where: zoo.update_metrics(where, ())):
        with pytest.raises(ValueError, match=f"{message}.*Delete .* by hand.*Nothing was changed"):
            change(folder)
    assert path.read_text() == marks
    assert sorted(p.name for p in folder.iterdir() if p.name.startswith(".")) == []


def test_unreadable_front_matter_is_refused_and_nothing_is_lost(folder, metrics):
    path = folder / "README.md"
    broken = path.read_text().replace("license:", "license: [mit\nother:", 1)
    path.write_text(broken)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(ValueError, match=r"README.md: The front matter .*line \d+: .*Fix it by"):
        zoo.update_metrics(folder, metrics[:1])
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


def test_a_card_that_is_not_utf8_is_refused(folder):
    (folder / "README.md").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"README\.md is not UTF-8 text .*save it as UTF-8"):
        update_card(folder)
    assert (folder / "README.md").read_bytes() == b"\xff"


def test_card_and_picture_are_both_written_or_neither(folder, monkeypatch):
    before = {each.name: each.read_bytes() for each in folder.iterdir()}

    def full_disk(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        update_card(folder, picture=b"drawn")
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


def test_windows_line_ends_are_kept(folder, metrics):
    path = folder / "README.md"
    mine = path.read_text().replace(card.BEGIN, f"Mine.\n\n{card.BEGIN}") + "\nBelow.\n"
    path.write_bytes(b"\xef\xbb\xbf" + mine.replace("\n", "\r\n").encode())
    zoo.update_metrics(folder, [dataclasses.replace(metrics[0], value=0.5, correct=100)])
    raw = path.read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r") > 100
    text = raw.decode().replace("\r\n", "\n")
    assert text.startswith("---\nlicense: ") and "0.5000" in text and "0.7500" not in text
    assert f"\n---\n\nMine.\n\n{card.BEGIN}" in text and text.endswith(f"{card.END}\n\nBelow.\n")
    zoo.update_metrics(folder, ())
    assert path.read_bytes() == raw


PIECES = [
    *"ab#-*`<>| \n\t:",
    "\r",
    "\r\n",
    "---",
    "---\n",
    "\n---\n",
    "```",
    "tags:\n- a\n",
    "\u2028",
]
PIECES += [
    "license: mit\n",
    "x: 1.10 # y\n",
    "\ufeff",
    card.BEGIN,
    card.END,
    "猫",
    "\x0b",
    "...",
    "<!--",
]
HAND_WRITTEN = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join))


@given(HAND_WRITTEN)
@example("---\nlicense: mit # ours\n---\nText")
@example("---\n---\nText")
@example("---\n\n---\nText")
@example("\n  ---\nlanguage: no\n---\n\n\n  Text")
@example("---\r\nlicense: mit\r\n---\r\nText\r\n")
def test_a_rendered_card_renders_to_itself(existing):
    try:
        text = rendered(existing=existing)
    except ValueError as error:
        assert "Nothing was changed" in str(error)
        return
    assert rendered(existing=text) == text


@given(above=HAND_WRITTEN, below=HAND_WRITTEN)
def test_what_people_wrote_around_the_block_stays(above, below):
    above, below = (
        t.replace(card.BEGIN, "").replace(card.END, "").replace("\r", "") for t in (above, below)
    )
    front, rest = rendered().split(card.BEGIN)
    former, _ = rest.split(card.END)
    text = rendered(existing=f"{front}{above}\n{card.BEGIN}{former}{card.END}\n{below}")
    new_above, new_rest = text.removeprefix(front.rstrip("\n")).split(card.BEGIN)
    for kept, written in ((new_above, above), (new_rest.split(card.END)[1], below)):
        assert kept.strip("\n") == (written.strip("\n") if written.strip() else "")


@pytest.mark.parametrize("entry", places.bundled(), ids=lambda entry: entry.id)
def test_the_card_of_a_bundled_model_is_what_its_record_says(entry):
    text = (entry.folder / "README.md").read_text()
    flags_text = (entry.folder / "train.flags").read_text()
    picture = entry.folder / PICTURE_FILE
    expected = card.render(entry, flags_text=flags_text, existing=text, picture=picture.is_file())
    assert text == expected, f"out of date: python scripts/card.py --entry=zoo/{entry.id}"
    assert picture.is_file(), f"no picture: python scripts/card.py --entry=zoo/{entry.id}"
    assert picture.stat().st_size < 150_000
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")
