"""Every fault does to the stream what its name says, is written down, and is the same for the same seed."""

from __future__ import annotations

import json
from collections.abc import Sequence

import cbor2
import numpy as np
import pytest

from detector_sim.detector import detector_model
from detector_sim.encoding import EncodedFrame, encode_frame
from detector_sim.faults import FRAME_FAULTS, LATEST_REORDER, FaultInjector, ScanFaults, check_rates
from detector_sim.launch import FORMATS
from detector_sim.message_format import Parts
from detector_sim.send_native import NativeFormat
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.errors import ConfigError, WireError
from stream_rrvae.messages import Encoding, Frame
from stream_rrvae.wire.pixels import decode_pixels
from stream_rrvae.wire.registry import protocol

SHAPE = (16, 16)
COUNT = 400
every_protocol = pytest.mark.parametrize("name", list(FORMATS))
every_one_with_floats = pytest.mark.parametrize("name", [name for name in FORMATS if name != "dectris-v1"])


def frames(pixel_type: str = "uint32", encoding: Encoding = Encoding.BSLZ4) -> list[EncodedFrame]:
    return [encode_frame(n, np.full(SHAPE, 1 + n % 200, pixel_type), encoding) for n in range(COUNT)]


def sent(
    name: str, faults: dict[str, float], sending: Sequence[EncodedFrame], seed: int = 1
) -> tuple[list[Parts], FaultInjector, Parts]:
    form = FORMATS[name]()
    detector = detector_model(f"16x16:{sending[0].pixel_type}")
    start = Simulation(SimulationSettings(detector=detector, scan_shape=(20, 20))).start(1, "s")
    announcement = form.start(start)
    injector = FaultInjector(faults, form, seed)
    return list(injector.messages(1, sending)), injector, announcement


def received(
    name: str, announcement: Parts, messages: Sequence[Parts]
) -> tuple[list[tuple[int, np.ndarray]], list[str]]:
    """(number, pixels) of every frame that can be read and has the announced form, and why the others cannot."""
    receiver = protocol(name, None, 1 << 24)
    receiver.decode([memoryview(part) for part in announcement])
    good, bad = [], []
    for parts in messages:
        try:
            for frame in receiver.decode([memoryview(part) for part in parts]):
                assert isinstance(frame, Frame)
                good.append((frame.number, decode_pixels(frame)))
        except WireError as error:
            bad.append(str(error.reason))
    return good, bad


def numbers(good: Sequence[tuple[int, np.ndarray]]) -> list[int]:
    return [number for number, _ in good]


@every_protocol
def test_drop_loses_exactly_the_frames_written_down(name: str) -> None:
    messages, injector, start = sent(name, {"drop": 0.1}, frames())
    lost = {fault.number for fault in injector.injected}
    assert 20 < len(lost) < 70
    assert numbers(received(name, start, messages)[0]) == [n for n in range(COUNT) if n not in lost]


@every_protocol
def test_duplicate_sends_twice(name: str) -> None:
    messages, injector, start = sent(name, {"duplicate": 0.1}, frames())
    good = numbers(received(name, start, messages)[0])
    assert len(good) == COUNT + len(injector.injected)
    assert all(good.count(fault.number) == 2 for fault in injector.injected)


@every_protocol
def test_reorder_delays_and_loses_nothing(name: str) -> None:
    messages, injector, start = sent(name, {"reorder": 0.2}, frames())
    good = numbers(received(name, start, messages)[0])
    assert sorted(good) == list(range(COUNT))
    assert good != sorted(good)
    late = {fault.number for fault in injector.injected}
    assert [n for n in good if n not in late] == [n for n in range(COUNT) if n not in late]
    assert max(good.index(n) - n for n in late) <= LATEST_REORDER


@every_protocol
@pytest.mark.parametrize("fault", ["truncate", "corrupt", "oversize"])
@pytest.mark.parametrize("encoding", list(Encoding))
def test_damage_is_noticed_and_costs_only_the_frames_written_down(name: str, fault: str, encoding: Encoding) -> None:
    messages, injector, start = sent(name, {fault: 0.1}, frames("uint16", encoding))
    good, bad = received(name, start, messages)
    assert len(bad) == len(injector.injected) > 20
    hit = {found.number for found in injector.injected}
    assert numbers(good) == [n for n in range(COUNT) if n not in hit]
    assert all((pixels == 1 + n % 200).all() for n, pixels in good)


