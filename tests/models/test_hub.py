import http.server
import threading

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError

from medvl.errors import WeightsError
from medvl.models import hub

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
NOBODY = "http://127.0.0.1:9"  # the discard port: refused at once


class Answer(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def empty_cache(monkeypatch):
    """A cache without the model, and a network that must not be asked."""

    def download(*_, local_files_only=False, **__):
        assert local_files_only, "the hub was asked although it cannot be reached"
        raise LocalEntryNotFoundError("not in the cache")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)


def test_a_server_that_answers_is_reachable(monkeypatch, server):
    monkeypatch.setattr(constants, "ENDPOINT", server)
    assert hub.reachable()


def test_nobody_is_not_reachable(monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", NOBODY)
    assert not hub.reachable()


def test_proxies_of_the_environment_are_used(monkeypatch, server):
    monkeypatch.setattr(constants, "ENDPOINT", "http://hub.invalid")
    assert not hub.reachable()
    monkeypatch.setenv("http_proxy", server)
    assert hub.reachable()


def test_offline_mode_is_not_probed(monkeypatch, server):
    monkeypatch.setattr(constants, "ENDPOINT", server)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not hub.reachable()


@pytest.mark.parametrize("get", [lambda: hub.folder("some/model"), lambda: hub.file("some/model", "x.safetensors")])
def test_an_unreachable_hub_gives_the_ways_out(get, monkeypatch, empty_cache):
    monkeypatch.setattr(constants, "ENDPOINT", NOBODY)
    with pytest.raises(WeightsError) as caught:
        get()
    message = str(caught.value)
    assert "some/model" in message and f"{NOBODY} cannot be reached" in message
    assert "local file" in message and "HF_HOME" in message and "weights: none" in message


def test_offline_mode_is_named_as_the_reason(monkeypatch, empty_cache):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        hub.folder("some/model")


def test_the_cache_comes_before_the_network(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "ENDPOINT", NOBODY)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_text("")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, local_files_only: str(tmp_path))
    assert hub.folder("some/model") == tmp_path


def test_a_cache_without_weights_is_enough_for_the_configuration_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "ENDPOINT", NOBODY)
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, local_files_only: str(tmp_path))
    assert hub.folder("some/model", weights=False) == tmp_path
    with pytest.raises(WeightsError, match="cannot be reached"):
        hub.folder("some/model")


def test_a_name_that_cannot_be_one_is_refused():
    with pytest.raises(WeightsError, match="neither a local folder nor a name on the hub"):
        hub.folder("not a name!")
