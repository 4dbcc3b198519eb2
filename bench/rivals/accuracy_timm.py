"""Fine-tuning as timm's documentation does it, for bench/accuracy.ts.

Its example of fine-tuning (hfdocs/source/training_script.mdx in huggingface/pytorch-image-models, "Multi-label
classification") is `train.py --model resnet50 --pretrained --batch-size 32 --epochs 30 --opt adamw --lr 1e-4
--weight-decay 0.01 --amp`. All else is as train.py has it by default: cosine to 0 after 5 epochs of warm-up from 1e-5, set
at each epoch; label smoothing 0.1 (0 for several labels); random resized crops of 8 to 100 % of the area, horizontal
flips, colour jitter 0.4, random interpolation; no EMA, no dropout, no RandAugment; the epoch with the best validation is
kept (top-1, mAP; here R2 for targets, of which timm knows nothing: they are standardised and trained with the squared
error). timm's own transforms, optimizer, schedule and losses. Two things differ: float32, because --amp is for GPUs; and
batches are smaller where the training part has fewer than 32 pictures, of which train.py would drop all.

Needs: pip install timm scikit-learn.
"""
from accuracy_set import *
import copy
from sklearn.metrics import average_precision_score, r2_score
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2

a, data = arguments(epochs=30)
net = network(a.model, a.weights, num_classes=1000)
net.reset_classifier(data.columns)
config = resolve_model_data_config(net) | ({"input_size": (3, a.size, a.size)} if a.size else {})
train_look = create_transform(**(config | {"interpolation": "random"}), is_training=True, color_jitter=0.4)
test_look = create_transform(**config, is_training=False)
train = data.part("train")
if data.task == "regression":
    known = data.targets("train")
    centre, spread = known.mean(0), np.maximum(known.std(0), 1e-12)

class Pictures(torch.utils.data.Dataset):
    def __init__(self, samples, look): self.samples, self.look = samples, look
    def __len__(self): return len(self.samples)
    def __getitem__(self, i):
        s = self.samples[i]
        y = data.target(s)
        return self.look(Image.open(s["file"]).convert("RGB")), (y - centre) / spread if data.task == "regression" else y

batch = min(32, len(train))
load = dict(batch_size=batch, num_workers=2, persistent_workers=True)
loader = torch.utils.data.DataLoader(Pictures(train, train_look), shuffle=True, drop_last=True, **load)
loss_of = {"single": LabelSmoothingCrossEntropy(0.1), "multi": torch.nn.BCEWithLogitsLoss(), "regression": torch.nn.MSELoss()}[data.task]
optimizer = create_optimizer_v2(net, opt="adamw", lr=1e-4, weight_decay=0.01)
schedule, epochs = create_scheduler_v2(optimizer, sched="cosine", num_epochs=a.epochs, warmup_epochs=5, warmup_lr=1e-5, min_lr=0)

valid_loader = torch.utils.data.DataLoader(Pictures(data.part("valid"), test_look), **load)
def outputs_of(loader):
    net.eval()
    with torch.inference_mode(): z = torch.cat([net(x) for x, _ in loader])
    if data.task == "single": return z.softmax(1).double().numpy()
    if data.task == "multi": return z.sigmoid().double().numpy()
    return z.double().numpy() * spread + centre

valid = data.targets("valid")
def score():
    outputs = outputs_of(valid_loader)
    if data.task == "single": return float((outputs.argmax(1) == valid).mean())
    if data.task == "regression": return float(r2_score(valid, outputs))
    return float(np.mean([average_precision_score(valid[:, c], outputs[:, c]) if valid[:, c].any() else 0.0 for c in range(data.columns)]))

best = (-np.inf, 0, None)
for epoch in range(epochs):
    net.train()
    for x, y in loader:
        loss = loss_of(net(x), y.float() if data.task != "single" else y)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    found = score()
    if found > best[0]: best = (found, epoch + 1, copy.deepcopy(net.state_dict()))
    schedule.step(epoch + 1, found)
net.load_state_dict(best[2])
test = torch.utils.data.DataLoader(Pictures(data.part("test"), test_look), batch_size=32, num_workers=2)
finish(a, outputs_of(test), {"epochs": epochs, "batch": batch, "keptEpoch": best[1], "validation": best[0]})
