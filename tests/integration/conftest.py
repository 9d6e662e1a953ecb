"""A server over the scripted engine and ways to talk to it; a module may put its own `server`."""

import openai
import pytest
from servers import scripted_server


def pytest_configure(config):
    config.addinivalue_line("markers", "sqlite: looks into the file of the database")


@pytest.fixture(scope="module")
def server():
    with scripted_server(heartbeat_ms=100) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)


@pytest.fixture(scope="module")
def http(server):
    with server.http() as raw:
        yield raw
