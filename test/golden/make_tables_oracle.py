"""Generated tables as pandas and DuckDB read them: dialects, encodings, quotes, line ends, ragged rows, missing words, JSON
lines, and Parquet with the types that table programs write. Writes tables-oracle.json and tables/types-*.parquet.

  python make_tables_oracle.py      (pandas, duckdb, pyarrow; their versions are in the file)

Cells are read as text, nothing is taken for missing; null stands for a cell that a reader calls missing.
"""

import base64
import decimal
import io
import json
import random
import tempfile
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

here = Path(__file__).parent
(here / "tables").mkdir(exist_ok=True)
rng = random.Random(16)
folder = Path(tempfile.mkdtemp())

words = ["cat", "dog", "long dress", "Größe", "été", "naïve", "x", "0", "12", "3.5", "007", "NA", "nan", "None", "NULL", "N/A", "true", ""]
asian = ["日本", "кот", "Ünï"]


def cells(count: int, more: list[str]) -> list[list[str]]:
    return [[f"p{i}.jpg"] + [rng.choice(words + more) for _ in range(2)] for i in range(count)]


def quoted(cell: str, delimiter: str, always: bool) -> str:
    must = any(c in cell for c in f'{delimiter}"\r\n') or cell != cell.strip()
    return '"' + cell.replace('"', '""') + '"' if always or must else cell


def text_of(rows: list[list[str]], delimiter: str, end: str, always: bool) -> str:
    return end.join(delimiter.join(quoted(c, delimiter, always) for c in row) for row in rows) + end


def as_rows(frame: pd.DataFrame) -> dict:
    return {
        "columns": [str(c) for c in frame.columns],
        "rows": [[None if pd.isna(c) else str(c) for c in row] for row in frame.itertuples(index=False)],
    }


def by_pandas(data: bytes, delimiter: str, encoding: str) -> dict:
    try:
        text = data.decode(encoding)
        frame = pd.read_csv(io.StringIO(text, newline=""), sep=delimiter, dtype=str, keep_default_na=False, engine="c")
        return as_rows(frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index())
    except Exception as error:
        return {"error": str(error).split("\n")[0].replace(str(folder), "FOLDER")}


def by_duckdb(data: bytes, delimiter: str, encoding: str) -> dict:
    names = {"utf-8": "utf-8", "utf-8-sig": "utf-8", "utf-16": "utf-16", "cp1252": "CP1252"}
    file = folder / "x.csv"
    file.write_bytes(data)
    try:
        reader = duckdb.sql(
            f"select * from read_csv('{file}', delim='{delimiter}', header=true, all_varchar=true, quote='\"', escape='\"', encoding='{names[encoding]}', strict_mode=true)"
        )
        return {"columns": reader.columns, "rows": [["" if c is None else c for c in row] for row in reader.fetchall()]}
    except Exception as error:
        return {"error": str(error).split("\n")[0].replace(str(folder), "FOLDER")}


cases = []


def case(kind: str, name: str, data: bytes, delimiter: str = ",", encoding: str = "utf-8", ending: str = ".csv") -> None:
    own = {"kind": kind, "name": name, "ending": ending, "bytes": base64.b64encode(data).decode()}
    own["pandas"] = by_pandas(data, delimiter, encoding)
    if delimiter != r"\s+":
        own["duckdb"] = by_duckdb(data, delimiter, encoding)
    cases.append(own)


header = ["file", "label", "note"]
for delimiter in [",", "\t", ";", "|"]:
    for end, called in [("\n", "LF"), ("\r\n", "CRLF"), ("\r", "CR")]:
        for always in [False, True]:
            more = [f"a{delimiter}b", 'say "x"', "two\nlines", " padded ", *asian]
            text = text_of([header, *cells(6, more)], delimiter, end, always)
            name = f"{ {',': 'comma', chr(9): 'tab', ';': 'semicolon', '|': 'bar'}[delimiter]} {called}{' all quoted' if always else ''}"
            case("dialect", name, text.encode(), delimiter)
for encoding in ["utf-8", "utf-8-sig", "utf-16", "cp1252"]:
    for delimiter in [",", ";"]:
        rows = [header, *cells(6, ["ñandú", "ß"] + ([] if encoding == "cp1252" else asian)), ["p9.jpg", "Größe", "é"]]
        case("encoding", f"{encoding} {delimiter}", text_of(rows, delimiter, "\r\n", False).encode(encoding), delimiter, encoding)
