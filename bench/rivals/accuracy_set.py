"""What the rivals of bench/accuracy.ts share: arguments, the set, the weights, and how predictions are written."""
import argparse, json, platform, random, time, warnings
warnings.filterwarnings("ignore")
START = time.perf_counter()
import numpy as np, timm, torch

def arguments(**more):
    """--set FILE: {task, names, samples: [{file, labels, values?, split: train, valid or test}]}. `more`: name=default."""
    p = argparse.ArgumentParser()
    for name in ("set", "weights", "model", "out"): p.add_argument(f"--{name}", required=True)
    p.add_argument("--size", type=int); p.add_argument("--seed", type=int, default=0)
    for name, default in more.items(): p.add_argument(f"--{name}", type=type(default), default=default)
    a = p.parse_args()
    random.seed(a.seed); np.random.seed(a.seed); torch.manual_seed(a.seed)
    return a, Data(json.load(open(a.set)))

class Data:
    def __init__(self, read):
        self.task, self.names, self.samples = read["task"], read["names"], read["samples"]
        self.columns = len(self.names)

    def part(self, split): return [s for s in self.samples if s["split"] == split]

    def target(self, sample):
        """The class; 0 and 1 for each label; or the targets."""
        if self.task == "single": return sample["labels"][0]
        if self.task == "multi": return np.isin(np.arange(self.columns), sample["labels"]).astype(np.float32)
        return np.array(sample["values"], dtype=np.float32)

    def targets(self, split): return np.stack([np.asarray(self.target(s)) for s in self.part(split)])

def network(name, weights, **more):
    """The net with the weights of the file, whose names may differ but not their order."""
    net = timm.create_model(name, pretrained=False, **more)
    state = torch.load(weights, map_location="cpu", weights_only=True)
    own = net.state_dict()
    net.load_state_dict(state if set(state) == set(own) else dict(zip(own, state.values())))
    return net

def finish(a, outputs, chosen):
    """Writes a row of numbers for each test picture, and prints one line of JSON."""
    rows = np.asarray(outputs, dtype=np.float64)
    json.dump(rows.round(7).tolist(), open(a.out, "w"))
    versions = {"python": platform.python_version(), "torch": torch.__version__, "timm": timm.__version__}
    about = {"threads": torch.get_num_threads(), "seconds": round(time.perf_counter() - START, 1)}
    print(json.dumps(chosen | about | {"versions": versions | chosen.get("versions", {})}))
