"""Quantises a GGUF with a llama.cpp library: ``python -m jobs.adapters.llama_quantise LIBRARY SOURCE RESULT FTYPE``.

A process of its own, because native code may crash: then the parent sees a signal, not its own death.
The parameters travel as a C struct whose layout may change between llama.cpp builds. It is the one of
build b10361 (include/llama.h); the library's own defaults are read back through it first, and a
difference ends the program before anything is written.
"""

from __future__ import annotations

import ctypes
import sys

FTYPES = {"q4_k_m": 15}
"""llama.h's enum llama_ftype: LLAMA_FTYPE_MOSTLY_Q4_K_M."""
OTHER_LAYOUT = 3
"""Exit code: the library's parameters are laid out otherwise than we know."""


class QuantiseParameters(ctypes.Structure):
    """``struct llama_model_quantize_params``."""

    _fields_ = (
        ("nthread", ctypes.c_int32),
        ("ftype", ctypes.c_int),
        ("output_tensor_type", ctypes.c_int),
        ("token_embedding_type", ctypes.c_int),
        ("allow_requantize", ctypes.c_bool),
        ("quantize_output_tensor", ctypes.c_bool),
        ("only_copy", ctypes.c_bool),
        ("pure", ctypes.c_bool),
        ("keep_split", ctypes.c_bool),
        ("dry_run", ctypes.c_bool),
        ("imatrix", ctypes.c_void_p),
        ("kv_overrides", ctypes.c_void_p),
        ("tt_overrides", ctypes.c_void_p),
        ("prune_layers", ctypes.c_void_p),
    )


def default_parameters(library: ctypes.CDLL) -> QuantiseParameters:
    """What llama_model_quantize_default_params() returns, by value."""
    library.llama_model_quantize_default_params.argtypes = []
    library.llama_model_quantize_default_params.restype = QuantiseParameters
    parameters: QuantiseParameters = library.llama_model_quantize_default_params()
    return parameters


def has_known_layout(parameters: QuantiseParameters) -> bool:
    """Whether the defaults of b10361 (llama-quant.cpp) stand where we expect them."""
    numbers = (parameters.nthread, parameters.ftype)
    flags = tuple(getattr(parameters, name) for name, kind in parameters._fields_ if kind is ctypes.c_bool)
    pointers = tuple(getattr(parameters, name) for name, kind in parameters._fields_ if kind is ctypes.c_void_p)
    same_type = parameters.output_tensor_type == parameters.token_embedding_type > 0
    known_flags = (False, True, False, False, False, False)
    return numbers == (0, 7) and same_type and flags == known_flags and not any(pointers)


def quantise(library_path: str, source: str, result: str, ftype: int) -> int:
    """The exit code of the whole program."""
    library = ctypes.CDLL(library_path)
    parameters = default_parameters(library)
    if not has_known_layout(parameters):
        print("the library's quantisation parameters have another layout", file=sys.stderr)
        return OTHER_LAYOUT
    parameters.ftype = ftype
    library.llama_backend_init.restype = None
    library.llama_backend_init()
    library.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(QuantiseParameters)]
    library.llama_model_quantize.restype = ctypes.c_uint32
    return int(library.llama_model_quantize(source.encode(), result.encode(), ctypes.byref(parameters)) != 0)


if __name__ == "__main__":
    sys.exit(quantise(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
