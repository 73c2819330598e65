"""Headless Chromium for tests of pages: skipped with a reason where it is not installed."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# No first-run pages, no updates, no sync: whatever a page loads is all that is loaded.
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars"),
)
DESKTOP, PHONE = (1280, 900), (390, 844)


@functools.cache
def missing() -> str:
    """Why no browser can be started here; empty if one can."""
    for package in ("selenium", "selenium_axe_python"):
        if importlib.util.find_spec(package) is None:
            return f"needs {package}: pip install 'pag_tf[test]'"
    if _program("chromium", "chromium-browser", "google-chrome") is None:
        return "needs Chromium: apt-get install chromium chromium-driver"
    if _program("chromedriver") is None:
        return "needs Chromium's driver: apt-get install chromium-driver"
    return ""


@contextlib.contextmanager
def chromium(profile: Path, *, offline: bool = False) -> Iterator[Any]:
    """A Selenium driver of a headless Chromium that logs all that its console says.

    Args:
        profile: Empty or new folder for what the browser keeps.
        offline: Cut it off any network, files of this machine excepted.
    """
    reason = missing()
    if reason:
        pytest.skip(reason)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
    for argument in (*_QUIET, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(_program("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.set_page_load_timeout(120)
        driver.execute_cdp_cmd("Network.enable", {})
        if offline:
            cut_off = {"offline": True, "latency": 0}
            cut_off |= {f"{way}Throughput": 0 for way in ("download", "upload")}
            driver.execute_cdp_cmd("Network.emulateNetworkConditions", cut_off)
        resize(driver, DESKTOP)
        yield driver
    finally:
        driver.quit()


def resize(driver: Any, size: tuple[int, int], *, dark: bool = False) -> None:
    """Shows pages as on a screen of so many pixels, light or dark."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def screenshot(driver: Any, path: Path, *, whole_page: bool = False) -> None:
    """Saves what is seen, or the whole page, as PNG."""
    import base64

    options = {"format": "png", "captureBeyondViewport": whole_page}
    if whole_page:
        size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        options["clip"] = size | {"x": 0, "y": 0, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", options)
    path.write_bytes(base64.b64decode(shot["data"]))


def console_errors(driver: Any) -> list[str]:
    """All that the console has reported as an error since it was last asked."""
    return [each["message"] for each in driver.get_log("browser") if each["level"] == "SEVERE"]


def accessibility_findings(driver: Any, script: str = "") -> list[str]:
    """What axe-core finds on the page: impact, rule and the elements, one text a rule.

    Args:
        driver: Shows the page.
        script: An `axe.min.js` of another version than the installed package has.
    """
    from selenium_axe_python import Axe

    driver.set_script_timeout(300)  # a page of many curves has thousands of elements
    axe = Axe(driver, script) if script else Axe(driver)
    axe.inject()
    found = axe.run()
    assert found["passes"], "axe-core has looked at nothing"
    return [
        f"{each['impact']} {each['id']}: {', '.join(str(n['target']) for n in each['nodes'])}"
        for each in found["violations"]
    ]


def _program(*names: str) -> str | None:
    return next((found for name in names if (found := shutil.which(name))), None)
