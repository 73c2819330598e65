"""Measures a report page: its size, its first paint and the findings of axe-core.

python benchmarks/report_page.py runs/reproduce-shapes/report/index.html

See README.md in this folder for what is measured and how.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import tempfile
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import browser  # noqa: E402

SCREENS = {
    "desktop, light": (browser.DESKTOP, False),
    "desktop, dark": (browser.DESKTOP, True),
    "phone, light": (browser.PHONE, False),
    "phone, dark": (browser.PHONE, True),
}
FIRST_PAINT = """
const done = arguments[arguments.length - 1];
const found = performance.getEntriesByName('first-contentful-paint');
if (found.length) done(found[0].startTime);
else new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    if (entry.name === 'first-contentful-paint') done(entry.startTime);
}).observe({type: 'paint', buffered: true});
"""


def parse_flags() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", nargs="+", type=pathlib.Path, help="index.html of reports.")
    parser.add_argument("--rounds", type=int, default=10, help="How often to open a page.")
    parser.add_argument("--axe", default="", help="axe.min.js; empty: that of selenium-axe-python.")
    parser.add_argument("--screenshots", type=pathlib.Path, help="Folder for one PNG per screen.")
    flags = parser.parse_args()
    if flags.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {flags.rounds}")
    for path in (*flags.page, *([pathlib.Path(flags.axe)] if flags.axe else [])):
        if not path.is_file():
            parser.error(f"there is no file {path}")
    if browser.missing():
        parser.error(browser.missing())
    return flags


def first_paints(driver: Any, page: pathlib.Path, rounds: int) -> list[float]:
    """Returns the milliseconds from opening the page to its first content, per round."""
    driver.set_script_timeout(30)
    found = []
    for _ in range(rounds):
        driver.get("about:blank")
        driver.get(page.resolve().as_uri())
        found.append(float(driver.execute_async_script(FIRST_PAINT)))
    return found


def measure(driver: Any, page: pathlib.Path, flags: argparse.Namespace) -> bool:
    """Prints the measurements of a page; returns True without findings or console errors."""
    print(f"{page}: {page.stat().st_size / 1e6:.2f} MB", flush=True)
    clean = True
    for name, (size, dark) in SCREENS.items():
        browser.resize(driver, size, dark=dark)
        paints = first_paints(driver, page, flags.rounds)
        found = browser.accessibility_findings(driver, flags.axe)
        version = driver.execute_script("return axe.version")
        errors = browser.console_errors(driver)
        print(
            f"  {name:15} first paint {statistics.median(paints):4.0f} ms "
            f"({min(paints):.0f} to {max(paints):.0f}), axe-core {version}: "
            f"{len(found)} findings, console: {len(errors)} errors",
            flush=True,
        )
        for each in (*found, *errors):
            print(f"    {each}")
        if flags.screenshots:
            flags.screenshots.mkdir(parents=True, exist_ok=True)
            shot = f"{page.resolve().parents[1].name}-{name.replace(', ', '-')}.png"
            browser.screenshot(driver, flags.screenshots / shot, whole_page=True)
        clean &= not found and not errors
    return clean


def main() -> None:
    """Opens each page in headless Chromium without network access."""
    flags = parse_flags()
    with (
        tempfile.TemporaryDirectory() as profile,
        browser.chromium(pathlib.Path(profile), offline=True) as driver,
    ):
        results = [measure(driver, page, flags) for page in flags.page]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
