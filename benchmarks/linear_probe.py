"""What a linear probe costs: features of the frozen encoder computed once, beside an encoder that sees every batch.

    python benchmarks/linear_probe.py --patients 400 --epochs 20 --rounds 3

The same stage of medvl, phantom radiographs of 64 pixels and a ResNet-18, through `run_experiment`: data, training,
validation once an epoch, and the evaluation of the test split.

- every batch: `frozen: weights`, as released code does it: no gradient, and the encoder computes in every epoch.
- first probe: `frozen: true`, with an empty cache of features; each case is encoded once.
- another seed: the same, of another seed and half of the labels; its features are there.

Radiographs are decoded before anything is timed. The contenders take turns within one process; ratios are medians over
rounds. Run it with OMP_NUM_THREADS=1.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import torch
import yaml

STAGE = {
    "views": {"image": {"name": "plain", "size": 64}},
    "objective": "multilabel",
    "optim": {"name": "adamw", "lr": 1e-3},
    "stop": {"metric": "val/auroc_macro"},
    "evaluate": [{"name": "multilabel", "split": "test", "replicates": 20}],
}
CONTENDERS = {
    "every batch": ("probe.image.frozen=weights",),
    "first probe": ("probe.image.frozen=true",),
    "another seed": ("probe.image.frozen=true", "probe.seed=1", "probe.data.fraction=0.5"),
}


def write(folder, patients, epochs):
    """The experiment's file, beside the weights that all probes start from."""
    from medvl.models.timm_encoder import TimmEncoder
    from medvl.models.weights import save_weights

    save_weights(TimmEncoder(64, model="resnet18", weights="none"), folder / "encoder.safetensors")
    stage = STAGE | {
        "data": {"name": "phantom", "patients": patients, "resolution": 64, "accept": ["undefined_metric"]},
        "model": {"image": {"name": "timm", "model": "resnet18", "weights": "none", "init": "./encoder.safetensors"}},
        "budget": {"epochs": epochs, "batch_size": 64},
    }
    path = folder / "probe.yaml"
    path.write_text(yaml.safe_dump({"medvl": 1, "name": "probe", "device": "cpu", "stages": {"probe": stage}}))
    return path


def seconds(path, runs, *overrides):
    """Of a run from nothing but decoded radiographs and what features are cached."""
    from medvl.cli.options import load_experiment
    from medvl.engine.run import run_experiment

    experiment, _ = load_experiment(path, (f"runs={runs}", *overrides), ())
    start = time.perf_counter()
    list(run_experiment(experiment, {}))
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MEDVL_CACHE"] = str(folder / "cache")
        path = write(folder, asked.patients, asked.epochs)
        seconds(path, folder / "warm", "probe.budget={steps: 1, epochs: null}")
        ratios = {name: [] for name in CONTENDERS}
        for number in range(asked.rounds):
            shutil.rmtree(folder / "cache/features", ignore_errors=True)
            took = {name: seconds(path, folder / f"{number}", *overrides) for name, overrides in CONTENDERS.items()}
            print("  ".join(f"{name} {value:.1f} s" for name, value in took.items()))
            for name, value in took.items():
                ratios[name].append(took["every batch"] / value)
    for name, found in ratios.items():
        print(f"{name}: {statistics.median(found):.1f}x ({min(found):.1f}-{max(found):.1f})")


if __name__ == "__main__":
    main()
