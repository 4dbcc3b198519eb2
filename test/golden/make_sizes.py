"""Golden sizes for test/vision/resize.test.ts: python3 make_sizes.py > sizes.json

The formula is torchvision's, from `_compute_resized_output_size` in torchvision/transforms/functional.py:
    new_short, new_long = size, int(size * long / short)
"""
import json


def resized(width, height, size):
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = size, int(size * long / short)
    return [new_short, new_long] if width <= height else [new_long, new_short]


sides = [(322, 322), (347, 347), (374, 374), (1944, 1944), (1999, 1999), (320, 240), (640, 480), (800, 600), (1024, 768)]
sides += [(1600, 1200), (4032, 3024), (3024, 4032), (375, 500), (500, 333), (333, 500), (600, 400), (2048, 1365)]
sides += [(6000, 4000), (4000, 6000), (1280, 720), (1920, 1080), (1080, 1920), (3840, 2160), (1242, 2208), (1170, 2532)]
sides += [(700, 350), (1414, 707), (719, 360), (65535, 32768), (299, 301), (257, 258), (1000, 999), (1333, 1001)]
rows = [[w, h, size, *resized(w, h, size)] for w, h in sides for size in (64, 128, 224, 232, 256, 292, 342, 439, 518)]
print("[")
print(",\n".join(json.dumps(row) for row in rows if row[2] < min(row[0], row[1])))
print("]")
