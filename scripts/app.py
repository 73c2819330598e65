"""Serves a web page that explains an uploaded picture with the model of each epsilon.

    python scripts/app.py
    python scripts/app.py --dataset=tiny_imagenet --host=0.0.0.0 --port=8000

Needs Gradio (python -m pip install '.[app]'), and no network. A picture is held in memory while its
page is open: on disk it exists only during the upload, and no other page can fetch it. docs/app.md
explains how to run this file as a Hugging Face Space.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import dataclasses
import functools
import html
import io
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pag_tf.core import dataclass_flags
from pag_tf.core.config import option

MOST_UPLOAD = 20_000_000  # bytes
KINDS = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"]
PREDICTED, NO_TARGET = "predicted", ""

_OPEN_FOR = 3600  # seconds that an idle page keeps its picture
_SWEEP = (60, 300)  # seconds: how often abandoned uploads are deleted, and their age
# Nothing is loaded from other hosts, whatever Gradio's page requests.
_POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
# Paths at which Gradio would serve uploads and share the state of a page.
_CLOSED = re.compile(r"^(/gradio_api)?/(file[=/]|deep_link|stream/|runs)")


@dataclasses.dataclass(frozen=True)
class AppConfig:
    """How the page is served. Each field's meaning stands in its `help` metadata."""

    dataset: str = option("cifar10", "Data set whose models are offered first.")
    host: str = option(
        "", "Address to listen on; empty: GRADIO_SERVER_NAME, or this machine only (127.0.0.1)."
    )
    port: int = option(0, "Port to listen on; 0: GRADIO_SERVER_PORT, or the first free from 7860.")

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be from 0 to 65535, got {self.port!r}.")


def models_by_dataset(first: str) -> dict[str, tuple[Any, ...]]:
    """Returns the bundled entries of each data set by epsilon, those of `first` first.

    Raises:
        ValueError: There is no model of that data set.
    """
    import pag_tf
    from pag_tf.measure import ExplainConfig
    from pag_tf.measure.picture_models import entries

    names = sorted({entry.dataset for entry in pag_tf.zoo.list_models()}, key=lambda n: n != first)
    return {name: entries(ExplainConfig(dataset=name)) for name in dict.fromkeys([first, *names])}


@functools.cache
def _model(entry: Any) -> Any:
    """Loads a model once; models hold nothing of a picture."""
    import pag_tf

    return pag_tf.zoo.load(entry)


def panels(data: bytes, entry: Any, class_name: str, target: str) -> str:
    """Returns the explanation of a picture as self-contained HTML.

    Args:
        data: Content of an image file.
        entry: The zoo entry that explains it.
        class_name: The explained class, a name, a number or "predicted".
        target: Class that the picture is pushed to, or "".

    Raises:
        ValueError: Not a picture, or no such class; the message is shown on the page.
    """
    from pag_tf.data import picture_file
    from pag_tf.measure import ExplainConfig
    from pag_tf.measure.picture import explained

    config = ExplainConfig(dataset=entry.dataset, class_name=class_name, target=target)
    picture = picture_file.decode_picture(data, "The file")
    figure, (found,) = explained(config, picture, [entry], load=_model)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    encoded = base64.b64encode(file.getvalue()).decode()
    alternative = html.escape(_described(found))
    return f'<img alt="{alternative}" src="data:image/png;base64,{encoded}" style="max-width:100%">'


def _described(found: dict[str, Any]) -> str:
    """Describes the panels in words."""
    classes = ", ".join(
        f"{each['class'].partition(',')[0]} {100 * each['probability']:.1f} %"
        for each in found["classes"]
    )
    rows, columns = (
        f"{100 * found['box'][i]:.0f} to {100 * found['box'][i + 2]:.0f} %" for i in (0, 1)
    )
    pushed = f" The picture pushed to {found['target']}." if found["target"] else ""
    return (
        f"{found['entry']}: {classes}. Heat map and input gradient of "
        f"{found['explained'].partition(',')[0]}; the box covers rows {rows}, columns {columns}."
        + pushed
    )


def checked_upload(data: bytes | None) -> bytes | None:
    """Returns the uploaded file if it is a picture.

    Raises:
        ValueError: It is not a picture; the message is shown on the page.
    """
    from pag_tf.data import picture_file

    if data is not None:
        picture_file.decode_picture(data, "The file")
    return data


def read_once(path: str) -> bytes:
    """Reads an upload and deletes it, and its folder if that is empty then.

    Raises:
        ValueError: It is gone: another page uploaded the same bytes, or it has expired.
    """
    upload = Path(path).resolve()
    try:
        return upload.read_bytes()
    except FileNotFoundError:
        raise ValueError("The upload is not there any more: drop the picture again.") from None
    finally:
        if upload.parent.parent == Path(os.environ["GRADIO_TEMP_DIR"]).resolve():
            upload.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # the same bytes, under another name, are in it
                upload.parent.rmdir()


def upload_component(gr: Any, **options: Any) -> Any:
    """Returns a `gr.File` whose value is the content of the upload, which is deleted."""
    component = gr.File(**options)
    # Gradio would write a stub file of a subclass beside this file.
    component.preprocess = lambda payload: None if payload is None else _taken(gr, payload.path)
    return component


def _taken(gr: Any, path: str) -> bytes:
    with _told(gr):
        return read_once(path)


