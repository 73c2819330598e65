"""What setup.cfg cannot say: the top-level zoo/ is installed as pag_tf/zoo/entries/.

All other metadata is in setup.cfg. A source checkout, and so an editable install, reads the
top-level zoo/ itself.
"""

import sys
from pathlib import Path

from setuptools import find_packages, setup

ENTRIES = "pag_tf.zoo.entries"
# Data sets whose models come with the wheel, which stays small; zoo/ of a checkout has all.
IN_THE_WHEEL = ["cifar10", "shapes"]
# One folder per published model. Listed by name, so that nothing else slips into the wheel.
ENTRY_FILES = [
    "config.json",
    "metadata.json",
    "model.weights.h5",
    "pag.json",
    "README.md",
    "train.flags",
]

packages = find_packages(include=["pag_tf", "pag_tf.*"])
package_dir = {"": "."}
package_data = {
    "pag_tf": ["py.typed"],
    "pag_tf.data": ["*.json"],
    "pag_tf.data.readers.tiny_imagenet": ["*.json", "WORDNET-LICENSE.txt"],
    "pag_tf.zoo": ["*.jinja"],
    "pag_tf.report": ["page.html", "page.css", "page.js"],
}
editable = "editable_wheel" in sys.argv  # There, a package placed elsewhere could not be imported.
if not editable and (Path(__file__).parent / "zoo").is_dir():
    packages.append(ENTRIES)
    package_dir[ENTRIES] = "zoo"
    package_data[ENTRIES] = [
        f"{dataset}-*/{name}" for dataset in IN_THE_WHEEL for name in ENTRY_FILES
    ]

setup(packages=packages, package_dir=package_dir, package_data=package_data)
