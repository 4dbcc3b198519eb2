"""TIFF files by tifffile and .npy files by numpy, with the values of a formula; and Pillow's antialiased resize.

    pip install numpy pillow tifffile imagecodecs
    python test/golden/make_channels.py
"""

import base64
import io
import json
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

H, W = 7, 9


def values(kind, channels, shape=(H, W)):
    """[H, W, channels]: (31 y + 17 x + 101 c + 7 x y) mod 251, spread over the type."""
    y, x, c = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), np.arange(channels), indexing="ij")
    v = (31 * y + 17 * x + 101 * c + 7 * x * y) % 251
    # fmt: off
    spread = {
        "b1": v % 2, "u1": v, "u2": v * 261, "u4": v * 70000, "u8": v * 70000, "i1": v - 125, "i2": v * 200 - 25000,
        "i4": v * 100000 - 9000000, "i8": v * 100000 - 9000000, "f2": v / 8 - 10, "f4": v / 8 - 10, "f8": v / 8 - 10,
    }
    # fmt: on
    return spread[kind].astype(kind if kind != "b1" else bool)


def tiff(pages, order="<", big=False, **options):
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder=order, bigtiff=big) as writer:
        for page in pages:
            writer.write(page, metadata=None, **{"photometric": "minisblack", **options})
    return file.getvalue()


def npy(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


files = []


def add(name, kind, channels, content):
    files.append({"name": name, "kind": kind, "channels": channels, "file": base64.b64encode(zlib.compress(content, 9)).decode()})


def contiguous(kind, channels, **options):
    image = values(kind, channels)
    return tiff([image[..., 0] if channels == 1 else image], **({} if channels == 1 else {"planarconfig": "contig"}), **options)


def planes(kind, channels, **options):
    return tiff([np.moveaxis(values(kind, channels), -1, 0)], planarconfig="separate", **options)


for kind in ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"]:
    add(f"tiff {kind} one band", kind, 1, contiguous(kind, 1))
    add(f"tiff {kind} big-endian", kind, 2, contiguous(kind, 2, order=">"))
    predictor = {"compression": "deflate", "predictor": True}
    add(f"tiff {kind} deflate and differences", kind, 5, contiguous(kind, 5, **predictor))
for kind in ["u1", "u2", "f4"]:
    add(f"tiff {kind} planes", kind, 6, planes(kind, 6, compression="lzw"))
    add(f"tiff {kind} tiles", kind, 2, contiguous(kind, 2, tile=(16, 16), compression="deflate"))
    add(f"tiff {kind} planes in tiles", kind, 3, planes(kind, 3, tile=(16, 16), compression="packbits" if kind == "u1" else "lzw"))
    add(f"tiff {kind} zstd", kind, 4, contiguous(kind, 4, compression="zstd"))
    add(f"tiff {kind} strips of two rows", kind, 3, contiguous(kind, 3, rowsperstrip=2))
    add(f"tiff {kind} BigTIFF", kind, 7, contiguous(kind, 7, big=True))
    stack = values(kind, 4)
    add(f"tiff {kind} four pages", kind, 4, tiff([stack[..., c] for c in range(4)]))
    add(f"tiff {kind} two pages of two bands", kind, 4, tiff([stack[..., :2], stack[..., 2:]], planarconfig="contig"))
    small = tiff([stack[..., 0]]) if kind == "u1" else None
    if small:
        with tifffile.TiffWriter(file := io.BytesIO()) as writer:
            writer.write(stack[..., 0], metadata=None, photometric="minisblack")
            writer.write(stack[::2, ::2, 0], metadata=None, photometric="minisblack", subfiletype=1)
        add("tiff u1 and a reduced copy", kind, 1, file.getvalue())
stack = np.moveaxis(values("u2", 3), -1, 0)
tifffile.imwrite(file := io.BytesIO(), stack, imagej=True, metadata={"axes": "CYX"})
add("tiff ImageJ", "u2", 3, file.getvalue())
tifffile.imwrite(file := io.BytesIO(), stack, ome=True, metadata={"axes": "CYX"}, photometric="minisblack")
add("tiff OME", "u2", 3, file.getvalue())

for kind in ["b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]:
    two = values(kind, 2)
    add(f"npy {kind} [H, W, C] big-endian", kind, 2, npy(two.astype(two.dtype.newbyteorder(">"))))
for kind in ["u1", "u2", "f4"]:
    add(f"npy {kind} [H, W]", kind, 1, npy(values(kind, 1)[..., 0]))
    add(f"npy {kind} [C, H, W]", kind, 5, npy(np.ascontiguousarray(np.moveaxis(values(kind, 5), -1, 0)), (2, 0)))
    add(f"npy {kind} Fortran", kind, 3, npy(np.asfortranarray(values(kind, 3)), (3, 0)))
add("npy Fortran [C, H, W]", "u2", 4, npy(np.asfortranarray(np.moveaxis(values("u2", 4), -1, 0))))

resize = []
source = values("f4", 2, (40, 56))
for name, method in [("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)]:
    for size in [(11, 15), (30, 42)]:
        out = np.stack([np.array(Image.fromarray(source[..., c]).resize(size[::-1], method)) for c in range(2)], -1)
        resize.append({"interpolation": name, "short": size[0], "values": [round(float(v), 4) for v in out.ravel()]})

target = Path(__file__).with_name("channels.json")
target.write_text(json.dumps({"files": files, "resize": resize}, separators=(",", ":")).replace("},{", "},\n{") + "\n")
print(len(files), target.stat().st_size)