@every_protocol
@pytest.mark.parametrize(("fault", "form"), [("wrong_shape", ((16, 17), "uint32")), ("wrong_dtype", (SHAPE, "uint16"))])
def test_foreign_frames_are_whole_but_of_another_form(name: str, fault: str, form: tuple[tuple[int, int], str]) -> None:
    messages, injector, start = sent(name, {fault: 0.1}, frames())
    good, bad = received(name, start, messages)
    other = [n for n, pixels in good if (pixels.shape, pixels.dtype.name) == form]
    hit = [found.number for found in injector.injected]
    assert len(hit) > 20
    assert len(bad) + len(other) == len(hit)
    assert set(other) <= set(hit)


@every_protocol
@pytest.mark.parametrize("pixel_type", ["uint8", "uint16"])
def test_nodata_frames_hold_nothing(name: str, pixel_type: str) -> None:
    messages, injector, start = sent(name, {"nodata": 0.1}, frames(pixel_type))
    good = dict(received(name, start, messages)[0])
    assert injector.injected
    for fault in injector.injected:
        assert (good[fault.number] == np.iinfo(pixel_type).max).all()


@every_one_with_floats
def test_nodata_frames_of_floats_are_nan(name: str) -> None:
    messages, injector, start = sent(name, {"nodata": 0.1}, frames("float32"))
    good = dict(received(name, start, messages)[0])
    assert injector.injected
    assert all(np.isnan(good[fault.number]).all() for fault in injector.injected)


@every_one_with_floats
def test_nan_spoils_some_pixels(name: str) -> None:
    messages, injector, start = sent(name, {"nan": 0.1}, frames("float32"))
    good = dict(received(name, start, messages)[0])
    spoilt = {n for n, pixels in good.items() if not np.isfinite(pixels).all()}
    assert spoilt == {fault.number for fault in injector.injected}
    assert all(np.isfinite(good[n]).sum() > 200 for n in spoilt)


def test_abort_happens_to_scans_at_its_rate() -> None:
    injector = FaultInjector({"abort": 0.25}, NativeFormat(), 3)
    ends = [injector.of_scan(series, 100).last for series in range(400)]
    aborted = [end for end in ends if end is not None]
    assert 60 < len(aborted) < 140
    assert all(0 <= end < 100 for end in aborted)
    assert len(injector.injected) == len(aborted)


def test_a_scan_ends_with_the_first_of_what_ends_it() -> None:
    assert ScanFaults(abort=7, restart=3).last == ScanFaults(abort=3, stall=1).last == 3
    assert ScanFaults(stall=5, second_consumer=2).last is None


def _times(name: str, parts: Parts) -> object:
    """What a message tells of its time."""
    if name == "dectris-v1":
        return json.loads(parts[3])
    told = cbor2.loads(parts[0])
    return told["start_time"], told["stop_time"]


@pytest.mark.parametrize("name", ["dectris-v1", "dectris-v2"])
def test_a_clock_that_jumps_changes_the_times_alone(name: str) -> None:
    jumping, injector, start = sent(name, {"clock_jump": 0.1}, frames())
    steady, _, _ = sent(name, {}, frames())
    first = injector.injected[0].number
    assert len(injector.injected) > 20
    told, usual = ([_times(name, parts) for parts in messages] for messages in (jumping, steady))
    assert told[:first] == usual[:first]
    assert all(one != other for one, other in zip(told[first:], usual[first:], strict=True))
    for (number, pixels), (same, others) in zip(
        received(name, start, jumping)[0], received(name, start, steady)[0], strict=True
    ):
        assert number == same
        np.testing.assert_array_equal(pixels, others)


def test_the_same_seed_does_the_same_harm() -> None:
    rates = dict.fromkeys(FRAME_FAULTS, 0.05)
    (first, one, _), (second, other, _) = (sent("native", rates, frames("float32"), seed=9) for _ in range(2))
    assert first == second
    assert one.injected == other.injected
    assert sent("native", rates, frames("float32"), seed=10)[1].injected != one.injected


@pytest.mark.parametrize(
    ("rates", "pixel_type", "told"),
    [
        ({"flood": 0.1}, "uint8", "flood"),
        ({"drop": 1.5}, "uint8", "drop"),
        ({"drop": 0.6, "corrupt": 0.6}, "uint8", "together"),
        ({"nan": 0.1}, "uint16", "float32"),
    ],
)
def test_impossible_faults_are_usage_errors(rates: dict[str, float], pixel_type: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_rates(rates, pixel_type)


def test_a_protocol_without_times_has_no_clock_to_jump() -> None:
    with pytest.raises(ConfigError, match="clock_jump"):
        check_rates({"clock_jump": 0.1}, "uint8", "native")
