"""The model card: `README.md` of a zoo folder, rendered from its record and its flags alone."""

from __future__ import annotations

import re

from pag_tf.zoo import card_sections, hub_metadata
from pag_tf.zoo.record import Entry

BEGIN = "<!-- begin: written by pag_tf from pag.json, changes inside are lost -->"
END = "<!-- end: written by pag_tf -->"
PICTURE_FILE = card_sections.PICTURE_FILE

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def render(
    entry: Entry,
    *,
    flags_text: str,
    existing: str | None = None,
    repo_id: str | None = None,
    picture: bool = False,
) -> str:
    r"""Renders the card: what is generated stands between BEGIN and END, the rest is people's.

    People's text before and after that block is kept, and so is what they added to the front matter
    (`hub_metadata` says which keys are ours). A card without the block is kept whole, above it: its
    title and introduction come first. The line ends of an existing card, `\n` or `\r\n`, are kept;
    where it has both they become `\n`. A card that was rendered renders to itself.

    Args:
        entry: The record; every number of the card but those of the paper is in it.
        flags_text: Content of `train.flags`.
        existing: The card that is there.
        repo_id: The repository that the snippets load from, `"<namespace>/<name>"`; None: the one
            that the existing card names, or a placeholder.
        picture: Whether the folder holds `gradients.png`, which is then shown.

    Returns:
        Markdown with YAML front matter, as the Hub reads it.

    Raises:
        ValueError: `repo_id` is none; front matter that cannot be read; BEGIN and END that are not
            there once each and in this order, or not at all. The message names the remedy.
    """
    # PyYAML is read where a card is written, not where models are listed.
    from pag_tf.zoo import front_matter

    text = (existing or "").removeprefix("\ufeff")
    crlf = text.count("\r\n")
    line_end = "\r\n" if crlf and crlf == text.count("\n") == text.count("\r") else "\n"
    front, body = front_matter.split(card_sections.plain_line_ends(text))
    above, former, below = _around_block(body)
    repo_id = _checked(repo_id) or _repo_id_in(former) or f"<namespace>/{entry.id}"
    front = front_matter.updated(front, hub_metadata.metadata(entry, front_matter.read(front)))
    sections = card_sections.all_of(entry, flags_text, repo_id, picture)
    # Names are written so that they hold no marker; nothing else in the block comes from outside.
    block = "\n\n".join((BEGIN, *sections, END))
    parts = (f"---\n{front}\n---", above, block, below)
    return ("\n\n".join(part for part in parts if part.strip()) + "\n").replace("\n", line_end)


def _around_block(body: str) -> tuple[str, str, str]:
    """What stands before, in and after the generated block."""
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
