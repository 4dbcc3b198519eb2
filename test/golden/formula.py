"""Weights and pictures that Python and TypeScript (formula.ts) both compute, bit for bit, without a random generator."""

import math
import zlib

import numpy as np


def hashed(name: str, count: int) -> np.ndarray:
    """Uniform values in [-0.5, 0.5), float64: a murmur3 finaliser over the index, seeded by crc32 of the name."""
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(zlib.crc32(name.encode()))
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x85EBCA6B)
        x ^= x >> np.uint32(13)
        x *= np.uint32(0xC2B2AE35)
        x ^= x >> np.uint32(16)
    return x.astype(np.float64) / 2**32 - 0.5


def formula_values(name: str, shape: tuple, gain: float = 1.0) -> np.ndarray:
    """float32 values of a state dict's tensor. dim >= 2: standard deviation gain * sqrt(2 / fan_in); else by the name's end."""
    v = hashed(name, math.prod(shape))
    if name.endswith("num_batches_tracked"):
        v = np.zeros_like(v)
    elif len(shape) >= 2:
        v = v * (gain * math.sqrt(24 / math.prod(shape[1:])))
    elif name.endswith("running_var"):
        v = 1 + 0.5 * np.abs(v)
    elif name.endswith("weight"):
        v = 1 + 0.1 * v
    else:
        v = 0.1 * v
    return v.astype(np.float32).reshape(shape)


def formula_picture(shape: tuple) -> np.ndarray:
    """A float32 picture [N, C, H, W]: blocks of 8 x 8 pixels in [-1.5, 1.5) with noise of a third of that."""
    n, c, h, w = shape
    rows, cols = -(-h // 8), -(-w // 8)
    blocks = hashed("blocks", n * c * rows * cols).reshape(n, c, rows, cols)
    blocks = blocks.repeat(8, axis=2).repeat(8, axis=3)[:, :, :h, :w]
    return (3 * blocks + hashed("noise", n * c * h * w).reshape(shape)).astype(np.float32)
