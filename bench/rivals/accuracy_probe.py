"""The linear probe of bench/accuracy.ts: features of the frozen net for the centre crop, as timm evaluates it;
standardised; logistic regression with L2, for several labels one per label, for targets ridge regression. The strength
of L2 is chosen by five-fold cross-validation on the training part, by log loss (squared error): that gives the same
accuracy as choosing by accuracy, which has many ties, and much better probabilities. The probe is fitted on the training
part alone.

Needs: pip install timm scikit-learn.
"""
from accuracy_set import *
import sklearn
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timm.data import create_transform, resolve_model_data_config
from PIL import Image

a, data = arguments()
net = network(a.model, a.weights, num_classes=1000)
net.reset_classifier(0)
net.eval()
config = resolve_model_data_config(net) | ({"input_size": (3, a.size, a.size)} if a.size else {})
look = create_transform(**config, is_training=False)

class Pictures(torch.utils.data.Dataset):
    def __init__(self, samples): self.samples = samples
    def __len__(self): return len(self.samples)
    def __getitem__(self, i): return look(Image.open(self.samples[i]["file"]).convert("RGB"))

def features(split):
    loader = torch.utils.data.DataLoader(Pictures(data.part(split)), batch_size=32, num_workers=2)
    with torch.inference_mode(): return torch.cat([net(x) for x in loader]).numpy()

x, y, test = features("train"), data.targets("train"), features("test")
grid = np.logspace(-6, 2, 17)  # C of logistic regression; ridge takes 1 / C

def fitted(y, kind):
    """The model with the best C for one column of targets, and that C. `kind`: ridge or logistic."""
    made = lambda c: make_pipeline(StandardScaler(), Ridge(alpha=1 / c) if kind == "ridge" else LogisticRegression(C=c, max_iter=2000))
    few = len(y) if kind == "ridge" else min(np.unique(y, return_counts=True)[1])
    # With one picture of a class there is nothing to validate with; C is then the middle of the grid.
    if few < 2: return made(1e-2).fit(x, y), 1e-2
    folds = min(5, int(few))
    cut = (KFold if kind == "ridge" else StratifiedKFold)(folds, shuffle=True, random_state=a.seed)
    scoring = "neg_mean_squared_error" if kind == "ridge" else "neg_log_loss"
    scores = [cross_val_score(made(c), x, y, cv=cut, scoring=scoring).mean() for c in grid]
    best = grid[int(np.argmax(scores))]
    return made(best).fit(x, y), best

if data.task == "single":
    model, c = fitted(y, "logistic")
    outputs = np.zeros((len(test), data.columns))
    outputs[:, model[-1].classes_] = model.predict_proba(test)
    chosen = [c]
elif data.task == "multi":
    outputs, chosen = np.zeros((len(test), data.columns)), []
    for label in range(data.columns):
        if len(np.unique(y[:, label])) < 2: outputs[:, label] = y[0, label]; continue
        model, c = fitted(y[:, label].astype(int), "logistic")
        outputs[:, label] = model.predict_proba(test)[:, 1]; chosen.append(c)
else:
    models = [fitted(y[:, t], "ridge") for t in range(data.columns)]
    outputs, chosen = np.stack([m.predict(test) for m, _ in models], 1), [c for _, c in models]
finish(a, outputs, {"C": chosen, "versions": {"scikit-learn": sklearn.__version__}})
