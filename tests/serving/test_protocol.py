from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models_registry.serving.worker import protocol

ARRAYS = arrays.arrays(
    dtype=st.sampled_from([*protocol.DTYPES, np.dtype(">f8"), np.dtype(">i4")]),
    shape=arrays.array_shapes(min_dims=0, max_dims=4, min_side=0),
)


@settings(max_examples=60, deadline=None)
@given(array=ARRAYS, cut=st.integers(1, 64))
def test_arrays_arrive_as_they_were_whatever_the_pieces(array: Any, cut: int) -> None:
    data = protocol.encode(7, "predict", array) + protocol.encode(8, "predict", {"rows": [["é", None]]})
    decoder = protocol.Decoder()
    messages = [message for at in range(0, len(data), cut) for message in decoder.feed(data[at : at + cut])]
    assert [message.request_id for message in messages] == [7, 8]
    np.testing.assert_array_equal(messages[0].payload, array)
    assert messages[0].payload.flags.aligned
    assert messages[1].payload == {"rows": [["é", None]]}


def test_an_error_carries_code_and_text() -> None:
    (message,) = protocol.Decoder().feed(protocol.encode_error(3, "bad_input", "é"))
    assert (message.kind, message.name, message.payload) == (protocol.ERROR, "bad_input", "é")


def test_a_large_body_is_refused_before_it_is_read() -> None:
    header = protocol.encode(1, "predict", np.zeros(1000))[: protocol.HEADER.size]
    with pytest.raises(protocol.ProtocolError, match="at most 100 are taken"):
        protocol.Decoder(max_body=100).feed(header)


@settings(max_examples=200, deadline=None)
@given(noise=st.binary(max_size=40), at=st.integers(0, 30))
def test_noise_is_a_protocol_error_or_waited_for(noise: bytes, at: int) -> None:
    whole = protocol.encode(1, "predict", np.zeros((2, 2)))
    with contextlib.suppress(protocol.ProtocolError):
        protocol.Decoder(max_body=1 << 16).feed(whole[:at] + noise)


def test_objects_are_not_sent_as_arrays() -> None:
    with pytest.raises(TypeError):
        protocol.encode(1, "predict", np.array([object()]))
