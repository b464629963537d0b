import numpy as np
from PIL import Image

from medvl.engine.load import TrainedStage
from medvl.explain.subject import Asked, Subject
from tests import small
from tests.explain.conftest import STAGE


def test_a_question_is_a_case_and_shows_its_own_radiograph(tmp_path):
    """Several questions share a radiograph, so that rows of questions are not rows of images."""
    stage = STAGE | {
        "data": small.PHANTOM | {"text": "question", "labels": "none"},
        "model": STAGE["model"] | {"fusion": {"name": "concat"}},
        "objective": {"name": "vqa"},
    }
    folder = small.run(small.write(tmp_path, small.experiment(answer=stage)))["answer"].folder

    subject = Subject(TrainedStage.load(folder), Asked(count=3))

    assert len(subject.cases) == 3
    data = subject._data
    assert max(case.row for case in subject.pool) >= len(data.store.good)  # where the two ways of counting differ
    for case in subject.pool:
        assert case.text.endswith("?")
        pixels = data.dataset.read_image(data.table.column("image")[case.row].as_py())
        own = np.asarray(Image.fromarray(pixels).resize((40, 40), Image.Resampling.BOX))[4:36, 4:36]
        shown = subject.batch(case.row)["image"][0, 0].numpy()
        assert np.corrcoef(own.ravel(), shown.ravel())[0, 1] > 0.98
