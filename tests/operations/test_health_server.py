"""/livez, /readyz and /metrics by a real HTTP client; and that nobody from elsewhere, slow or many, gets in the way."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream_rrvae.errors import ConfigError, SecurityError
from stream_rrvae.metrics import new_metrics
from stream_rrvae.operations.health_server import MOST_AT_ONCE, HealthServer


class Told:
    """What the server is told of the service."""

    def __init__(self) -> None:
        self.fault = ""
        self.checks = {"service": ""}

    def live(self) -> str:
        return self.fault

    def ready(self) -> dict[str, str]:
        return self.checks


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def server(told: Told) -> Iterator[HealthServer]:
    made = HealthServer("127.0.0.1:0", new_metrics().registry, told.live, told.ready, allow_remote=False)
    made.start()
    yield made
    made.stop()


def fetched(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(server.url + path, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_alive_and_ready_are_two_things(server: HealthServer, told: Told) -> None:
    assert fetched(server, "/livez") == (200, "ok")
    assert fetched(server, "/readyz") == (200, '{"ready": true, "checks": {"service": "ok"}}')
    told.checks = {"service": "", "recording_folder": "/data cannot be written to"}
    status, body = fetched(server, "/readyz")
    assert status == 503
    assert json.loads(body) == {
        "ready": False,
        "checks": {"service": "ok", "recording_folder": "/data cannot be written to"},
    }
    assert fetched(server, "/livez?verbose") == (200, "ok")
    told.fault = "the frame loop has not turned for 30 s"
    assert fetched(server, "/livez") == (503, told.fault)
    assert fetched(server, "/etc/passwd")[0] == 404


def test_metrics_are_whole_and_begin_at_zero(server: HealthServer) -> None:
    status, body = fetched(server, "/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(body)}
    refused = {
        sample.labels["reason"]: sample.value
        for sample in families["stream_rrvae_frames_refused"].samples
        if sample.name.endswith("_total")
    }
    assert refused["decode"] == 0 and len(refused) > 10
    skipped = families["stream_rrvae_frames_skipped"].samples
    assert {sample.labels["reason"] for sample in skipped} == {"every_kth", "record_only", "stopping"}
    assert families["stream_rrvae_build_info"].samples[0].value == 1
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6
    for family in families.values():
        assert family.documentation, f"{family.name} says nothing of itself"


def test_who_says_nothing_takes_nobody_elses_place(server: HealthServer) -> None:
    at = urlsplit(server.url)
    assert at.hostname and at.port
    # Room for two: the place of who was answered is free a little later than he has the answer.
    silent = [socket.create_connection((at.hostname, at.port)) for _ in range(MOST_AT_ONCE - 2)]
    try:
        assert fetched(server, "/livez") == (200, "ok")
        client = HTTPConnection(at.hostname, at.port, timeout=30)
        client.request("POST", "/metrics", body=b"x")
        assert client.getresponse().status == 501
        client.close()
    finally:
        for each in silent:
            each.close()


def test_beyond_this_machine_only_with_the_override(told: Told) -> None:
    with pytest.raises(SecurityError, match="allow-remote"):
        HealthServer("0.0.0.0:0", new_metrics().registry, told.live, told.ready, allow_remote=False)
    HealthServer("0.0.0.0:0", new_metrics().registry, told.live, told.ready, allow_remote=True).stop()


@pytest.mark.parametrize("address", ["9464", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999", ":80"])
def test_an_address_that_is_none_is_refused(told: Told, address: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        HealthServer(address, new_metrics().registry, told.live, told.ready, allow_remote=False)


def test_a_port_that_is_taken_is_said(server: HealthServer, told: Told) -> None:
    with pytest.raises(ConfigError, match="--http"):
        HealthServer(server.url.removeprefix("http://"), new_metrics().registry, told.live, told.ready, False)
