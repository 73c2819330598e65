"""scripts/app.py: what it shows, what it refuses, and that nobody's picture stays or gets about."""

import base64
import dataclasses
import importlib.util
import io
import re
import sys
import time
from pathlib import Path

import browser
import keras
import numpy as np
import pytest
from PIL import Image

import pag_tf
from pag_tf.data import geometry

pytestmark = pytest.mark.tensorflow
ROOT = Path(__file__).resolve().parents[2]
HAS_GRADIO = importlib.util.find_spec("gradio") is not None
needs_gradio = pytest.mark.skipif(not HAS_GRADIO, reason="needs Gradio: pip install 'pag_tf[app]'")


@pytest.fixture(scope="module")
def app():
    """scripts/app.py as a module; it defines no flags when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        spec = importlib.util.spec_from_file_location("app_of_tests", ROOT / "scripts" / "app.py")
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)  # dataclasses looks annotations up there
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def entry():
    return pag_tf.zoo.list_models(dataset="shapes", eps="2/255")[0]


def png(color, size=(96, 64)):
    """A disc on gray."""
    image = np.full((size[1], size[0], 3), 128, "uint8")
    row, column = np.ogrid[: size[1], : size[0]]
    image[(row - 30) ** 2 + (column - 50) ** 2 < 400] = color
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_panels_show_what_the_model_says(app, entry):
    data = png((220, 30, 30))
    shown = app.panels(data, entry, "predicted", "")
    pixels = np.asarray(Image.open(io.BytesIO(data)), "float32") / 255
    image = geometry.fit_to_square({"image": pixels}, 64, "whole")["image"]
    logits = pag_tf.zoo.load(entry)(image[None], training=False)
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))[0]
    best = probabilities.argmax()
    assert f"{entry.class_names[best]} {100 * probabilities[best]:.1f} %" in shown
    encoded = re.search(r'src="data:image/png;base64,([^"]+)"', shown)[1]
    drawn = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert drawn.format == "PNG" and drawn.width > 500
    assert shown.count("http") == 0


def test_a_chosen_class_and_a_target_are_said(app, entry):
    shown = app.panels(png((220, 30, 30)), entry, "3", "red plain disc")
    assert f"Heat map and input gradient of {entry.class_names[3]};" in shown
    assert "The picture pushed to red plain disc." in shown


def test_html_in_class_names_is_text(app, entry):
    names = tuple(f"<script>{i}</script>" for i in range(60))
    shown = app.panels(png((9, 9, 9)), dataclasses.replace(entry, class_names=names), "0", "")
    assert "<script>" not in shown and "&lt;script&gt;0" in shown


def test_choices_are_those_of_the_models(app):
    models = app.models_by_dataset("shapes")
    assert list(models)[0] == "shapes" and "cifar10" in models
    slider, explained, target = app._choices(models["shapes"])
    assert (slider["minimum"], slider["maximum"]) == (0, len(models["shapes"]) - 1)
    assert "1: eps 2/255" in slider["label"]
    assert explained["choices"][:2] == [("the most likely", "predicted"), ("red plain disc", "0")]
    assert target["value"] == "" and len(target["choices"]) == 61
    with pytest.raises(ValueError, match="No model in the zoo has the data set 'nothing'"):
        app.models_by_dataset("nothing")


def test_an_upload_is_read_once(app, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    kept, elsewhere = tmp_path / "uploads" / "hash", tmp_path / "mine"
    for folder in (kept, elsewhere):
        folder.mkdir(parents=True)
        (folder / "photo.png").write_bytes(b"pixels")
        assert app.read_once(str(folder / "photo.png")) == b"pixels"
    assert not kept.exists()
    assert (elsewhere / "photo.png").exists()  # only uploads are deleted


def test_the_same_bytes_under_another_name_stay(app, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    folder = tmp_path / "hash"
    folder.mkdir()
    for name in ("mine.png", "theirs.png"):
        (folder / name).write_bytes(b"pixels")
    assert app.read_once(str(folder / "mine.png")) == b"pixels"
    assert [path.name for path in folder.iterdir()] == ["theirs.png"]
    with pytest.raises(ValueError, match="not there any more: drop the picture again"):
        app.read_once(str(folder / "mine.png"))


def test_without_gradio_the_remedy_is_one_line(app, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ValueError, match=r"needs Gradio, .*: python -m pip install '.\[app\]'$"):
        app.gradio()


def test_a_port_out_of_range_is_refused(app):
    with pytest.raises(ValueError, match="port must be from 0 to 65535, got 70000"):
        app.AppConfig(port=70000)


class Session:
    """One person's page, without a browser: what it would send."""

    def __init__(self, address, name):
        import httpx

        self.client = httpx.Client(base_url=address, timeout=300)
        self.name = name
        self.functions = self.client.get("/config").json()["dependencies"]

    def upload(self, data, name="photo.png"):
        sent = self.client.post("/gradio_api/upload", files={"files": (name, data)})
        sent.raise_for_status()
        return sent.json()[0]

    def call(self, place, data):
        """Runs one of the page's functions, and returns its last message."""
        import json

        joined = {"data": data, "fn_index": self.functions[place]["id"], "session_hash": self.name}
        self.client.post("/gradio_api/queue/join", json=joined).raise_for_status()
        with self.client.stream(
            "GET", "/gradio_api/queue/data", params={"session_hash": self.name}
        ) as stream:
            for line in stream.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed":
                    return message
        raise AssertionError("the queue ended without an answer")

    def take(self, path):
        return self.call(0, [{"path": path, "meta": {"_type": "gradio.FileData"}}])

    def show(self):
        return self.call(1, [None, "shapes", 1, "predicted", ""])  # the state stays on the server


