"""The page as people use it, in headless Chromium: by mouse, by keyboard, on a phone, offline."""

import browser
import pytest

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing())

SHOWN = """
return Array.from(document.querySelectorAll('.panels img'))
  .filter((image) => image.checkVisibility()).map((image) => image.src)
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser.chromium(tmp_path_factory.mktemp("profile"), offline=True) as driver:
        yield driver


@pytest.fixture
def page(driver, whole_page):
    """The driver, with the page newly opened from disk on a desktop's screen."""
    browser.resize(driver, browser.DESKTOP)
    driver.get(whole_page[0].as_uri())
    yield driver
    assert browser.console_errors(driver) == []


def find(driver, selector):
    return driver.find_element("css selector", selector)


def press(driver, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def epsilon(driver):
    slider = find(driver, "#epsilon")
    line = find(driver, "output").text
    return slider.get_attribute("value"), slider.get_attribute("aria-valuetext"), line


def column(driver, title):
    """The cells of a column as they stand, and how the column says that it is sorted."""
    script = """
    const heads = Array.from(document.querySelectorAll('thead th'));
    const head = heads.find((each) => each.textContent.trim() === arguments[0]);
    const rows = Array.from(head.closest('table').tBodies[0].rows);
    return [rows.map((row) => row.cells[head.cellIndex].firstChild.textContent.trim()),
            head.getAttribute('aria-sort')];
    """
    return driver.execute_script(script, title)


def button(driver, title):
    return driver.find_element("xpath", f"//th/button[normalize-space()='{title}']")


def test_every_picture_is_there(page):
    widths = page.execute_script(
        "return Array.from(document.images, (i) => [i.complete, i.naturalWidth, i.alt.length > 5])"
    )
    assert widths == [[True, 8, True]] * 20
    assert len(page.execute_script(SHOWN)) == 2 * 4


def test_keys_move_all_pictures_and_the_marks_in_the_curves(page):
    from selenium.webdriver.common.keys import Keys

    assert epsilon(page)[:2] == ("0", "0")
    natural = page.execute_script(SHOWN)
    find(page, "#epsilon").send_keys(Keys.ARROW_RIGHT)
    assert epsilon(page)[:2] == ("1", "1/255")
    moved = page.execute_script(SHOWN)
    kept = [one == other for one, other in zip(natural, moved, strict=True)]
    assert kept == [True, False, False, False] * 2  # the input is the same
    marks = "return Array.from(document.querySelectorAll('svg [data-step]')).filter(" \
            "(e) => getComputedStyle(e).display !== 'none').map((e) => e.dataset.step)"  # fmt: skip
    assert set(page.execute_script(marks)) == {"1"}
    find(page, "#epsilon").send_keys(Keys.END)
    value, spoken, line = epsilon(page)
    assert (value, spoken) == ("2", "2/255")
    assert "ε = 2/255" in line and "toy-linf-2-255" in line and "GT-known 75.0 %" in line
    find(page, "#epsilon").send_keys(Keys.HOME)
    assert page.execute_script(SHOWN) == natural


def test_the_mouse_drags_the_slider(page):
    from selenium.webdriver.common.action_chains import ActionChains

    slider = find(page, "#epsilon")
    half = slider.size["width"] // 2
    natural = page.execute_script(SHOWN)
    hold = ActionChains(page).move_to_element_with_offset(slider, 8 - half, 0).click_and_hold()
    hold.move_by_offset(2 * half - 16, 0).release().perform()
    assert epsilon(page)[:2] == ("2", "2/255")
    dragged = page.execute_script(SHOWN)
    assert sum(a != b for a, b in zip(natural, dragged, strict=True)) == 6
    ActionChains(page).move_to_element(slider).click().perform()
    assert epsilon(page)[:2] == ("1", "1/255")


def test_a_click_sorts_and_what_is_not_measured_stays_last(page):
    assert column(page, "clean accuracy") == [["90.0 %", "81.0 %", "not measured"], None]
    button(page, "clean accuracy").click()
    assert column(page, "clean accuracy") == [["81.0 %", "90.0 %", "not measured"], "ascending"]
    assert column(page, "trained within")[1] is None
    button(page, "clean accuracy").click()
    assert column(page, "clean accuracy") == [["90.0 %", "81.0 %", "not measured"], "descending"]


def test_keys_reach_a_column_and_sort_by_it(page):
    from selenium.webdriver.common.keys import Keys

    page.execute_script("arguments[0].focus()", button(page, "model"))
    press(page, Keys.TAB, Keys.ENTER)
    names = ["standard training (eps 0)", "linf:1/255", "linf:2/255"]
    assert column(page, "trained within") == [names[::-1], "descending"]
    press(page, Keys.SPACE)
    assert column(page, "trained within") == [names, "ascending"]


def test_no_request_leaves_the_page(page):
    requested = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    assert [name for name in page.execute_script(requested) if not name.startswith("data:")] == []


@pytest.mark.parametrize(
    ("size", "columns"), [(browser.DESKTOP, 3), (browser.PHONE, 1)], ids=["desktop", "phone"]
)
def test_panels_stand_side_by_side_where_there_is_room_and_keep_their_size(page, size, columns):
    browser.resize(page, size)
    places = page.execute_script(
        "return Array.from(document.querySelectorAll('#alignment-curves svg'), (svg) => {"
        "const place = svg.getBoundingClientRect(); return [place.x, place.width]; })"
    )
    assert len(places) == 3
    assert len({round(x) for x, _ in places}) == columns
    assert all(300 < width <= size[0] for _, width in places)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [browser.DESKTOP, browser.PHONE], ids=["desktop", "phone"])
def test_fits_the_screen_and_can_be_read_by_all(page, size, dark, tmp_path):
    browser.resize(page, size, dark=dark)
    widths = "return [document.documentElement.scrollWidth, window.innerWidth]"
    needed, there = page.execute_script(widths)
    assert there == size[0] and needed <= there
    colors = page.execute_script(
        "const style = getComputedStyle(document.body);"
        "return [style.color, style.backgroundColor].map("
        "(color) => color.match(/[0-9]+/g).reduce((sum, value) => sum + +value, 0))"
    )
    text, paper = colors
    assert (text > paper + 400) if dark else (paper > text + 400)
    assert browser.accessibility_findings(page) == []
    browser.screenshot(page, tmp_path / "page.png", whole_page=True)
    assert (tmp_path / "page.png").stat().st_size > 20_000
