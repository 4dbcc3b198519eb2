"""Small tables and what pandas reads from them, for test/tabular/dialects.test.ts: python make_tabular_pandas.py"""
import io
import json
import os

import numpy as np
import pandas as pd

r = np.random.default_rng(1)


def text(frame, **how):
    return frame.to_csv(index=False, **how)


n = 40
frame = pd.DataFrame(
    {
        "id": np.arange(n),
        "x": np.round(r.normal(size=n), 4),
        "gaps": np.where(r.uniform(size=n) < 0.2, np.nan, np.round(r.uniform(0, 9, n), 2)),
        "tiny": r.normal(size=n) * 1e-12,
        "exact": r.normal(size=n),
        "word": r.choice(["red", "light blue", 'the "green"', "a, b", "line\nbreak"], n),
        "maybe": r.choice(["u", "v", None], n),
    }
)
cases = [
    ("commas", text(frame), {}),
    ("semicolons, decimal commas", text(frame, sep=";", decimal=","), {"sep": ";", "decimal": ","}),
    ("tabs", text(frame, sep="\t"), {"sep": "\t"}),
    ("all quoted", text(frame, quoting=2), {}),
    ("NA for missing", text(frame.drop(columns="maybe"), na_rep="NA"), {}),
    ("? for missing", text(frame, na_rep="?"), {"na_values": "?"}),
    ("Windows line ends", text(frame.drop(columns="word"), lineterminator="\r\n"), {}),
    ("thousands", text(pd.DataFrame({"a": [f"{v:,.2f}" for v in r.uniform(0, 1e7, 20)], "b": range(20)})), {"thousands": ","}),
    ("comments above", "# made by a program\n# for a test\n" + text(frame), {"comment": "#"}),
    ("titles above", "Export of 2020\n\n" + text(frame), {"skiprows": 2}),
]
golden = []
for name, content, how in cases:
    own = pd.read_csv(io.StringIO(content), skipinitialspace=False, **how)
    columns = {}
    for c in own.columns:
        values = own[c].tolist()
        columns[c] = [None if v is None or (isinstance(v, float) and np.isnan(v)) else v for v in values]
    golden.append({"name": name, "text": content, "columns": columns})
json.dump(golden, open(os.path.join(os.path.dirname(__file__), "tabular-pandas.json"), "w"))
