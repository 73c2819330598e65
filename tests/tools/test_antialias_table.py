"""The table of phase variations: it is what the program measures."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def rows(text):
    """Architecture and antialias to the three numbers."""
    found = re.findall(r"^\| `(application:\w+)` \| (True|False) \| (.*) \|$", text, re.M)
    return {tuple(row[:2]): [float(number) for number in row[2].split(" | ")] for row in found}


def test_antialias_takes_most_of_the_grid_away():
    shown = rows(PAGE.read_text(encoding="utf-8"))
    assert len(shown) == 8
    for name, antialias in shown:
        if antialias == "True":
            plain, even = shown[name, "False"], shown[name, "True"]
            assert even[0] < 0.1 * plain[0] and even[2] < 0.6 * plain[2]


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_program_prints_the_numbers_of_the_page(tool):
    program = tool("antialias_table")
    printed = rows(program.table(program.AntialiasConfig(applications="MobileNetV2")))
    shown = rows(PAGE.read_text(encoding="utf-8"))
    assert len(printed) == 2
    for name, numbers in printed.items():
        assert numbers == pytest.approx(shown[name], abs=0.0015)
