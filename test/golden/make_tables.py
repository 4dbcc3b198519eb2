"""Tables as other programs write and read them: Parquet by pyarrow in each compression, and what Python's csv module
reads from difficult texts. Writes tables/*.parquet and tables.json.

  python make_tables.py
"""

import csv
import io
import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

here = Path(__file__).parent
(here / "tables").mkdir(exist_ok=True)

table = pa.table(
    {
        "image": ["a/1.jpg", "a/2.jpg", "b/3.jpg", "b/Ünï.jpg"],
        "label": pa.array(["cat", "dog", None, "cat"]).dictionary_encode(),
        "tags": pa.array([["x", "y"], [], None, ["y"]], pa.list_(pa.string())),
        "big": pa.array([1, 2, None, 2**40], pa.int64()),
        "small": pa.array([1, 2, 3, 4], pa.int8()),
        "score": pa.array([0.5, -1.25, None, 1e300]),
        "half": pa.array([0.1, 0.2, 0.3, 0.4], pa.float32()),
        "is_valid": [True, False, None, False],
        "taken": pa.array([datetime(2024, 5, 31, 17, 45), datetime(1999, 1, 1), None, datetime(2030, 1, 1)], pa.timestamp("us")),
        "box": pa.array([{"w": 1}, {"w": 2}, None, {"w": 4}]),
    }
)
for codec in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
    pq.write_table(table, here / "tables" / f"{codec}.parquet", compression=codec)

texts = {
    "plain": "file,label\na.jpg,cat\nb.jpg,dog\n",
    "crlf": "file,label\r\na.jpg,cat\r\nb.jpg,dog\r\n",
    "no line end": "file,label\na.jpg,cat",
    "quotes": 'file,label\n"a, b.jpg","the ""big"" cat"\n"",x\n',
    "line ends in cells": 'file,note,label\na.jpg,"one\ntwo\n\nthree",cat\nb.jpg,"x\r\ny",dog\n',
    "semicolons": 'file;label\na.jpg;cat, tabby\n"b;c.jpg";dog\n',
    "tabs": "file\tlabel\tnote\na.jpg\tcat\t\nb.jpg\t\tx\n",
    "unicode": "file,label\nÜnï/日本.jpg,été\n",
}
delimiters = {"semicolons": ";", "tabs": "\t"}
out = []
for name, text in texts.items():
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiters.get(name, ","))
    rows, lines, start = [], [], 1
    for row in reader:
        rows.append(row)
        lines.append(start)
        start = reader.line_num + 1
    out.append({"name": name, "text": text, "columns": rows[0], "rows": rows[1:], "lines": lines[1:]})
(here / "tables.json").write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n")