case("blank lines", "between rows", b"\nfile,label\n\na.jpg,cat\n\n\nb.jpg,dog\n\n")
case("blank lines", "no line end at the end", b"file,label\na.jpg,cat\nb.jpg,dog")
case("blank lines", "CRLF and LF mixed", b"file,label\r\na.jpg,cat\nb.jpg,dog\r\n")
case("rows of empty cells", "two", b"file,label\na.jpg,cat\n,\nb.jpg,dog\n,\n")
case("trailing delimiter", "in each line", b"file,label,\na.jpg,cat,\nb.jpg,dog,\n")
case("trailing delimiter", "in each row", b"file,label\na.jpg,cat,\nb.jpg,dog,\n")
case("blanks around cells", "comma", b"file , label\na.jpg , cat\n b.jpg,dog \n")
case("ragged", "short", b"file,label,note\na.jpg,cat,x\nb.jpg,dog\n")
case("ragged", "long", b"file,label\na.jpg,cat\nb.jpg,dog,lab\n")
case("ragged", "long in the first row", b"file,label\na.jpg,dog,lab\nb.jpg,cat\n")
case("quotes", "doubled", b'file,label\n"a ""1"".jpg","cat"\nb.jpg,"""dog"""\n')
case("quotes", "empty", b'file,label\na.jpg,""\nb.jpg,dog\n')
case("quotes", "line ends", b'file,label\na.jpg,"one\r\ntwo\nthree"\nb.jpg,dog\n')
case("quotes", "inside a cell", b'file,label\na.jpg,5" disk\nb.jpg,dog\n')
case("quotes", "open", b'file,label\na.jpg,"cat\nb.jpg,dog\n')
case("columns", "twice", b"file,label,label\na.jpg,cat,1\nb.jpg,dog,2\n")
case("columns", "without a name", b",file,label\n0,a.jpg,cat\n1,b.jpg,dog\n")
case("columns", "names in quotes", b'"file","label, long"\na.jpg,cat\nb.jpg,dog\n')
case("columns", "one empty", b"file,nothing,label\na.jpg,,cat\nb.jpg,,dog\n")
case("columns", "R", b'"file" "label"\n"1" "a.jpg" "cat"\n"2" "b.jpg" "long dress"\n', r"\s+", ending=".txt")
for name, text in {
    "one": "file label\na.jpg 0\nb/c.jpg 1\n",
    "several": "file   label\na.jpg   0\nb/c.jpg      1\n",
    "tabs and blanks": "file \t label\na.jpg \t 0\nb/c.jpg\t1  \n",
    "quotes": 'file label\n"my a.jpg" 0\nb.jpg "long dress"\n',
    "many columns": "file a b c\nx.jpg 1 -1  1\ny.jpg -1  1 1\n",
}.items():
    case("blanks between cells", name, text.encode(), r"\s+", ending=".txt")

lines = []


def json_case(name: str, text: str) -> None:
    own = {"name": name, "text": text}
    try:
        frame = pd.read_json(io.StringIO(text), lines=True, dtype=False)
        own["pandas"] = json.loads(frame.to_json(orient="split", double_precision=15))
        own["pandas"].pop("index")
    except Exception as error:
        own["pandas"] = {"error": str(error).split("\n")[0].replace(str(folder), "FOLDER")}
    file = folder / "x.jsonl"
    file.write_text(text, newline="")
    try:
        reader = duckdb.sql(f"select * from read_json('{file}', format='newline_delimited')")
        own["duckdb"] = {"columns": reader.columns, "data": json.loads(json.dumps(reader.fetchall(), default=str))}
    except Exception as error:
        own["duckdb"] = {"error": str(error).split("\n")[0].replace(str(folder), "FOLDER")}
    lines.append(own)


json_case("text, numbers, booleans, null", '{"file":"a.jpg","n":1.5,"ok":true,"x":null}\n{"file":"é \\u00fc.jpg","n":-2,"ok":false,"x":"y"}\n')
json_case("keys that are left out, and in another order", '{"file":"a.jpg","b":"1"}\n{"c":"2","file":"b.jpg"}\n')
json_case("lists", '{"file":"a.jpg","tags":["x","y"]}\n{"file":"b.jpg","tags":[]}\n{"file":"c.jpg","tags":null}\n')
json_case("blank lines and CRLF", '\r\n{"file":"a.jpg","b":"1"}\r\n\r\n{"file":"b.jpg","b":"2"}\r\n')
json_case("escapes", '{"file":"a\\"b\\\\c.jpg","b":"one\\ntwo\\t\\u65e5"}\n')
json_case("large whole numbers", '{"file":"a.jpg","id":9007199254740993}\n{"file":"b.jpg","id":12}\n')
json_case("torn", '{"file":"a.jpg"}\n{"file":\n')

