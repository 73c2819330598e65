"""A Hub of its own for each test."""

import pytest
from hub_client import point_client_at
from hub_server import HubServer


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with HubServer() as server:
        point_client_at(server, monkeypatch, tmp_path / "hf-home")
        yield server
