"""Small pictures of every format, colour space, depth, orientation, transparency and profile that can be made here, with
the RGB that Pillow gives: EXIF orientation applied, transparency laid on white, 16 bits scaled to 8 (Pillow itself clips
them). Where Pillow reads none or reads it wrongly, the pixels are those that were put in, and `by` says so.

    apt-get install imagemagick libtiff-tools libjpeg-turbo-progs
    pip install numpy pillow tifffile imagecodecs pillow-heif
    python test/golden/make_pictures.py
"""

import base64
import io
import json
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageCms, ImageFilter, ImageOps

W, H = 27, 19
here = Path(__file__).resolve().parent
cases = []


def base():
    """[H, W, 3]: ramps of red and green, a red, a blue and a black corner: no channel can be taken for another."""
    y, x = np.mgrid[0:H, 0:W]
    rgb = np.stack([x * 255 // (W - 1), y * 255 // (H - 1), (x + y) * 120 // (W + H)], -1)
    rgb[1:7, 1:8] = [220, 30, 40]
    rgb[11:18, 18:26] = [30, 60, 210]
    rgb[12:17, 2:9] = [4, 4, 4]
    return rgb.astype(np.uint8)


RGB = base()
GREY = np.array(Image.fromarray(RGB).convert("L"))
GREY3 = np.repeat(GREY[..., None], 3, -1)
ALPHA = np.where(np.arange(W)[None, :] < 9, 0, np.where(np.arange(W)[None, :] < 18, 128, 255)).repeat(H, 0).astype(np.uint8)
RGBA = np.dstack([RGB, ALPHA])
LA = np.dstack([GREY, ALPHA])
SOFT = np.array(Image.fromarray(RGB).filter(ImageFilter.GaussianBlur(3)))  # libraries draw hard edges of colour each in its way
image, grey = Image.fromarray(RGB), Image.fromarray(GREY)
BITS = np.where(GREY > 90, 1, 0).astype(np.uint8)


def on_white(rgb, alpha):
    a = alpha[..., None].astype(float) / 255
    return np.round(rgb * a + 255 * (1 - a)).astype(np.uint8)


def by_pillow(content):
    im = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    if im.mode.startswith("I;16"):
        return np.repeat(np.round(np.array(im, np.float64) / 257)[..., None], 3, -1).astype(np.uint8)
    if im.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in im.info:
        rgba = np.array(im.convert("RGBA"))
        return on_white(rgba[..., :3], rgba[..., 3])
    return np.array(im.convert("RGB"))


def add(name, content, pixels=None, by=None, off=0, refused=None):
    """off: the largest difference that is allowed. refused: what the reason has to say."""
    entry = {"name": name, "file": base64.b64encode(zlib.compress(content, 9)).decode()}
    if refused:
        cases.append({**entry, "refused": refused})
        return
    if pixels is None:
        try:
            pixels, by = by_pillow(content), "Pillow"
        except Exception as error:
            raise SystemExit(f"{name}: Pillow: {error}")
    pixels = np.ascontiguousarray(pixels, np.uint8)
    kept = "" if np.array_equal(pixels, RGB) else base64.b64encode(zlib.compress(pixels.tobytes(), 9)).decode()
    cases.append({**entry, "size": [pixels.shape[1], pixels.shape[0]], "rgb": kept, "by": by or "what was put in", "off": off})


def saved(im, kind, **options):
    file = io.BytesIO()
    im.save(file, kind, **options)
    return file.getvalue()


def tool(command, content, ends=("ppm", "out")):
    """By a program that reads one file and writes another: {in}, {out}."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / f"in.{ends[0]}", Path(folder) / f"out.{ends[1]}"
        source.write_bytes(content)
        subprocess.run([part.format(**{"in": source, "out": target}) for part in command], check=True, capture_output=True)
        return target.read_bytes()


ppm = saved(image, "PPM")
pgm = saved(grey, "PPM")

# --- JPEG


def segments(data):
    at, found = 2, []
    while data[at] == 0xFF:
        length = data[at + 2] << 8 | data[at + 3]
        found.append((data[at + 1], at, at + 2 + length))
        if data[at + 1] == 0xDA:
            break
        at += 2 + length
    return found


def jpegs():
    usual = saved(image, "JPEG", quality=90)
    progressive = saved(image, "JPEG", quality=90, progressive=True)
    for quality in (1, 30, 90, 100):
        for sampling, name in ((0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")):
            add(f"jpeg {name} quality {quality}", saved(image, "JPEG", quality=quality, subsampling=sampling))
    add("jpeg progressive", progressive)
    add("jpeg optimised", saved(image, "JPEG", quality=80, optimize=True))
    add("jpeg grey", saved(grey, "JPEG", quality=90))
    add("jpeg grey progressive", saved(grey, "JPEG", quality=90, progressive=True))
    for orientation in range(0, 10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        add(f"jpeg orientation {orientation}", saved(image, "JPEG", quality=90, exif=exif))
    exif = Image.Exif()
    exif[0x0112] = 6
    add("jpeg progressive orientation 6", saved(image, "JPEG", quality=90, progressive=True, exif=exif))
    add("jpeg cmyk, Adobe", saved(image.convert("CMYK"), "JPEG", quality=95), off=6)
    cmyk = np.array(image.convert("CMYK"))
    add("jpeg ycck, Adobe", imagecodecs.jpeg8_encode(255 - cmyk, level=95, colorspace="CMYK", outcolorspace="YCCK"), off=6)
    cjpeg = ["cjpeg", "-quality", "90", "-outfile", "{out}"]
    for name, options in {
        "4:1:1": ["-sample", "4x1"], "4:4:0": ["-sample", "1x2"], "4:1:0": ["-sample", "4x2"], "2x2,1x2,1x2": ["-sample", "2x2,1x2,1x2"],
        "1x1,2x2,2x2": ["-sample", "1x1,2x2,2x2"], "3x1": ["-sample", "3x1"], "2x2,2x1,1x2": ["-sample", "2x2,2x1,1x2"],
        "restarts": ["-restart", "1B", "-sample", "2x2"], "restarts progressive": ["-restart", "1B", "-progressive"],
        "rgb, Adobe transform 0": ["-rgb"], "rgb progressive": ["-rgb", "-progressive"],
        "quantisers of 16 bits": ["-quality", "1"], "quantisers of 16 bits progressive": ["-quality", "1", "-progressive"],
        "grey of colour": ["-grayscale"], "grey sampled 2x2": ["-grayscale", "-sample", "2x2"],
    }.items():  # fmt: skip
        add(f"jpeg {name}", tool([*cjpeg, *options, "{in}"], ppm), off=4 if name in ("4:1:0", "3x1", "2x2,2x1,1x2", "1x1,2x2,2x2", "4:1:1", "2x2,1x2,1x2") else 0)
    scans = "0;\n1;\n2;\n"
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as script:
        script.write(scans)
        script.flush()
        add("jpeg a scan a component", tool([*cjpeg, "-scans", script.name, "{in}"], ppm))
    add("jpeg arithmetic coding", tool([*cjpeg, "-arithmetic", "{in}"], ppm))
    add("jpeg arithmetic coding, progressive", tool([*cjpeg, "-arithmetic", "-progressive", "{in}"], ppm))
    add("jpeg of 12 bits", imagecodecs.jpeg_encode(RGB.astype(np.uint16) * 16, level=90, bitspersample=12), refused="12 bits")  # fmt: skip
    add("jpeg lossless", imagecodecs.jpeg_encode(RGB, lossless=True), refused="lossless")
    add("jpeg-ls", imagecodecs.jpegls_encode(RGB), refused="JPEG-LS")

    # What cameras, editors and webcams write that libjpeg only warns of.
    at = next(a for marker, a, _ in segments(usual) if marker == 0xE0)
    for name, data in {"": usual, " progressive": progressive}.items():
        add(f"jpeg{name} JFIF 0.0", data[: at + 9] + b"\0\0" + data[at + 11 :])
        add(f"jpeg{name} JFIF 2.1", data[: at + 9] + b"\2\1" + data[at + 11 :])
        add(f"jpeg{name} bytes behind the end", data + b"SEFT" + bytes(range(99)))
        add(f"jpeg{name} another picture behind the end", data + data)
        add(f"jpeg{name} zeros behind the end", data + bytes(64))
        noise = bytes((i * 89 + 7) % 251 for i in range(99))
        for count in (1, 3, 12, 99):
            add(f"jpeg{name} {count} bytes before the end", data[:-2] + noise[:count] + b"\xff\xd9")
        add(f"jpeg{name} zeros before the end", data[:-2] + bytes(40) + b"\xff\xd9")
        add(f"jpeg{name} fill before the end", data[:-2] + b"\xff\xff\xff\xff\xd9")
        add(f"jpeg{name} no end", data[:-2], refused="premature end")
        add(f"jpeg{name} half of it", data[: len(data) - 60], refused="premature end|corrupt")
        add(f"jpeg{name} a comment of 40 KB", data[:2] + b"\xff\xfe" + struct.pack(">H", 40002) + bytes(40000) + data[2:])
        add(f"jpeg{name} fill before a marker", data[:2] + b"\xff\xff" + data[2:])
    _, a, end = segments(usual)[-1]
    add("jpeg last coefficient 0, Samsung", usual[: end - 2] + b"\0" + usual[end - 1 :])
    add("jpeg last coefficient 0, JFIF 0.0", usual[: at + 9] + b"\0\0" + usual[at + 11 : end - 2] + b"\0" + usual[end - 1 :])
    grey_usual = saved(grey, "JPEG", quality=90)
    _, _, grey_end = segments(grey_usual)[-1]
    add("jpeg last coefficient 0, grey", grey_usual[: grey_end - 2] + b"\0" + grey_usual[grey_end - 1 :])
    for name, data in {"": usual, " 4:4:4": saved(image, "JPEG", subsampling=0), " grey": grey_usual}.items():
        frame = data
        for marker, a, end in reversed(segments(data)):
            if marker == 0xC4:
                frame = frame[:a] + frame[end:]
        add(f"jpeg no Huffman tables, motion JPEG{name}", frame)
        # as AVI has it: no JFIF, but a segment of its own
        jfif = next((a, end) for marker, a, end in segments(frame) if marker == 0xE0)
        add(f"jpeg a frame of AVI{name}", frame[: jfif[0]] + b"\xff\xe0\0\x10AVI1" + bytes(10) + frame[jfif[1] :])
    plain = usual[:at] + usual[segments(usual)[0][2] :]
    add("jpeg neither JFIF nor Adobe", plain)
    for code in (0, 1):
        add(f"jpeg Adobe transform {code}", plain[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([code]) + plain[2:])
    add("jpeg EXIF cut off", usual[:2] + b"\xff\xe1\0\x0eExif\0\0II*\0\x08\0" + usual[2:], RGB_OF(usual), "Pillow without the EXIF")
    profile = node("const s=require('sharp');s(process.argv[1],{}).withIccProfile('p3').jpeg({quality:90}).toBuffer().then(b=>process.stdout.write(b))")
    add("jpeg profile Display P3, ignored as Pillow does", profile)
    second = saved(Image.fromarray(255 - RGB), "JPEG")
    add("jpeg mpo, two pictures", saved(image, "MPO", save_all=True, append_images=[Image.fromarray(255 - RGB)], quality=90))
    add("jpeg thumbnail in EXIF", thumbnail(usual, second))


def RGB_OF(content):
    return by_pillow(content)


def thumbnail(data, small):
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 14) + struct.pack("<H", 3)
    entries = struct.pack("<HHII", 0x0103, 3, 1, 6) + struct.pack("<HHII", 0x0201, 4, 1, 56) + struct.pack("<HHII", 0x0202, 4, 1, len(small))
    body = b"Exif\0\0" + tiff + entries + struct.pack("<I", 0)
    body += bytes(6 + 56 - len(body)) + small
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def node(program):
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        image.save(file.name)
        return subprocess.run(["node", "-e", program, file.name], cwd=here.parent.parent, check=True, capture_output=True).stdout


# --- PNG


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed(values, bits):
    """[H, W] of few bits to rows of bytes."""
    shifted = np.unpackbits(values.astype(np.uint8)[..., None], -1)[..., 8 - bits :]
    return np.packbits(shifted.reshape(values.shape[0], -1), -1)


def png(rows, depth, colour, before=b""):
    raw = b"".join(b"\0" + bytes(row) for row in rows)
    head = struct.pack(">IIBBBBB", W, H, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def pngs():
    add("png rgb", saved(image, "PNG"))
    add("png grey", saved(grey, "PNG"))
    add("png grey and alpha", saved(Image.fromarray(LA), "PNG"), off=1)
    add("png rgba", saved(Image.fromarray(RGBA), "PNG"), off=1)
    for bits in (1, 2, 4):
        levels = GREY >> (8 - bits)
        scaled = (levels.astype(int) * 255 // (2**bits - 1)).astype(np.uint8)
        add(f"png grey of {bits} bits", png(packed(levels, bits), bits, 0), np.repeat(scaled[..., None], 3, -1))
        trns = chunk(b"tRNS", struct.pack(">H", int(levels[0, 0])))
        shown = np.where(levels == levels[0, 0], 255, scaled)
        add(f"png grey of {bits} bits, one clear", png(packed(levels, bits), bits, 0, trns), np.repeat(shown[..., None], 3, -1))
    for colours in (2, 4, 16, 256):
        add(f"png palette of {colours}", saved(image.quantize(colours), "PNG"))
    p = image.quantize(16)
    add("png palette, one clear", saved(p, "PNG", transparency=p.getpixel((0, 0))), off=1)
    add("png palette, half clear", saved(p, "PNG", transparency=bytes(range(0, 256, 16))), off=1)
    add("png rgb, one clear", saved(image, "PNG", transparency=(220, 30, 40)))
    add("png grey, one clear", saved(grey, "PNG", transparency=int(GREY[3, 3])))
    words = GREY.astype(np.uint16) * 256 + 77
    add("png grey of 16 bits", imagecodecs.png_encode(words), off=1)
    rgb16 = RGB.astype(np.uint16) * 257
    add("png rgb of 16 bits", imagecodecs.png_encode(rgb16), RGB, "what was put in, as Pillow", off=0)
    rgba16 = RGBA.astype(np.uint16) * 257
    add("png rgba of 16 bits", imagecodecs.png_encode(rgba16), on_white(RGB, ALPHA), off=1)
    la16 = LA.astype(np.uint16) * 257
    add("png grey and alpha of 16 bits", imagecodecs.png_encode(la16), on_white(GREY3, ALPHA), off=1)
    convert = ["convert", "{in}"]
    add("png interlaced", tool([*convert, "-interlace", "PNG", "{out}"], ppm, ("ppm", "png")))
    add("png interlaced palette", tool([*convert, "-interlace", "PNG", "-colors", "8", "png8:{out}"], ppm, ("ppm", "png")))
    rows = RGB.reshape(H, -1)
    add("png gamma 1.0, ignored as Pillow does", png(rows, 8, 2, chunk(b"gAMA", struct.pack(">I", 100000))))
    add("png gamma and chromaticities", png(rows, 8, 2, chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 73500, 26500, 11500, 82600, 15700, 1800))))
    add("png sRGB chunk", png(rows, 8, 2, chunk(b"sRGB", b"\0")))
    add("png background chunk", png(np.ascontiguousarray(RGBA).reshape(H, -1), 8, 6, chunk(b"bKGD", struct.pack(">3H", 255, 0, 0))), off=1)
    add("png profile Display P3, ignored as Pillow does", node("const s=require('sharp');s(process.argv[1]).withIccProfile('p3').png().toBuffer().then(b=>process.stdout.write(b))"))
    add("png profile that is none", png(rows, 8, 2, chunk(b"iCCP", b"ICC\0\0" + zlib.compress(bytes(200)))))
    broken = chunk(b"tEXt", b"Comment\0made")
    add("png damaged note", png(rows, 8, 2, broken[:-1] + bytes([broken[-1] ^ 1])), RGB)
    add("png bytes behind the end", saved(image, "PNG") + b"more of it")
    for orientation in (3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        add(f"png orientation {orientation}", saved(image, "PNG", exif=exif))
    add("png animated", saved(image, "PNG", save_all=True, append_images=[Image.fromarray(255 - RGB)]))
    good = saved(image, "PNG")
    add("png cut off", good[: len(good) // 2], refused="cut off")
    add("png no end, all pixels", good[:-12])
    bad = bytearray(good)
    bad[len(bad) // 2] ^= 0x55
    add("png damaged", bytes(bad), refused="corrupt")


# --- GIF, WebP, AVIF, HEIC


def films():
    p = image.quantize(32)
    inverse = Image.fromarray(255 - RGB)
    add("gif", saved(p, "GIF"))
    add("gif interlaced", saved(p, "GIF", interlace=1))
    add("gif one clear", saved(p, "GIF", transparency=p.getpixel((3, 3))))
    add("gif animated", saved(p, "GIF", save_all=True, append_images=[inverse.quantize(32)], loop=0, duration=100))
    add("gif grey", saved(grey, "GIF"))
    part = tool(["convert", "-size", f"{W}x{H}", "-page", "+5+4", "{in}", "-colors", "16", "-page", f"{W + 9}x{H + 7}+5+4", "{out}"], ppm, ("ppm", "gif"))
    add("gif smaller than its screen", part, off=5)  # beside it Pillow shows the background's colour
    add("gif cut off", saved(p, "GIF")[:-90], refused=".")
    add("webp", saved(image, "WEBP", quality=90), off=1)
    add("webp lossless", saved(image, "WEBP", lossless=True))
    add("webp lossless alpha", saved(Image.fromarray(RGBA), "WEBP", lossless=True, exact=True), off=1)
    add("webp alpha", saved(Image.fromarray(RGBA), "WEBP", quality=90), off=2)
    add("webp animated", saved(image, "WEBP", lossless=True, save_all=True, append_images=[inverse]))
    exif = Image.Exif()
    exif[0x0112] = 6
    add("webp orientation 6", saved(image, "WEBP", lossless=True, exif=exif))
    add("webp cut off", saved(image, "WEBP", lossless=True)[:-40], refused=".")
    soft = Image.fromarray(SOFT)
    soft_alpha = Image.fromarray(np.dstack([SOFT, ALPHA]))
    add("avif 4:2:0", saved(soft, "AVIF", quality=90), off=20)
    add("avif 4:4:4", saved(image, "AVIF", quality=90, subsampling="4:4:4"), off=3)
    add("avif alpha", saved(soft_alpha, "AVIF", quality=95), off=20)
    for orientation in (2, 3, 6, 7, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        # of even size: libheif turns an odd one with its colours half a pixel off at the border
        add(f"avif orientation {orientation}", saved(soft.crop((0, 0, 26, 18)), "AVIF", quality=90, exif=exif), off=20)
    add("avif of 10 bits", imagecodecs.avif_encode(RGB.astype(np.uint16) * 4, level=95, bitspersample=10), off=4)
    add("avif grey", imagecodecs.avif_encode(GREY, level=95), off=3)
    add("avif animated", saved(soft, "AVIF", quality=90, save_all=True, append_images=[inverse]), off=20)
    add("avif cut off", saved(image, "AVIF", quality=90)[:-80], refused=".")


def heics():
    pillow_heif.register_heif_opener()
    soft = Image.fromarray(SOFT)
    add("heic", saved(soft, "HEIF", quality=90), off=8)
    add("heic 4:4:4", saved(image, "HEIF", quality=90, chroma=444), off=3)
    add("heic grey", saved(grey, "HEIF", quality=90), off=3)
    add("heic alpha", saved(Image.fromarray(np.dstack([SOFT, ALPHA])), "HEIF", quality=90), off=8)
    for orientation in (2, 3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        add(f"heic orientation {orientation}", saved(soft, "HEIF", quality=90, exif=exif), off=8)
    add("heic two pictures", saved(soft, "HEIF", quality=90, save_all=True, append_images=[Image.fromarray(255 - RGB)]), off=8)
    deep = pillow_heif.from_bytes(mode="RGB;16", size=(W, H), data=(SOFT.astype(np.uint16) * 257).tobytes())
    file = io.BytesIO()
    deep.save(file, quality=95)
    add("heic of 10 bits", file.getvalue(), off=8)
    add("heic cut off", saved(image, "HEIF", quality=90)[:-80], refused=".")


# --- BMP


def bmp(data, bits, compression=0, table=b"", header=40, height=H, masks=b"", used=0):
    if header == 12:
        info = struct.pack("<IHHHH", 12, W, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, W, height, 1, bits, compression, len(data), 2835, 2835, used, 0)
        if header > 40:
            info += masks
            info += bytes(header - len(info)) if header < 108 else b"BGRs"[: max(0, header - len(info))] + bytes(max(0, header - len(info) - 4))
            masks = b""
    start = 14 + len(info) + len(masks) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + masks + table + data


def bmp_rows(rows):
    return b"".join(bytes(row) + bytes(-len(bytes(row)) % 4) for row in rows)


def rle(index, bits, jump=False):
    """Runs, literal stretches, and where `jump` moves over zeros."""
    out = b""
    per = 8 // bits
    for row in index[::-1]:
        x = 0
        while x < len(row):
            n = 1
            while x + n < len(row) and row[x + n] == row[x] and n < 255:
                n += 1
            if jump and row[x] == 0 and n >= 3:
                out += bytes((0, 2, n, 0))
            elif n >= 3 or len(row) - x < 4:
                out += bytes((n, row[x] if bits == 8 else row[x] << 4 | row[x]))
            else:
                n = min(len(row) - x, 7)
                out += bytes((0, n))
                literal = bytes(row[x : x + n]) if bits == 8 else bytes(int(row[i]) << 4 | (int(row[i + 1]) if i + 1 < x + n else 0) for i in range(x, x + n, 2))
                out += literal + bytes(len(literal) % 2)
            x += n
        out += b"\0\0"
    return out[:-2] + b"\0\1"


def bmps():
    up = RGB[::-1]
    bgr = np.ascontiguousarray(up[..., ::-1])
    add("bmp of 24 bits", bmp(bmp_rows(bgr), 24))
    add("bmp of 24 bits, top first", bmp(bmp_rows(RGB[..., ::-1].copy()), 24, height=-H))
    add("bmp of 24 bits, OS/2", bmp(bmp_rows(bgr), 24, header=12))
    for header in (52, 56, 64, 108, 124):
        add(f"bmp of 24 bits, header of {header}", bmp(bmp_rows(bgr), 24, header=header), RGB)
    bgrx = np.dstack([bgr, np.zeros((H, W), np.uint8)])
    add("bmp of 32 bits", bmp(bmp_rows(bgrx), 32))
    add("bmp of 32 bits, last byte 255", bmp(bmp_rows(np.dstack([bgr, np.full((H, W), 255, np.uint8)])), 32), RGB)
    add("bmp of 32 bits, last byte anything", bmp(bmp_rows(np.dstack([bgr, ALPHA])), 32), RGB)

    def masked(order, bits, compression, header=40, alpha=None, pick=None):
        """order: per channel (mask) for red, green, blue and, where given, alpha."""
        full = np.zeros((H, W), np.uint32)
        for c, mask in enumerate(order[:3]):
            full |= spread(up[..., c], mask)
        if len(order) > 3:
            full |= spread(ALPHA[::-1], order[3])
        data = bmp_rows(full.astype("<u4" if bits == 32 else "<u2").view(np.uint8).reshape(H, -1))
        return bmp(data, bits, compression, header=header, masks=struct.pack(f"<{len(order)}I", *order))

    def spread(values, mask):
        if mask == 0:
            return np.zeros(values.shape, np.uint32)
        shift = (mask & -mask).bit_length() - 1
        width = bin(mask).count("1")
        return (values.astype(np.uint32) * ((1 << width) - 1) // 255 << shift).astype(np.uint32)

    def seen(order):
        out = []
        for c, mask in enumerate(order[:3]):
            top = (1 << bin(mask).count("1")) - 1
            level = RGB[..., c].astype(int) * top // 255
            out.append(np.floor(level * 255 / top + 0.5))
        return np.stack(out, -1).astype(np.uint8)

    red_first = (0xFF, 0xFF00, 0xFF0000)
    usual = (0xFF0000, 0xFF00, 0xFF)
    add("bmp masks, usual order", masked(usual, 32, 3))
    add("bmp masks, red first", masked(red_first, 32, 3), RGB)
    add("bmp masks, green first", masked((0xFF00, 0xFF, 0xFF0000), 32, 3), RGB)
    add("bmp masks, in the upper bytes", masked((0xFF000000, 0xFF0000, 0xFF00), 32, 3), RGB)
    add("bmp masks of 10 bits", masked((0x3FF00000, 0xFFC00, 0x3FF), 32, 3), seen((0x3FF00000, 0xFFC00, 0x3FF)))
    add("bmp masks, 5-6-5", masked((0xF800, 0x7E0, 0x1F), 16, 3), seen((0xF800, 0x7E0, 0x1F)), off=1)
    add("bmp masks, 5-5-5", masked((0x7C00, 0x3E0, 0x1F), 16, 3), seen((0x7C00, 0x3E0, 0x1F)), off=1)
    add("bmp masks, 4-4-4", masked((0xF00, 0xF0, 0xF), 16, 3), seen((0xF00, 0xF0, 0xF)), off=1)
    add("bmp masks, 5-6-5 blue first", masked((0x1F, 0x7E0, 0xF800), 16, 3), seen((0x1F, 0x7E0, 0xF800)), off=1)
    plain555 = masked((0x7C00, 0x3E0, 0x1F), 16, 3)
    add("bmp of 16 bits", bmp(plain555[66:], 16), seen((0x7C00, 0x3E0, 0x1F)), off=1)
    white = on_white(RGB, ALPHA)
    for header in (56, 108, 124):
        add(f"bmp alpha, header of {header}", masked((*usual, 0xFF000000), 32, 3, header), white, off=1)
        add(f"bmp alpha, red first, header of {header}", masked((*red_first, 0xFF000000), 32, 3, header), white, off=1)
    add("bmp header of 108, no alpha mask", masked((*usual, 0), 32, 3, 108), RGB)
    add("bmp header of 52, red first", masked(red_first, 32, 3, 52), RGB)
    add("bmp alpha-bitfields", masked((*usual, 0xFF000000), 32, 6), white, off=1)
    add("bmp alpha 1-5-5-5", masked((0x7C00, 0x3E0, 0x1F, 0x8000), 16, 3, 56), on_white(seen((0x7C00, 0x3E0, 0x1F)), np.where(ALPHA == 255, 255, 0)), off=1)

    for bits in (1, 2, 4, 8):
        p = image.quantize(2**bits)
        index = np.array(p)
        palette = np.zeros((256, 3), np.uint8)
        own = np.array(p.getpalette(), np.uint8).reshape(-1, 3)
        palette[: len(own)] = own
        shown = palette[index]
        count = 2**bits
        table = np.ascontiguousarray(np.dstack([palette[None, :count, ::-1], np.zeros((1, count, 1), np.uint8)])).tobytes()
        data = bmp_rows(packed(index[::-1], bits))
        add(f"bmp palette of {bits} bits", bmp(data, bits, table=table), shown)
        add(f"bmp palette of {bits} bits, top first", bmp(bmp_rows(packed(index, bits)), bits, table=table, height=-H), shown)
        small = np.ascontiguousarray(palette[:count, ::-1]).tobytes()
        add(f"bmp palette of {bits} bits, OS/2", bmp(data, bits, table=small, header=12), shown)
        if bits in (4, 8):
            compression = 2 if bits == 4 else 1
            add(f"bmp RLE{bits}", bmp(rle(index, bits), bits, compression, table), shown)
            add(f"bmp RLE{bits} with jumps", bmp(rle(index, bits, jump=True), bits, compression, table), shown)
            add(f"bmp RLE{bits} cut off", bmp(rle(index, bits), bits, compression, table)[:-60], refused="cut off")
        if bits == 8:
            few = index % 5
            table5 = table[:20]
            add("bmp palette of 5 colours", bmp(bmp_rows(few[::-1].astype(np.uint8)), 8, table=table5, used=5), palette[few])
    add("bmp by ImageMagick", tool(["convert", "{in}", "{out}"], ppm, ("ppm", "bmp")))
    add("bmp by ImageMagick, alpha", tool(["convert", "{in}", "{out}"], saved(Image.fromarray(RGBA), "PNG"), ("png", "bmp")), on_white(RGB, ALPHA), off=1)
    add("bmp by ImageMagick, version 3", tool(["convert", "{in}", "bmp3:{out}"], ppm, ("ppm", "bmp")))
    add("bmp by ImageMagick, version 2", tool(["convert", "{in}", "bmp2:{out}"], ppm, ("ppm", "bmp")))
    add("bmp holding a JPEG", bmp(saved(image, "JPEG"), 0, 4), refused="JPEG inside")
    add("bmp holding a PNG", bmp(saved(image, "PNG"), 0, 5), refused="PNG inside")
    add("bmp cut off", bmp(bmp_rows(bgr), 24)[:-50], refused="cut off")
    add("bmp huge", bmp(bmp_rows(bgr), 24)[:18] + struct.pack("<ii", 60000, 60000) + bmp(bmp_rows(bgr), 24)[26:], refused="60,000 x 60,000 pixels")


# --- Netpbm


def netpbm():
    text = lambda values: (" ".join(map(str, values.reshape(-1).tolist())) + "\n").encode()
    size = f"{W} {H}\n".encode()
    bits3 = np.repeat((255 * (1 - BITS))[..., None], 3, -1)
    add("pbm P1", b"P1\n# made\n" + size + text(BITS), bits3)
    add("pbm P1 without blanks", b"P1\n" + size + "\n".join("".join(map(str, row)) for row in BITS.tolist()).encode(), bits3)
    add("pbm P4", b"P4\n" + size + packed(BITS, 1).tobytes(), bits3)
    for top in (1, 15, 100, 255, 1023, 65535):
        for name, values in (("grey", GREY), ("rgb", RGB)):
            levels = np.round(values.astype(float) * top / 255).astype(np.uint32)
            shown = np.floor(levels * 255 / top + 0.5).astype(np.uint8)
            shown = shown if values.ndim == 3 else np.repeat(shown[..., None], 3, -1)
            head = size + f"{top}\n".encode()
            kinds = ("P2", "P5") if name == "grey" else ("P3", "P6")
            if top in (15, 255, 65535):
                add(f"{name} {kinds[0]} of {top}", kinds[0].encode() + b"\n# a comment\n" + head + text(levels), shown, off=1)
            data = levels.astype(">u2" if top > 255 else np.uint8).tobytes()
            add(f"{name} {kinds[1]} of {top}", kinds[1].encode() + b" " + head + data, shown, off=1)
    add("ppm by Pillow", ppm)
    add("pgm by Pillow", pgm)
    add("ppm with comments everywhere", b"P6 # one\n#two\n" + f"{W}#three\n {H} # four\n255\n".encode() + RGB.tobytes(), RGB)
    add("ppm two pictures", ppm + saved(Image.fromarray(255 - RGB), "PPM"), RGB)
    pam = lambda depth, kind, data, top=255: f"P7\nWIDTH {W}\nHEIGHT {H}\nDEPTH {depth}\nMAXVAL {top}\nTUPLTYPE {kind}\nENDHDR\n".encode() + data.tobytes()
    add("pam rgb", pam(3, "RGB", RGB), RGB)
    add("pam rgba", pam(4, "RGB_ALPHA", RGBA), on_white(RGB, ALPHA), off=1)
    add("pam grey", pam(1, "GRAYSCALE", GREY), GREY3)
    add("pam grey and alpha", pam(2, "GRAYSCALE_ALPHA", LA), on_white(GREY3, ALPHA), off=1)
    add("pam black and white", pam(1, "BLACKANDWHITE", 1 - BITS, 1), bits3)
    pfm = lambda kind, data, scale: f"{kind}\n{W} {H}\n{scale}\n".encode() + data[::-1].tobytes()
    add("pfm rgb", pfm("PF", (RGB / 255).astype("<f4"), "-1.0"), RGB)
    add("pfm grey", pfm("Pf", (GREY / 255).astype(">f4"), "1.0"), GREY3)
    add("ppm cut off", ppm[:-20], refused="cut off")
    add("ppm text cut off", b"P3\n" + size + b"255\n1 2 3", refused="cut off")
    add("ppm without numbers", b"P6\n27 high\n255\n" + bytes(99), refused="header")
    add("ppm huge", b"P6\n99999 99999\n255\n" + bytes(99), refused="99,999 x 99,999 pixels")
    add("pgm maxval 0", b"P5\n" + size + b"0\n" + GREY.tobytes(), refused="0 as its white")


# --- TIFF


def tiff(data, order="<", big=False, **options):
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder=order, bigtiff=big) as writer:
        writer.write(data, metadata=None, **options)
    return file.getvalue()


def raw_tiff(data, bits, photometric, bands, *tags, order="<", pages=1):
    """One strip, uncompressed, whatever the photometric: tags are (number, type, values)."""
    size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8}
    own = dict((t[0], t) for t in tags)
    entries = [
        (256, 3, [W]), (257, 3, [H]), (258, 3, [bits] * bands), (259, 3, [1]), (262, 3, [photometric]), (273, 4, [8]),
        (277, 3, [bands]), (278, 3, [H]), (279, 4, [len(data)]),
    ]  # fmt: skip
    entries = sorted([own.pop(e[0], e) for e in entries] + list(own.values()))
    directory, more = b"", b""
    start = 8 + len(data) + len(data) % 2
    after = start + 2 + 12 * len(entries) + 4
    for tag, kind, values in entries:
        letters = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 12: "d"}
        if kind == 5:
            body = b"".join(struct.pack(order + "II", *v) for v in values)
        else:
            body = struct.pack(f"{order}{len(values)}{letters[kind]}", *values)
        if len(body) > 4:
            place = struct.pack(order + "I", after + len(more))
            more += body + bytes(len(body) % 2)
        else:
            place = body + bytes(4 - len(body))
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return head + data + bytes(len(data) % 2) + struct.pack(order + "H", len(entries)) + directory + struct.pack(order + "I", 0) + more


def ycbcr_of(rgb):
    return np.array(Image.fromarray(rgb).convert("YCbCr"))


def subsampled(ycc, across, down):
    """TIFF's order: across x down of Y, then one Cb and one Cr."""
    h, w = -(-H // down) * down, -(-W // across) * across
    full = np.pad(ycc, ((0, h - H), (0, w - W), (0, 0)), "edge").astype(int)
    out = []
    for y in range(0, h, down):
        for x in range(0, w, across):
            block = full[y : y + down, x : x + across]
            out += block[..., 0].reshape(-1).tolist()
            out += [int(round(block[..., c].mean())) for c in (1, 2)]
    return bytes(out)


def tiffs():
    for compression in ("none", "lzw", "deflate", "packbits", "zstd", "adobe_deflate"):
        for order in "<>":
            add(f"tiff rgb {compression} {order}", tiff(RGB, order, photometric="rgb", compression=compression), RGB)
        add(f"tiff grey {compression}", tiff(GREY, photometric="minisblack", compression=compression), GREY3)
    add("tiff lzma", tiff(RGB, photometric="rgb", compression="lzma"), refused="LZMA")
    add("tiff webp", tiff(RGB, photometric="rgb", compression="webp", compressionargs={"level": 100, "lossless": True}), RGB)
    add("tiff jpeg 2000", tiff(RGB, photometric="rgb", compression="jpeg2000"), refused="JPEG 2000")
    add("tiff jpeg xl", tiff(RGB, photometric="rgb", compression="jpegxl"), refused="JPEG XL")
    add("tiff lerc", tiff(RGB, photometric="rgb", compression="lerc"), refused="LERC")
    for predictor in (2,):
        for order in "<>":
            add(f"tiff predictor 2 {order}", tiff(RGB, order, photometric="rgb", compression="lzw", predictor=2), RGB)
            add(f"tiff predictor 2, 16 bits {order}", tiff(RGB.astype(np.uint16) * 257, order, photometric="rgb", compression="zlib", predictor=2), RGB)
    add("tiff predictor 3", tiff((RGB / np.float32(255)).astype(np.float32), photometric="rgb", compression="zlib", predictor=3), RGB)
    add("tiff planes", tiff(np.moveaxis(RGB, -1, 0).copy(), photometric="rgb", planarconfig="separate"), RGB)
    add("tiff planes lzw", tiff(np.moveaxis(RGB, -1, 0).copy(), photometric="rgb", planarconfig="separate", compression="lzw"), RGB)
    add("tiff tiles", tiff(RGB, photometric="rgb", tile=(16, 16)), RGB)
    add("tiff tiles deflate big-endian", tiff(RGB, ">", photometric="rgb", tile=(16, 16), compression="zlib"), RGB)
    add("tiff tiles of planes", tiff(np.moveaxis(RGB, -1, 0).copy(), photometric="rgb", planarconfig="separate", tile=(16, 16)), RGB)
    add("tiff strips", tiff(RGB, photometric="rgb", rowsperstrip=5), RGB)
    add("tiff BigTIFF", tiff(RGB, big=True, photometric="rgb"), RGB)
    add("tiff BigTIFF big-endian lzw", tiff(RGB, ">", big=True, photometric="rgb", compression="lzw"), RGB)
    add("tiff rgba", tiff(RGBA, photometric="rgb", extrasamples=["unassalpha"]), on_white(RGB, ALPHA), off=1)
    pre = np.round(RGB * (ALPHA[..., None] / 255.0)).astype(np.uint8)
    add("tiff rgba, multiplied already", tiff(np.dstack([pre, ALPHA]), photometric="rgb", extrasamples=["assocalpha"]), on_white(RGB, ALPHA), off=2)
    add("tiff rgb and a fourth of no meaning", tiff(RGBA, photometric="rgb", extrasamples=["unspecified"]), RGB)
    add("tiff grey and alpha", tiff(LA, photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig"), on_white(GREY3, ALPHA), off=1)
    add("tiff rgb of 16 bits", tiff(RGB.astype(np.uint16) * 257, photometric="rgb"), RGB)
    add("tiff rgb of 16 bits big-endian lzw", tiff(RGB.astype(np.uint16) * 257, ">", photometric="rgb", compression="lzw"), RGB)
    add("tiff rgba of 16 bits", tiff(RGBA.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"]), on_white(RGB, ALPHA), off=1)
    add("tiff grey of 16 bits", tiff(GREY.astype(np.uint16) * 257, photometric="minisblack"), GREY3)
    add("tiff grey of floats", tiff((GREY / 255).astype(np.float32), photometric="minisblack"), GREY3)
    add("tiff rgb of floats", tiff((RGB / 255).astype(np.float32), photometric="rgb"), RGB)
    add("tiff white is zero", tiff(255 - GREY, photometric="miniswhite"), GREY3)
    add("tiff white is zero lzw", tiff(255 - GREY, photometric="miniswhite", compression="lzw"), GREY3)
    add("tiff white is zero, 16 bits", tiff((65535 - GREY.astype(np.uint16) * 257), photometric="miniswhite"), GREY3)
    bits3 = np.repeat((255 * BITS)[..., None], 3, -1)
    for bits in (1, 2, 4):
        levels = GREY >> (8 - bits)
        shown = np.repeat((levels.astype(int) * 255 // (2**bits - 1))[..., None], 3, -1)
        add(f"tiff grey of {bits} bits", raw_tiff(packed(levels, bits).tobytes(), bits, 1, 1), shown)
        add(f"tiff grey of {bits} bits, white is zero", raw_tiff(packed(2**bits - 1 - levels, bits).tobytes(), bits, 0, 1), shown)
    p1 = saved(Image.fromarray(BITS * 255).convert("1"), "TIFF")
    add("tiff of 1 bit by Pillow", p1)
    for name, option in (("fax 3", "g3"), ("fax 3, 2D", "g3:2d"), ("fax 4", "g4")):
        add(f"tiff {name}", tool(["tiffcp", "-c", option, "{in}", "{out}"], p1, ("tif", "tif")))
    add("tiff fax rle", saved(Image.fromarray(BITS * 255).convert("1"), "TIFF", compression="tiff_ccitt"), bits3)
    for option in ("lsb2msb",):
        add("tiff bits of a byte turned round", tool(["tiffcp", "-f", "lsb2msb", "{in}", "{out}"], p1, ("tif", "tif")), bits3)
        add("tiff fax 4, bits turned round", tool(["tiffcp", "-c", "g4", "-f", "lsb2msb", "{in}", "{out}"], p1, ("tif", "tif")), bits3)
    twelve = np.concatenate([np.unpackbits((RGB.astype(np.uint32) * 4095 // 255).astype(">u2").view(np.uint8).reshape(H, -1, 2), axis=-1)[..., 4:].reshape(H, -1)], 0)
    add("tiff rgb of 12 bits", raw_tiff(np.packbits(twelve, -1).tobytes(), 12, 2, 3), RGB, off=1)
    twelve = np.unpackbits((GREY.astype(np.uint32) * 4095 // 255).astype(">u2").view(np.uint8).reshape(H, -1, 2), axis=-1)[..., 4:].reshape(H, -1)
    add("tiff grey of 12 bits", raw_tiff(np.packbits(twelve, -1).tobytes(), 12, 1, 1), GREY3, off=1)
    add("tiff grey of 32 bits", raw_tiff((GREY.astype(np.uint32) * 0x01010101).astype("<u4").tobytes(), 32, 1, 1), refused="channels copy")
    add("tiff grey of 16 bits, signed", tiff(GREY.astype(np.int16), photometric="minisblack"), refused="channels copy")
    add("tiff floats up to 255", tiff(GREY.astype(np.float32), photometric="minisblack"), refused="channels copy")
    add("tiff palette", saved(image.quantize(64), "TIFF"))
    add("tiff palette lzw", saved(image.quantize(64), "TIFF", compression="tiff_lzw"))
    p = image.quantize(16)
    add("tiff palette of 4 bits", tool(["convert", "{in}", "-depth", "4", "{out}"], saved(p, "PNG"), ("png", "tif")))
    cmyk = np.array(image.convert("CMYK"))
    for compression in ("none", "lzw", "deflate"):
        add(f"tiff cmyk {compression}", tiff(cmyk, photometric="separated", compression=compression), off=1)
    add("tiff cmyk, planes", tiff(np.moveaxis(cmyk, -1, 0).copy(), photometric="separated", planarconfig="separate"), by_pillow(tiff(cmyk, photometric="separated")), "Pillow, of pixels in turn", off=1)
    add("tiff cmyk, JPEG inside", tool(["tiffcp", "-c", "jpeg:95", "{in}", "{out}"], tiff(cmyk, photometric="separated", rowsperstrip=16), ("tif", "tif")), off=8)
    add("tiff cmyk of 16 bits", tiff(cmyk.astype(np.uint16) * 257, photometric="separated"), by_pillow(tiff(cmyk, photometric="separated")), "Pillow, of 8 bits", off=1)
    muted = Image.fromarray(64 + RGB // 2)  # what lies beyond sRGB is cut off by each in its way
    lab = np.array(ImageCms.applyTransform(muted, ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB", 5000), "RGB", "LAB")))
    lab_rgb = lab_to_rgb(lab)
    signed = lab.copy()  # as Pillow gives them
    lab[..., 1:] ^= 128
    words = np.stack([signed[..., 0].astype(np.uint16) * 257] + [signed[..., c].view(np.int8).astype(np.int16).view(np.uint16) * 256 for c in (1, 2)], -1)
    add("tiff CIELab of 16 bits", raw_tiff(words.astype("<u2").tobytes(), 16, 8, 3), lab_rgb, "LittleCMS", off=5)
    add("tiff CIELab", raw_tiff(signed.tobytes(), 8, 8, 3), lab_rgb, "LittleCMS", off=5)
    add("tiff CIELab lzw", tool(["tiffcp", "-c", "lzw", "{in}", "{out}"], raw_tiff(signed.tobytes(), 8, 8, 3), ("tif", "tif")), lab_rgb, "LittleCMS", off=5)
    add("tiff ICCLab", raw_tiff(lab.tobytes(), 8, 9, 3), lab_rgb, "LittleCMS", off=5)
    add("tiff ITULab", raw_tiff(lab.tobytes(), 8, 10, 3), refused="ITULab")
    add("tiff LogLuv", raw_tiff(np.zeros((H, W, 3), "<f4").tobytes(), 32, 32845, 3), refused="LogLuv")
    ycc = ycbcr_of(RGB)
    back = np.array(Image.frombytes("YCbCr", (W, H), ycc.tobytes()).convert("RGB"))
    add("tiff YCbCr 4:4:4", raw_tiff(ycc.tobytes(), 8, 6, 3, (530, 3, [1, 1])), back, "Pillow's YCbCr", off=2)
    add("tiff YCbCr 4:4:4 big-endian", raw_tiff(ycc.tobytes(), 8, 6, 3, (530, 3, [1, 1]), order=">"), back, "Pillow's YCbCr", off=2)
    wide = (532, 5, [(0, 1), (255, 1), (128, 1), (255, 1), (128, 1), (255, 1)])
    add("tiff YCbCr 4:4:4, whole range said", raw_tiff(ycc.tobytes(), 8, 6, 3, (530, 3, [1, 1]), wide), back, "Pillow's YCbCr", off=2)
    narrow = np.stack([ycc[..., 0] * (219 / 255) + 16] + [(ycc[..., c].astype(float) - 128) * (224 / 255) + 128 for c in (1, 2)], -1)
    video = (532, 5, [(16, 1), (235, 1), (128, 1), (240, 1), (128, 1), (240, 1)])
    add("tiff YCbCr 4:4:4, video range", raw_tiff(np.round(narrow).astype(np.uint8).tobytes(), 8, 6, 3, (530, 3, [1, 1]), video), back, "Pillow's YCbCr", off=4)
    for across, down in ((2, 2), (2, 1), (1, 2), (4, 1), (4, 4)):
        data = subsampled(ycc, across, down)
        mean = np.pad(ycc, ((0, -H % down), (0, -W % across), (0, 0)), "edge").astype(float)
        h, w = mean.shape[:2]
        for c in (1, 2):
            m = np.round(mean[..., c].reshape(h // down, down, w // across, across).mean((1, 3)))
            mean[..., c] = m.repeat(down, 0).repeat(across, 1)
        seen = np.array(Image.frombytes("YCbCr", (W, H), np.ascontiguousarray(mean[:H, :W].astype(np.uint8)).tobytes()).convert("RGB"))
        add(f"tiff YCbCr subsampled {across}x{down}", raw_tiff(data, 8, 6, 3, (530, 3, [across, down])), seen, "Pillow's YCbCr", off=3)
    add("tiff YCbCr lzw", tool(["tiffcp", "-c", "lzw", "{in}", "{out}"], raw_tiff(ycc.tobytes(), 8, 6, 3, (530, 3, [1, 1])), ("tif", "tif")), back, "Pillow's YCbCr", off=2)
    zipped = zlib.compress(subsampled(ycc, 2, 2))
    tags = [(530, 3, [2, 2]), (259, 3, [8])]
    add("tiff YCbCr deflate subsampled 2x2", raw_tiff(zipped, 8, 6, 3, *tags), tiff_twin("tiff YCbCr subsampled 2x2"), "Pillow's YCbCr", off=3)
    # JPEG inside, as colour of its own and as YCbCr
    rgb_tiff = tiff(RGB, photometric="rgb", rowsperstrip=16)
    add("tiff jpeg, YCbCr", tool(["tiffcp", "-c", "jpeg:90", "{in}", "{out}"], rgb_tiff, ("tif", "tif")), off=1)
    add("tiff jpeg, rgb", tool(["tiffcp", "-c", "jpeg:r:90", "{in}", "{out}"], rgb_tiff, ("tif", "tif")), off=1)
    add("tiff jpeg, tiles", tool(["tiffcp", "-t", "-w", "16", "-l", "16", "-c", "jpeg:90", "{in}", "{out}"], rgb_tiff, ("tif", "tif")), off=1)
    add("tiff jpeg, grey", tool(["tiffcp", "-c", "jpeg:90", "{in}", "{out}"], tiff(GREY, photometric="minisblack", rowsperstrip=16), ("tif", "tif")), off=1)
    add("tiff jpeg by Pillow", saved(image, "TIFF", compression="jpeg"), off=1)
    old = saved(image, "JPEG", quality=90, subsampling=0)
    # one strip of the whole stream, and the stream's place
    tags = [(259, 3, [6]), (513, 4, [8]), (514, 4, [len(old)]), (530, 3, [1, 1]), (279, 4, [len(old)])]
    add("tiff old JPEG", raw_tiff(old, 8, 6, 3, *tags), by_pillow(old), "Pillow, of the JPEG inside", off=2)
    for orientation in range(1, 9):
        add(f"tiff orientation {orientation}", tiff(RGB, photometric="rgb", extratags=[(274, 3, 1, orientation, True)]))
    file = io.BytesIO()
    image.save(file, "TIFF", save_all=True, append_images=[Image.fromarray(255 - RGB)])
    add("tiff unknown tags", raw_tiff(RGB.tobytes(), 8, 2, 3, (65000, 3, [1, 2, 3]), (42112, 2, list(b"<GDALMetadata/>\0"))))
    add("tiff two pages", file.getvalue())
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(np.ascontiguousarray((255 - RGB)[::2, ::2]), photometric="rgb", metadata=None, subfiletype=1)
        writer.write(RGB, photometric="rgb", metadata=None)
    add("tiff a reduced copy first", file.getvalue(), RGB)
    add("tiff by ImageMagick, alpha", tool(["convert", "{in}", "{out}"], saved(Image.fromarray(RGBA), "PNG"), ("png", "tif")), on_white(RGB, ALPHA), off=1)
    add("tiff profile Display P3, ignored as Pillow does", node("const s=require('sharp');s(process.argv[1]).withIccProfile('p3').tiff({compression:'lzw'}).toBuffer().then(b=>process.stdout.write(b))"))
    add("tiff cut off", raw_tiff(RGB.tobytes(), 8, 2, 3)[: 8 + 900], refused="beyond the end|cut off")
    add("tiff mosaic of a camera", raw_tiff(GREY.tobytes(), 8, 32803, 1), refused="raw")
    add("tiff DNG", raw_tiff(RGB.tobytes(), 8, 2, 3, (50706, 1, [1, 4, 0, 0])), refused="raw.*DNG|DNG.*raw")
    add("tiff two channels", raw_tiff(LA.tobytes(), 8, 1, 2), refused="keep")
    add("tiff five channels", raw_tiff(np.dstack([RGBA, GREY]).tobytes(), 8, 1, 5), refused="keep")


def tiff_twin(name):
    case = next(c for c in cases if c["name"] == name)
    w, h = case["size"]
    return np.frombuffer(zlib.decompress(base64.b64decode(case["rgb"])), np.uint8).reshape(h, w, 3)


def lab_to_rgb(lab):
    transform = ImageCms.buildTransform(ImageCms.createProfile("LAB", 5000), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    return np.array(ImageCms.applyTransform(Image.frombytes("LAB", (W, H), lab.tobytes()), transform))


# --- what is refused by its name


def others():
    add("jpeg 2000", imagecodecs.jpeg2k_encode(RGB, codecformat="jp2"), refused="JPEG 2000")
    add("jpeg 2000 codestream", imagecodecs.jpeg2k_encode(RGB, codecformat="j2k"), refused="JPEG 2000")
    xl = imagecodecs.jpegxl_encode(RGB)
    add("jpeg xl", xl, refused="JPEG XL")
    add("jpeg xr", imagecodecs.jpegxr_encode(RGB), refused="JPEG XR")
    add("qoi", imagecodecs.qoi_encode(RGB), refused="QOI")
    for kind, word in {"ICO": "ICO", "PCX": "PCX", "SGI": "SGI", "DDS": "DDS", "EPS": "EPS", "PDF": "PDF", "ICNS": "ICNS"}.items():
        im = image.resize((16, 16)) if kind in ("ICO", "ICNS") else image
        add(kind.lower(), saved(im, kind)[:4000], refused=word)
    for kind, word in {"psd": "PSD", "xpm": "XPM", "hdr": "Radiance", "fits": "FITS", "miff": "MIFF", "jng": "JNG", "mng": "MNG"}.items():
        try:
            add(kind, tool(["convert", "{in}", f"{kind}:{{out}}"], ppm, ("ppm", kind)), refused=word)
        except subprocess.CalledProcessError:
            print(f"ImageMagick writes no {kind} here")
    exr = b"\x76\x2f\x31\x01\x02\0\0\0channels\0chlist\0" + bytes(40)
    heads = {
        "exr": (exr, "OpenEXR"), "dicom": (bytes(128) + b"DICM\x02\0\0\0UL\x04\0" + bytes(40), "DICOM"),
        "nifti": (struct.pack("<I", 348) + bytes(340) + b"n+1\0" + bytes(40), "NIfTI"), "cr2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(99), "raw"),
        "cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(40), "raw"), "raf": (b"FUJIFILMCCD-RAW 0201" + bytes(40), "raw"),
        "orf": (b"IIRO\x08\0\0\0" + bytes(40), "raw"), "rw2": (b"IIU\0\x18\0\0\0" + bytes(40), "raw"),
        "film, mp4": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(40), "video"), "film, mov": (b"\0\0\0\x14ftypqt  \0\0\2\0qt  " + bytes(40), "video"),
        "film, avi": (b"RIFF\x24\0\0\0AVI LIST" + bytes(40), "video"), "film, mkv": (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01" + bytes(40), "video"),
        "zip": (b"PK\x03\x04\x14\0\0\0" + bytes(40), "zip"), "gzip": (b"\x1f\x8b\x08\0" + bytes(40), "gzip"), "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(40), "7z"),
        "rar": (b"Rar!\x1a\x07\x01\0" + bytes(40), "rar"), "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5"),
        "emf": (b"\1\0\0\0\x6c\0\0\0" + bytes(32) + b" EMF" + bytes(40), "EMF"), "wmf": (b"\xd7\xcd\xc6\x9a\0\0" + bytes(40), "WMF"),
        "empty": (b"", "empty"), "text": (b"hello, I am a text", "text"), "html": (b"<!DOCTYPE html><html></html>", "HTML"), "json": (b'{"message": "rate limit"}', "text"),
        "svg by hand": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>', "SVG"),
        "sound, wav": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "sound"), "sound, mp3": (b"ID3\x04\0\0\0\0\0\0" + bytes(40), "sound"),
    }  # fmt: skip
    for name, (content, word) in heads.items():
        add(name, content, refused=word)


if __name__ == "__main__":
    for make in (jpegs, pngs, films, heics, bmps, netpbm, tiffs, others):
        make()
    kept = base64.b64encode(zlib.compress(RGB.tobytes(), 9)).decode()
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (here / "pictures.json").write_text(f'{{"base":"{kept}","cases":[\n{lines}\n]}}\n')
    print(len(cases), "pictures,", (here / "pictures.json").stat().st_size, "bytes")