class Guarded:
    """ASGI middleware: serves nothing but the page, under a strict content security policy."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request, or passes it on."""
        if scope["type"] == "http" and _CLOSED.search(scope["path"]):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"Not here."})
            return

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (b"content-security-policy", _POLICY),
                    (b"referrer-policy", b"no-referrer"),
                ]
                message = {**message, "headers": [*message.get("headers", []), *headers]}
            await send(message)

        await self.app(scope, receive, send_guarded)


def gradio() -> Any:
    """Imports Gradio without telemetry, and with a temporary folder of its own.

    Raises:
        ValueError: It is not installed.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if "GRADIO_TEMP_DIR" not in os.environ:
        folder = os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="pag_tf-app-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        import gradio
    except ImportError as error:
        raise ValueError(
            f"The page needs Gradio, which cannot be imported ({error}): "
            "python -m pip install '.[app]'"
        ) from None
    _fetch_nothing(gradio)
    return gradio


def _fetch_nothing(gr: Any) -> None:
    """Refuses addresses in place of uploads: Gradio would download them, whatever their size.

    Public addresses only, but `max_file_size` does not count there (processing_utils.py, 6.31).
    """

    async def refuse(url: str) -> None:
        raise gr.Error(
            "Drop the picture itself: nothing is fetched from an address.", print_exception=False
        )

    gr.processing_utils.async_ssrf_protected_get = refuse


@contextlib.contextmanager
def _told(gr: Any) -> Iterator[None]:
    """Shows the message of a ValueError on the page."""
    try:
        yield
    except ValueError as error:
        raise gr.Error(
            html.escape(str(error)), duration=None, title="", print_exception=False
        ) from None


def page(config: AppConfig) -> Any:
    """Returns the page as Gradio's Blocks; visitors share no state.

    Raises:
        ValueError: No Gradio, or no model of the data set.
    """
    gr = gradio()
    models = models_by_dataset(config.dataset)

    def shown(data: bytes | None, dataset: str, place: int, class_name: str, target: str) -> str:
        if data is None:
            return _NO_PICTURE
        with _told(gr):
            return panels(data, models[dataset][int(place)], class_name, target)

    def taken(data: bytes | None) -> tuple[None, bytes | None]:
        with _told(gr):
            return None, checked_upload(data)

    def choices(dataset: str) -> list[Any]:
        return [gr.update(**each) for each in _choices(models[dataset])]

    with gr.Blocks(title="pag_tf", analytics_enabled=False, delete_cache=_SWEEP) as blocks:
        gr.Markdown(_INTRODUCTION)
        held = gr.State(None, time_to_live=_OPEN_FOR)
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                upload = upload_component(gr, label="Picture", file_types=KINDS, height=150)
                dataset = gr.Dropdown(list(models), label="Models", value=config.dataset)
                slider, explained, target = _choices(models[config.dataset])
                eps = gr.Slider(**slider, step=1)
                class_name = gr.Dropdown(**explained, label="Explained class")
                pushed = gr.Dropdown(**target, label="Push the picture to (takes longer)")
            with gr.Column(scale=2, min_width=320):
                result = gr.HTML(label="Explanation", elem_id="explanation")
        inputs = [held, dataset, eps, class_name, pushed]
        private = {"api_visibility": "private"}
        upload.upload(taken, upload, [upload, held], **private).success(
            shown, inputs, result, **private
        )
        dataset.input(choices, dataset, [eps, class_name, pushed], **private).then(
            shown, inputs, result, **private
        )
        gr.on(
            [eps.input, class_name.input, pushed.input],
            shown,
            inputs,
            result,
            trigger_mode="always_last",
            **private,
        )
    blocks.queue(api_open=False, default_concurrency_limit=1, max_size=32)
    return blocks


_NO_PICTURE = f"<p>Drop a picture: one is kept for {_OPEN_FOR // 60} minutes at most.</p>"
_INTRODUCTION = """# What a model sees in your picture
Drop a picture, then move epsilon: models trained with a larger one have gradients that look like
the thing itself. Each knows the classes of its data set only, and gives any picture one of them."""


def _choices(entries: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Returns the settings of the inputs epsilon, explained class and target."""
    from pag_tf.measure.picture_models import titles

    titles = titles(entries)
    listed = " · ".join(f"{place}: {title}" for place, title in enumerate(titles))
    names = entries[0].class_names
    numbered = [(name.partition(",")[0], str(index)) for index, name in enumerate(names)]
    most = len(entries) - 1
    return [
        {
            "minimum": 0,
            "maximum": max(most, 1),
            "value": min(1, most),
            "interactive": most > 0,
            "label": f"Epsilon   {listed}",
        },
        {"choices": [("the most likely", PREDICTED), *numbered], "value": PREDICTED},
        {"choices": [("nothing", NO_TARGET), *numbered], "value": NO_TARGET},
    ]


def launch(config: AppConfig, **options: Any) -> Any:
    """Serves the page; `options` go to Gradio's `launch`. Returns what that returns."""
    gr = gradio()
    from starlette.middleware import Middleware

    theme = gr.themes.Default(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    return page(config).launch(
        server_name=config.host or None,
        server_port=config.port or None,
        max_file_size=MOST_UPLOAD,
        app_kwargs={"middleware": [Middleware(Guarded)]},
        theme=theme,
        run_history=False,
        share=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        footer_links=[],
        **options,
    )


def main(_: list[str]) -> None:
    """Flags to AppConfig to a page that is served until the program is stopped."""
    # As on Ctrl-C, the program exits normally, so that its folders are deleted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    launch(dataclass_flags.read(AppConfig))


if __name__ == "__main__":
    dataclass_flags.define(AppConfig)
    dataclass_flags.run(main)
