"""What a run makes of cohorts, texts of several sections, splits that share patients, and sorted windows."""

import json

import pyarrow.parquet as pq
import pytest

from medvl.datasets.phantom.dataset import Phantom
from medvl.errors import DataError
from medvl.models.tokenizer import Tokenizer
from medvl.runs.hashing import pseudonym
from tests import small

# a split by image, as some papers have them
PLUGIN = """
import medvl
import numpy as np
import pyarrow as pa
from medvl.datasets.phantom.dataset import Phantom


class ByImage(Phantom):
    '''Every fifth image is for validation, every seventh for the test, whoever the patient is.'''

    split_by = "image"
    expectations = {"paper": {"test": EXPECTED}}

    def table(self):
        table = super().table()
        number = np.arange(table.num_rows)
        split = np.where(number % 5 == 0, "val", np.where(number % 7 == 0, "test", "train"))
        return table.set_column(table.column_names.index("split"), "split", pa.array(split))

    def fingerprint(self):
        return super().fingerprint() + "by image"


@medvl.hookimpl
def medvl_register(registry):
    registry.register_dataset("by_image", ByImage)
"""
STAGE = small.PLAIN_STAGE | {
    "data": small.PHANTOM
    | {"name": "by_image", "expect": "paper", "text": {"longest": ["findings", "impression"]}}
    | {"only": {"view": ["AP", "PA"], "text": "present"}},
    "budget": {"steps": 3, "batch_size": 8, "sort_window": 2},
    "stop": None,
}


@pytest.fixture
def run(tmp_path):
    path, plugin = small.write(tmp_path, small.experiment(only=STAGE)), tmp_path / "by_image.py"

    def run(expected, *overrides):
        plugin.write_text(PLUGIN.replace("EXPECTED", str(expected)))
        return small.run(path, *overrides, plugin_files=(str(plugin),))["only"]

    return run


def test_a_cohort_is_counted_learned_from_noted_and_listed(run, monkeypatch):
    with pytest.raises(DataError, match="test: asked 0, found ") as refused:
        run(0)
    found = int(str(refused.value).split("found ")[1].split()[0])
    folder = run(found).folder
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["splits"]["test"] == found
    assert any("two sides of the split, which divides images" in note for note in manifest["notes"])

    rows = Phantom(patients=small.PATIENTS, resolution=64).table().to_pylist()
    subset = pq.read_table(folder / "subset.parquet").to_pydict()
    assert len(subset["row"]) == manifest["splits"]["learning"]
    assert {rows[row]["view"] for row in subset["row"]} == {"AP", "PA"}
    assert all(row % 5 and row % 7 for row in subset["row"])
    assert subset["case"] == [pseudonym(rows[row]["image"]) for row in subset["row"]]
    assert len(manifest["subset"]) == 16

    monkeypatch.setattr(Tokenizer, "encode", None)  # another run, of other weights, reads the same ids
    assert run(found, "only.optim.lr=0.002").folder != folder
