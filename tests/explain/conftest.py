"""A small MedViLL that was trained for two steps, and its test cases."""

from types import SimpleNamespace

import pytest

from medvl.engine.load import TrainedStage
from medvl.explain.subject import Asked, Subject
from tests import small
from tests.engine.conftest import small_machine

STAGE = {
    "data": small.PHANTOM | {"text": "findings", "accept": ["label_in_text"]},
    "views": {"image": {"name": "plain", "size": 32, "crop": 0.8}},
    "model": {
        "image": {"name": "timm", "model": "test_vit"},
        "text": {"name": "bert", "weights": "none", "layers": 2, "width": 32, "heads": 2},
        "fusion": {"name": "medvill"},
    },
    "objective": {"name": "one_pass", "terms": {"mlm": {"name": "mlm"}, "matching": {"name": "report_matching"}}},
    "optim": {"name": "adamw", "lr": 0.001},
    "budget": {"steps": 2, "batch_size": 8},
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("explain-cache")


@pytest.fixture(autouse=True)
def _small_machine(cache):
    with small_machine(cache):
        yield


@pytest.fixture(scope="session")
def run(tmp_path_factory, cache):
    """The run's folder and its stage's; not to be changed."""
    root = tmp_path_factory.mktemp("explained")
    values = small.experiment(look=STAGE) | {"plugins": ["medvill"]}
    with small_machine(cache):
        folder = small.run(small.write(root, values))["look"].folder
    return SimpleNamespace(run=folder.parent, stage=folder)


@pytest.fixture
def subject(run):
    """Two cases; a test may put other objects in its place."""
    return Subject(TrainedStage.load(run.stage), Asked(count=2))
