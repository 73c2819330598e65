"""The model card: `README.md` of a zoo folder, rendered from its record and its flags alone."""

from __future__ import annotations

import functools
import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pag_tf.zoo import hub_metadata
from pag_tf.zoo.record import Entry

if TYPE_CHECKING:
    import jinja2

BEGIN = "<!-- begin: written by pag_tf from pag.json, changes inside are lost -->"
END = "<!-- end: written by pag_tf -->"
PICTURE_FILE = "gradients.png"
TEMPLATE_FILE = "card.md.jinja"

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def render(
    entry: Entry,
    *,
    flags_text: str,
    existing: str | None = None,
    repo_id: str | None = None,
    picture: bool = False,
) -> str:
    r"""Renders the card: generated text stands between BEGIN and END, the rest is kept.

    Text before and after that block is kept, and so is what was added to the front matter
    (`hub_metadata` says which keys are ours). A card without the block is kept whole, above it: its
    title and introduction come first. The line ends of an existing card, `\n` or `\r\n`, are kept;
    where it has both they become `\n`. A card that was rendered renders to itself.

    Args:
        entry: The record; every number of the card but those of the paper is in it.
        flags_text: Content of `train.flags`.
        existing: The card that is there.
        repo_id: The repository that the snippets load from, `"<namespace>/<name>"`; None: the one
            that the existing card names, or a placeholder.
        picture: Show `gradients.png`, which the folder holds.

    Returns:
        Markdown with YAML front matter, as the Hub reads it.

    Raises:
        ValueError: `repo_id` has another form; unreadable front matter; BEGIN and END that are not
            there once each and in this order, or not at all. The message names the remedy.
    """
    # PyYAML is read where a card is written, not where models are listed.
    from pag_tf.zoo import front_matter

    text = (existing or "").removeprefix("\ufeff")
    crlf = text.count("\r\n")
    line_end = "\r\n" if crlf and crlf == text.count("\n") == text.count("\r") else "\n"
    front, body = front_matter.split(_plain_line_ends(text))
    above, former, below = _around_block(body)
    repo_id = _checked(repo_id) or _repo_id_in(former) or f"<namespace>/{entry.id}"
    front = front_matter.updated(front, hub_metadata.metadata(entry, front_matter.read(front)))
    block = _block(entry, flags_text, repo_id, picture)
    parts = (f"---\n{front}\n---", above, block, below)
    return ("\n\n".join(part for part in parts if part.strip()) + "\n").replace("\n", line_end)


def _block(entry: Entry, flags_text: str, repo_id: str, picture: bool) -> str:
    """Renders the generated block; texts from outside are escaped so that they hold no marker."""
    height, width, channels = entry.architecture.image_shape
    flags = _plain_line_ends(flags_text).strip()
    rendered = _template().render(
        begin=BEGIN,
        end=END,
        entry=entry,
        natural=entry.threat.eps == 0,
        by_keras=entry.keras_config is not None,
        classes=len(entry.class_names),
        shape=f"{height}x{width}x{channels}",
        height=height,
        width=width,
        channels=channels,
        commands=list(dict.fromkeys(metric.command for metric in entry.metrics)),
        flags=flags,
        repo_id=repo_id,
        picture=picture,
        picture_file=PICTURE_FILE,
    )
    return rendered.strip("\n")


@functools.cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "code": _code,
        "preformatted": _preformatted,
        "tojson_text": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    }
    return environment.get_template(TEMPLATE_FILE)


def _around_block(body: str) -> tuple[str, str, str]:
    """Returns the text before, in and after the generated block."""
    begins, ends = body.count(BEGIN), body.count(END)
    if begins == ends == 0:
        return body.strip("\n"), "", ""
    if begins != 1 or ends != 1 or body.index(BEGIN) > body.index(END):
        raise ValueError(
            f"The model card has {begins} times {BEGIN!r} and {ends} times {END!r}: expected one "
            "of each, in this order, around the generated text, or none. Delete the generated text "
            "by hand, with both marks; it is written again. Nothing was changed."
        )
    above, _, rest = body.partition(BEGIN)
    former, _, below = rest.partition(END)
    return above.strip("\n"), former, below.strip("\n")


def _checked(repo_id: str | None) -> str | None:
    if repo_id is not None and not _REPO_ID.fullmatch(repo_id):
        raise ValueError(
            "repo_id: expected '<namespace>/<name>' of letters, digits, '-', '_' and '.', "
            f"got {repo_id!r}."
        )
    return repo_id


def _repo_id_in(former: str) -> str | None:
    found = re.search(rf'zoo\.load\("hf:({_REPO_ID.pattern})"', former, re.ASCII)
    return found[1] if found else None


def _plain_line_ends(text: str) -> str:
    r"""Returns the text with every line ending in `\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _code(text: str) -> str:
    r"""Returns the text as it is, in a code span; inside a table as well.

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
