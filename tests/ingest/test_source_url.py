"""Source URLs: what they mean, and what is said of those that mean nothing."""

import pytest

from stream_rrvae.errors import ConfigError
from stream_rrvae.ingest.source import SocketKind, Source, parse_source, parse_sources


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("native+sub://127.0.0.1:5555", Source("native", SocketKind.SUB, "tcp://127.0.0.1:5555")),
        ("native+pull://detector:5555", Source("native", SocketKind.PULL, "tcp://detector:5555")),
        ("dectris-v2://10.0.0.3:31001/", Source("dectris-v2", SocketKind.PULL, "tcp://10.0.0.3:31001")),
        ("dectris-v1://10.0.0.3:9999", Source("dectris-v1", SocketKind.PULL, "tcp://10.0.0.3:9999")),
        ("native+pull://[::1]:5555", Source("native", SocketKind.PULL, "tcp://[::1]:5555")),
    ],
)
def test_known_forms(url: str, source: Source) -> None:
    assert parse_source(url) == source


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("", "native+pull://HOST:PORT"),
        ("127.0.0.1:5555", "native+pull://HOST:PORT"),
        ("tcp://127.0.0.1:5555", "name the protocol"),
        ("native://h:1", "native+sub://HOST:PORT"),
        ("dectris-v1://h", "dectris-v1://h:9999"),
        ("dectris://h:31001", "dectris-v2://HOST:31001"),
        ("dectris://h:9999", "dectris-v1://HOST:9999"),
        ("dectris-v2://detector", "dectris-v2://detector:31001"),
        ("native+sub://:5555", "native+sub://HOST:5555"),
        ("native+sub://*:5555", "native+sub://HOST:5555"),
        ("native+sub://h:99999", "native+pull://HOST:PORT"),
        ("native+sub://h:0", "native+sub://h:31001"),
        ("native+sub://h:5555/topic", "native+sub://h:5555"),
        ("native+sub://[::1", "native+pull://HOST:PORT"),
        ("carrier-pigeon://h:1", "dectris-v2://HOST:31001"),
    ],
)
def test_other_forms_are_refused_with_what_to_write_instead(url: str, advice: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_source(url)
    assert advice in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_endpoints_have_commas_between() -> None:
    sources = parse_sources("dectris-v2://10.0.0.3:31001, dectris-v2://10.0.0.3:31002")
    assert [source.endpoint for source in sources] == ["tcp://10.0.0.3:31001", "tcp://10.0.0.3:31002"]


@pytest.mark.parametrize(
    ("urls", "advice"),
    [
        ("dectris-v2://h:1,native+pull://h:2", "one protocol"),
        ("native+pull://h:1,native+sub://h:2", "one protocol"),
        ("native+pull://h:1,native+pull://h:1", "twice"),
        ("native+pull://h:1,", "no source"),
        ("native+pull://h:1,h:2", "native+pull://HOST:PORT"),
    ],
)
def test_endpoints_that_cannot_be_one_detector_are_refused(urls: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice.replace("+", r"\+")):
        parse_sources(urls)
