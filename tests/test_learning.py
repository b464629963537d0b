"""What the first experiment claims, on the phantom: image and text beat either alone, and pre-training helps.

Each claim holds by more than its bootstrap interval: the whole interval of the paired difference of macro AUROC lies
above zero. The experiment is the one in `experiments/`, so these are also the figures of the README.
"""

from pathlib import Path

import pytest
import torch

from medvl.evaluate.compare import compare
from medvl.runs.folder import predictions_file
from medvl.runs.predictions import read_predictions
from tests.small import run

EXPERIMENT = Path(__file__).parent.parent / "experiments" / "mmbt_moco.yaml"
THREADS = 2  # the order of sums, and so the weights, depend on how many there are
FEW_LABELS = ("finetune.data.fraction=0.1", "finetune.fusion=image_only", "finetune.budget.epochs=20")


@pytest.fixture(scope="module")
def predictions(tmp_path_factory):
    """Test predictions of the fine-tuning stage under overrides; all variants share one pre-training."""
    runs = tmp_path_factory.mktemp("learning")
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)

    def of(*overrides: str):
        outcomes = run(EXPERIMENT, f"runs={runs}", "device=cpu", *overrides)
        return read_predictions(outcomes["finetune"].folder / predictions_file("test"))

    yield of
    torch.set_num_threads(threads)


def gain(better, worse):
    return compare(better.cases, worse.cases, better.labels).low


@pytest.mark.parametrize("alone", ["image_only", "text_only"])
def test_mmbt_beats_image_alone_and_text_alone(predictions, alone):
    assert gain(predictions(), predictions(f"finetune.fusion={alone}")) > 0


def test_with_a_tenth_of_the_labels_pre_training_beats_a_random_start(predictions):
    assert gain(predictions(*FEW_LABELS), predictions(*FEW_LABELS, "finetune.image.init=null")) > 0