when = datetime(2024, 5, 31, 17, 45, 1, 250000)
columns = {
    "text": pa.array(["a.jpg", "Ünï 日本.jpg", ""]),
    "large": pa.array(["x" * 300, "y", None], pa.large_string()),
    "dictionary": pa.array(["cat", None, "cat"]).dictionary_encode(),
    "int8": pa.array([-128, 127, None], pa.int8()),
    "uint8": pa.array([0, 255, None], pa.uint8()),
    "int16": pa.array([-(2**15), 2**15 - 1, None], pa.int16()),
    "uint32": pa.array([0, 2**32 - 1, None], pa.uint32()),
    "int64": pa.array([2**53 + 1, -1, None], pa.int64()),
    "uint64": pa.array([2**64 - 1, 0, None], pa.uint64()),
    "float32": pa.array([0.1, -1e30, None], pa.float32()),
    "float64": pa.array([0.1, 1e300, None], pa.float64()),
    "half": pa.array([0.5, -2, None], pa.float16()),
    "bool": pa.array([True, False, None]),
    "decimal": pa.array([decimal.Decimal("12.34"), decimal.Decimal("-0.05"), None], pa.decimal128(9, 2)),
    "date": pa.array([date(2024, 5, 31), date(1969, 12, 31), None], pa.date32()),
    "ms": pa.array([when, datetime(1969, 12, 31, 23), None], pa.timestamp("ms")),
    "us": pa.array([when, datetime(1969, 12, 31, 23), None], pa.timestamp("us", tz="UTC")),
    "ns": pa.array([when, datetime(1969, 12, 31, 23), None], pa.timestamp("ns")),
    "list": pa.array([["x", "y"], [], None], pa.list_(pa.string())),
    "numbers": pa.array([[1, 2], [], None], pa.list_(pa.int32())),
    "null": pa.nulls(3),
}
table = pa.table(columns)
pq.write_table(table, here / "tables/types-v1.parquet", version="1.0", use_dictionary=False, compression="none", coerce_timestamps="us", allow_truncated_timestamps=True)
pq.write_table(table, here / "tables/types-v2.parquet", version="2.6", data_page_version="2.0", compression="snappy")
pq.write_table(table.select(["text", "us", "ns"]), here / "tables/types-int96.parquet", use_deprecated_int96_timestamps=True, compression="gzip")
duckdb.sql("copy (select 'a.jpg' as file, 1.5::decimal(5,2) as price, 7::hugeint as huge, ['x','y'] as tags, timestamp '2024-05-31 17:45:00' as taken, 'cat'::enum('cat','dog') as label) to '" + str(here / "tables/types-duckdb.parquet") + "' (format parquet, compression zstd)")

numbers = [(i * 7 + 3) % 20 for i in range(20)]
frame = pd.DataFrame({"fname": [f"{n}.jpg" for n in numbers], "labels": ["cat" if n < 10 else "dog" for n in numbers]})
frame.index = pd.Index(list(range(1, 20)) + [0])
frame.to_parquet(here / "tables/index.parquet")


def plain(value):
    if isinstance(value, (datetime, date)):
        zoned = value if not isinstance(value, datetime) or value.tzinfo else value.replace(tzinfo=timezone.utc)
        return zoned.isoformat() if isinstance(value, datetime) else f"{value.isoformat()}T00:00:00+00:00"
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)
    return value


parquet = {}
for file in sorted((here / "tables").glob("types-*.parquet")):
    reader = duckdb.sql(f"select * from '{file}'")
    parquet[file.name] = {"columns": reader.columns, "rows": [[[plain(v) for v in c] if isinstance(c, list) else plain(c) for c in row] for row in reader.fetchall()]}

out = {"versions": {"pandas": pd.__version__, "duckdb": duckdb.__version__, "pyarrow": pa.__version__}, "texts": cases, "jsonLines": lines, "parquet": parquet}
(here / "tables-oracle.json").write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n")
print(len(cases), "texts,", len(lines), "of JSON lines,", len(parquet), "of Parquet")
