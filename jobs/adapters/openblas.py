"""Gives MLX a fast BLAS on Linux."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress


def preload() -> None:
    """To be called before the first import of ``mlx.core``.

    MLX's Linux wheel bundles a reference BLAS, 30 times slower than OpenBLAS; symbols that are global when it loads
    win over its own. Best effort: without OpenBLAS (package libopenblas0-pthread) MLX computes the same, slowly.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            ctypes.CDLL("libopenblas.so.0", mode=ctypes.RTLD_GLOBAL)
