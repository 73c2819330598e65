"""Writes a table of WordNet's hypernyms, class attributes for any list of WordNet ids.

python tools/wordnet_hypernyms.py --wnids=tiny-imagenet-200/wnids.txt
python tools/wordnet_hypernyms.py --wnids=n01443537,n02099601 --wordnet=WordNet-3.0/dict

The classes of Tiny-ImageNet have theirs in pag_tf/data/tiny_imagenet_hypernyms.json, written by the
first command with --output. For other classes, put the file as wordnet_hypernyms.json beside the
archive, or into the unpacked folder: pag_tf.data.info("tiny_imagenet", data_dir) then has them.
"""

from __future__ import annotations

from pag_tf.core import dataclass_flags
from pag_tf.data.wordnet import HypernymsConfig

dataclass_flags.define(HypernymsConfig)


def main(_: list[str]) -> None:
    """Flags to HypernymsConfig to one library call."""
    from pag_tf.data.wordnet import write_hypernyms

    print(f"Wrote {write_hypernyms(dataclass_flags.read(HypernymsConfig))}")


if __name__ == "__main__":
    dataclass_flags.run(main)
