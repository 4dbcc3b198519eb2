"""fastai 2.8 by its defaults, for bench/accuracy.ts: float32; its loader, its transforms (Resize to 1.15 of the size,
aug_transforms), its head, its loss, Adam; then `learn.fine_tune(EPOCHS)`, which trains one epoch of the head and EPOCHS of
the whole net, at its own rates. Batches have 32 pictures, fewer where there are fewer; fastai's 64 would give these
small sets half as many steps. Predictions are those after the last epoch, as fine_tune leaves the net.

python accuracy_fastai.py --epochs 5 --set … (accuracy_set.py). Needs: pip install fastai timm.
"""
from accuracy_set import *
import pandas as pd
from fastai.vision.all import *
import fastai

a, data = arguments(epochs=5)
set_seed(a.seed, True)
known = data.part("train") + data.part("valid")
label = lambda i: f"{i:05d}"  # sorted as they are numbered
vocab = [label(i) for i in range(data.columns)]
table = pd.DataFrame({"file": [s["file"] for s in known], "valid": [s["split"] == "valid" for s in known]})
if data.task == "regression":
    for t, name in enumerate(vocab): table[name] = [s["values"][t] for s in known]
    labels = dict(label_col=vocab, y_block=RegressionBlock(n_out=data.columns))
elif data.task == "multi":
    table["labels"] = [" ".join(label(i) for i in s["labels"]) for s in known]
    labels = dict(label_col="labels", label_delim=" ", y_block=MultiCategoryBlock(vocab=vocab))
else:
    table["labels"] = [label(s["labels"][0]) for s in known]
    labels = dict(label_col="labels", y_block=CategoryBlock(vocab=vocab, sort=False))

body = network(a.model, a.weights, num_classes=1000)
config = body.default_cfg
size = a.size or config["input_size"][-1]
batch = min(32, len(data.part("train")))
dls = ImageDataLoaders.from_df(table, path="/", fn_col="file", valid_col="valid", item_tfms=Resize(int(size * 1.15)),
    batch_tfms=aug_transforms(size=size), bs=batch, **labels)
# As vision_learner makes it from a name with pretrained weights, which here come from the file.
learn = vision_learner(dls, a.model, pretrained=False, normalize=False, n_out=data.columns)
body.reset_classifier(0)
learn.model[0].model.load_state_dict(body.state_dict())
learn.dls.add_tfms([Normalize.from_stats(config["mean"], config["std"])], "after_batch")  # of all parts; after_batch.add would leave validation and test as they are
learn.freeze()
with learn.no_bar(), learn.no_logging(): learn.fine_tune(a.epochs)
valid = float(learn.recorder.values[-1][1])
files = [Path(s["file"]) for s in data.part("test")]
with learn.no_bar(): outputs, _ = learn.get_preds(dl=learn.dls.test_dl(files))
finish(a, outputs.numpy().reshape(len(files), -1), {"epochs": a.epochs, "batch": batch, "validLoss": valid, "versions": {"fastai": fastai.__version__}})
