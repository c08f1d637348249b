"""The quantiser's parameters are only trusted in the layout we know."""

from __future__ import annotations

import ctypes

import pytest

from jobs.adapters.llama_quantise import QuantiseParameters, has_known_layout

KNOWN = {"ftype": 7, "output_tensor_type": 43, "token_embedding_type": 43, "quantize_output_tensor": True}


def test_the_struct_is_as_long_as_in_llama_h() -> None:
    """Four 4-byte numbers, six flags, two bytes of padding, four pointers."""
    assert ctypes.sizeof(QuantiseParameters) == 24 + 4 * ctypes.sizeof(ctypes.c_void_p)


def test_the_known_defaults_are_recognised() -> None:
    assert has_known_layout(QuantiseParameters(**KNOWN))


@pytest.mark.parametrize(
    "shifted",
    [{"nthread": 7}, {"ftype": 43}, {"token_embedding_type": 1}, {"allow_requantize": True}, {"prune_layers": 4096}],
)
def test_a_field_out_of_its_place_is_noticed(shifted: dict[str, int]) -> None:
    assert not has_known_layout(QuantiseParameters(**(KNOWN | shifted)))
