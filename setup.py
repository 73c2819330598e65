"""What setup.cfg cannot say: top-level folders that are installed inside the package.

zoo/ becomes pag_tf/zoo/entries/, recipes/ becomes pag_tf/programs/recipe_files/. All other metadata
is in setup.cfg. A source checkout, and so an editable install, reads the top-level folders.
"""

import sys
from pathlib import Path

from setuptools import find_packages, setup

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

PLACED = {
    "pag_tf.programs.recipe_files": ("recipes", ["*.flags"]),
    "pag_tf.zoo.entries": ("zoo", [f"{d}-*/{n}" for d in IN_THE_WHEEL for n in ENTRY_FILES]),
}

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
for package, (folder, files) in PLACED.items():
    if not editable and (Path(__file__).parent / folder).is_dir():
        packages.append(package)
        package_dir[package] = folder
        package_data[package] = files

setup(packages=packages, package_dir=package_dir, package_data=package_data)
