"""Makes the client, huggingface_hub, of this process talk to a test Hub and to nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_server import HubServer


def point_client_at(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, home: Path, *, token: str | None = None
) -> None:
    """Changes addresses, caches and credentials, in the environment and where the client has
    copied them at its import. `home` becomes HF_HOME. Without `token`, nobody is logged in.

    Also as a child process sees it: the environment alone is enough there.
    """
    import huggingface_hub
    from huggingface_hub import constants, hf_api
    from huggingface_hub.utils import _cache_manager

    cache = home / "hub"
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(cache),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",  # else the client asks /api/agent-harnesses now and then
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_XET": "1",  # the test Hub has no Xet storage
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_OIDC_RESOURCE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HUGGING_FACE_HUB_TOKEN", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)

    changed = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(cache),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": False,
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_DISABLE_UPDATE_CHECK": True,
        "HF_HUB_DISABLE_XET": True,
    }
    for name, value in changed.items():
        monkeypatch.setattr(constants, name, value, raising=False)
    # Two copies that other modules keep: the scan of the cache, and the functions of the package,
    # which are methods of one HfApi made at import.
    monkeypatch.setattr(_cache_manager, "HF_HUB_CACHE", str(cache), raising=False)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.url)
    huggingface_hub.close_session()
