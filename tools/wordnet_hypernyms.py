"""Writes a table of WordNet's hypernyms, class attributes for any list of WordNet ids.

    python tools/wordnet_hypernyms.py --wnids=tiny-imagenet-200/wnids.txt
    python tools/wordnet_hypernyms.py --wnids=n01443537,n02099601 --wordnet=WordNet-3.0/dict

The first command with --output wrote pag_tf/data/readers/tiny_imagenet/hypernyms.json, the table of
Tiny-ImageNet. For other classes, put the file as wordnet_hypernyms.json beside the archive, or into
the unpacked folder: pag_tf.data.info("tiny_imagenet", data_dir) then has them.

`data.noun` of a WordNet database (version 3.0 or 3.1; manual page wndb(5)) has a line for each set
of synonyms: `<offset> <file> n <number of words, hexadecimal> <word> <id> ... <number of pointers>
<symbol> <offset> <part of speech> <source and target> ... | <gloss>`. The symbols `@` and `@i`
point to hypernyms. A wnid is "n" and the offset, in WordNet 3.0 for those of ImageNet.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path

from pag_tf.core import dataclass_flags, files
from pag_tf.core.config import option

_WNID = re.compile(r"n\d{8}")
_VERSION = re.compile(r"WordNet (\d+(?:\.\d+)+) Copyright")
_HYPERNYM, _INSTANCE_HYPERNYM = "@", "@i"


@dataclasses.dataclass(frozen=True)
class HypernymsConfig:
    """From where, of which classes and to which file a table of hypernyms is written.

    Raises ValueError where no classes are named.
    """

    wordnet: str = option(
        "/usr/share/wordnet",
        "Folder that holds data.noun of WordNet, on Debian /usr/share/wordnet.",
    )
    wnids: str = option(
        "",
        "The classes: a file with one WordNet id a line, such as wnids.txt of a data set, or the "
        "ids themselves, separated by commas.",
    )
    output: str = option("wordnet_hypernyms.json", "The JSON file to write.")

    def __post_init__(self) -> None:
        if not self.wnids:
            raise ValueError("--wnids names no classes: give a file of WordNet ids, or a list")

    def classes(self) -> list[str]:
        """The wnids, sorted; ValueError for anything else in the list."""
        text = self.wnids.replace(",", "\n")
        # A long list is no name that a file may have: asking for such a file is an error.
        if not all(_WNID.fullmatch(word.strip()) for word in text.split("\n") if word.strip()):
            path = files.user_path(self.wnids)
            text = path.read_text("utf-8") if path.is_file() else text
        wnids = sorted({line.strip() for line in text.splitlines() if line.strip()})
        wrong = [wnid for wnid in wnids if not _WNID.fullmatch(wnid)]
        if wrong or not wnids:
            raise ValueError(
                f"--wnids={self.wnids} has {wrong[0]!r}: expected a file that exists, or WordNet "
                "ids such as n01443537"
                if wrong
                else f"--wnids={self.wnids} is empty: expected one WordNet id a line"
            )
        return wnids


class WordNet:
    """The nouns of a WordNet database; `version` is "3.0", `notice` the lines of its license.

    Raises ValueError where `folder` holds no database, and where a line of it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "data.noun"
        if not self._path.is_file():
            raise ValueError(
                f"{folder} holds no data.noun: point --wordnet at the folder of a WordNet database "
                "(on Debian and Ubuntu: apt-get install wordnet-base, then /usr/share/wordnet; "
                "elsewhere: the folder dict of https://wordnet.princeton.edu/download)"
            )
        lines = self._path.read_text("utf-8", errors="replace").split("\n")
        head = [line for line in lines if line.startswith(" ")]
        # Numbered lines; the numbers are no part of the license.
        self.notice = tuple(re.sub(r"^ *\d+ ?", "", line).rstrip() for line in head)
        self._lines = {line[:8]: line for line in lines if line[:1].isdecimal()}
        version = _VERSION.search("\n".join(self.notice))
        if version is None:
            raise ValueError(
                f"{self._path} does not start with WordNet's license: expected it there"
            )
        self.version = version[1]

    def __contains__(self, wnid: str) -> bool:
        return wnid[1:] in self._lines

    def name(self, wnid: str) -> str:
        """The first of the words of a synset, with spaces."""
        return self._parsed(wnid)[0]

    def hypernyms(self, wnid: str) -> tuple[str, ...]:
        """The wnids of all hypernyms of a synset, near and far, sorted."""
        found: set[str] = set()
        waiting = [wnid]
        while waiting:
            parents = set(self._parsed(waiting.pop())[1])
            waiting.extend(parents - found)
            found |= parents
        return tuple(sorted(found))

    def _parsed(self, wnid: str) -> tuple[str, list[str]]:
        """The name of a synset and its direct hypernyms."""
        line = self._lines.get(wnid[1:])
        try:
            if line is None:
                raise ValueError("no line has this offset")
            fields = line.partition(" | ")[0].split(" ")
            pointers = fields[4 + 2 * int(fields[3], 16) :]
            count, parents = int(pointers[0]), []
            for place in range(1, 1 + 4 * count, 4):
                symbol, offset = pointers[place], pointers[place + 1]
                if symbol in (_HYPERNYM, _INSTANCE_HYPERNYM):
                    parents.append(f"n{offset}")
            return fields[4].replace("_", " "), parents
        except (ValueError, IndexError) as error:
            raise ValueError(
                f"cannot read the synset {wnid} in {self._path} ({error}): install WordNet again"
            ) from error


def hypernym_table(wordnet: WordNet, wnids: Sequence[str]) -> str:
    """The JSON text of a table of hypernyms: one line for each class.

    Raises ValueError, naming them, for wnids that this WordNet does not have.
    """
    missing = [wnid for wnid in wnids if wnid not in wordnet]
    if missing:
        raise ValueError(
            f"WordNet {wordnet.version} has no noun {', '.join(missing)}: wnids are places in the "
            "files of one version, those of ImageNet in version 3.0"
        )
    hypernyms = {wnid: wordnet.hypernyms(wnid) for wnid in wnids}
    named = sorted({*wnids, *(above for every in hypernyms.values() for above in every)})
    parts = {
        "wordnet": json.dumps(wordnet.version),
        "notice": json.dumps(wordnet.notice, indent=1, ensure_ascii=False),
        "names": _object({wnid: json.dumps(wordnet.name(wnid)) for wnid in named}),
        "hypernyms": _object({wnid: json.dumps(every) for wnid, every in hypernyms.items()}),
    }
    return _object(parts) + "\n"


def write_hypernyms(config: HypernymsConfig) -> Path:
    """Write a table of hypernyms; the path of the file, which is written whole or not at all.

    Raises ValueError for classes that are no wnids or unknown, and where there is no WordNet.
    """
    text = hypernym_table(WordNet(files.user_path(config.wordnet)), config.classes())
    output = files.user_path(config.output)
    files.write_whole(output, lambda file: file.write(text.encode()))
    return output


def _object(members: dict[str, str]) -> str:
    """A JSON object of values that are JSON already, one a line."""
    lines = [f"{json.dumps(key)}: {value}" for key, value in members.items()]
    return "{\n" + ",\n".join(lines) + "\n}"


def main(_: list[str]) -> None:
    """Flags to HypernymsConfig to the table."""
    print(f"Wrote {write_hypernyms(dataclass_flags.read(HypernymsConfig))}")


if __name__ == "__main__":
    dataclass_flags.define(HypernymsConfig)
    dataclass_flags.run(main)
