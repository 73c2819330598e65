"""The examples in the docstrings run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

from pag_tf import localization

MODULES = [module.name for module in pkgutil.iter_modules(localization.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(f"pag_tf.localization.{name}")
    assert doctest.testmod(module).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    modules = [importlib.import_module(f"pag_tf.localization.{name}") for name in MODULES]
    assert sum(len(test.examples) for m in modules for test in finder.find(m)) > 5


def test_public_names_exist_and_explain_themselves():
    assert dir(localization) == sorted(localization.__all__)
    assert all(getattr(localization, name).__doc__ for name in localization.__all__)
