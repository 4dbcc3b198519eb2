"""SetFit in Python with its own settings (body 2e-5, batches of 16 pairs, one epoch of all pairs, logistic regression as head) on
given texts. stdin: {"parts": [{"text", "label", "part"}], "seed", "model", "trains": parts that train}; stdout: a line of JSON. The
clock starts after the imports."""

import json
import os
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import sentence_transformers
import setfit
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression

given = json.load(sys.stdin)
torch.manual_seed(given["seed"])
names = sorted({p["label"] for p in given["parts"]})
part = lambda wanted: [p for p in given["parts"] if p["part"] in wanted]
train, test = part(given["trains"]), part(("test",))
began, cpu = time.perf_counter(), time.process_time()
model = SetFitModel(model_body=SentenceTransformer(given["model"], device="cpu"), model_head=LogisticRegression())
data = Dataset.from_dict(dict(text=[p["text"] for p in train], label=[names.index(p["label"]) for p in train]))
with tempfile.TemporaryDirectory() as folder:
    args = TrainingArguments(output_dir=folder, seed=given["seed"], report_to="none", save_strategy="no", show_progress_bar=False)
    trainer = Trainer(model=model, args=args, train_dataset=data)
    trainer.train()
found = model.predict([p["text"] for p in test])
right = [int(f) == names.index(p["label"]) for f, p in zip(found, test)]
versions = {p.__name__: p.__version__ for p in (setfit, torch, sentence_transformers)}
print(
    json.dumps(
        dict(
            accuracy=sum(right) / len(right),
            seconds=time.perf_counter() - began,
            cpuSeconds=time.process_time() - cpu,
            threads=torch.get_num_threads(),
            versions=versions,
        )
    )
)