@pytest.fixture(scope="module")
def served(app, tmp_path_factory):
    """The page, and the folder that Gradio writes to."""
    if not HAS_GRADIO:
        pytest.skip("needs Gradio: pip install 'pag_tf[app]'")
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        config = app.AppConfig(dataset="shapes")
        blocks = app.page(config)
        patch.setattr(app, "page", lambda _: blocks)
        _, address, _ = app.launch(config, prevent_thread_lock=True, quiet=True)
        yield address, folder
        blocks.close()


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@needs_gradio
def test_nothing_of_an_upload_stays_or_is_seen_by_another(served):
    address, folder = served
    mine, other = Session(address, "mine"), Session(address, "other")
    data = png((220, 30, 30))
    path = mine.upload(data)
    assert [file.read_bytes() for file in files(folder)] == [data]
    for session in (mine, other):  # not even before it was taken
        assert session.client.get(f"/gradio_api/file={path}").status_code == 404
        assert session.client.get(f"/file={path}").status_code == 404
    assert mine.take(path)["success"]
    assert files(folder) == []
    shown = mine.show()
    assert shown["success"] and "<img alt=" in shown["output"]["data"][0]
    (nothing,) = other.show()["output"]["data"]
    assert nothing.startswith("<p>Drop a picture") and "<img" not in nothing
    assert files(folder) == []
    again = other.take(path)
    assert not again["success"] and "drop the picture again" in again["output"]["error"]


@needs_gradio
@pytest.mark.parametrize("place", [0, 1])
def test_nothing_is_fetched_from_an_address(served, place):
    address, folder = served
    session = Session(address, f"address {place}")
    sent = {"path": "https://example.com/large.png", "meta": {"_type": "gradio.FileData"}}
    data = [sent] if place == 0 else [None, "shapes", 1, sent, ""]
    answer = session.call(place, data)
    assert not answer["success"]
    assert "nothing is fetched from an address" in answer["output"]["error"]
    assert files(folder) == []


@needs_gradio
def test_what_is_no_picture_is_refused_in_words_and_deleted(served):
    address, folder = served
    session = Session(address, "refused")
    answer = session.take(session.upload(b"PK\x03\x04 not a picture", "photo.jpg"))
    assert not answer["success"]
    assert "The file is a ZIP archive: expected a whole PNG" in answer["output"]["error"]
    assert files(folder) == []


@needs_gradio
def test_a_file_that_is_too_large_is_refused(app, served):
    import httpx

    address, folder = served
    with pytest.raises(httpx.HTTPStatusError, match="413"):
        Session(address, "large").upload(b"\0" * (app.MOST_UPLOAD + 1))
    assert files(folder) == []


@needs_gradio
def test_the_page_may_load_nothing_from_elsewhere_and_keeps_no_history(served):
    session = Session(served[0], "policy")
    answer = session.client.get("/")
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert session.client.get("/gradio_api/runs").status_code == 404
    assert session.client.get("/gradio_api/deep_link?session_hash=mine").status_code == 404
    config = session.client.get("/config").json()
    assert config["run_history"] is False and config["analytics_enabled"] is False
    assert session.client.get("/theme.css").text.count("//fonts.") == 0
    assert session.client.get("/gradio_api/info").json()["named_endpoints"] == {}


@needs_gradio
@pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "-")
def test_in_a_browser_upload_choose_move_and_see(served, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    address, folder = served
    photo = tmp_path / "photo.png"
    photo.write_bytes(png((220, 30, 30)))
    with browser.chromium(tmp_path / "profile") as driver:
        driver.get(address)

        def seen(found):
            deadline = time.monotonic() + 240
            while not (value := found()):
                assert time.monotonic() < deadline, driver.find_element(By.TAG_NAME, "body").text
                time.sleep(0.2)
            return value

        def alternative():
            query = "return document.querySelector('#explanation img')?.alt || ''"
            return driver.execute_script(query)

        (chooser,) = seen(lambda: driver.find_elements(By.CSS_SELECTOR, "input[type=file]"))
        chooser.send_keys(str(photo))
        assert seen(alternative).startswith("shapes-resnet-linf-2-255: ")
        assert files(folder) == []
        driver.find_element(By.CSS_SELECTOR, "input[type=range]").send_keys(Keys.ARROW_RIGHT)
        seen(lambda: alternative().startswith("shapes-resnet-linf-4-255: "))
        explained = driver.find_element(By.CSS_SELECTOR, "input[aria-label='Explained class']")
        explained.click()
        explained.send_keys(Keys.CONTROL, "a")  # what is chosen stands there as text
        explained.send_keys("blue plain square", Keys.ENTER)
        seen(lambda: "input gradient of blue plain square;" in alternative())
        width = driver.execute_script(
            "return document.querySelector('#explanation img').naturalWidth"
        )
        assert width > 500
        assert browser.console_errors(driver) == []
        elsewhere = driver.execute_script(
            "return performance.getEntriesByType('resource').map(e => e.name)"
            ".filter(name => !name.startsWith(location.origin) && !name.startsWith('data:'))"
        )
        assert elsewhere == []
