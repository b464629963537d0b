"""`medvl embed`: embeddings of a finished stage, as points and a picture, without anything that names a patient."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from medvl.cli.main import app
from medvl.config.resolve import resolve_data
from medvl.data.images import prepare_image
from medvl.datasets.phantom.dataset import Phantom
from medvl.engine.embedding import embed
from medvl.engine.load import TrainedStage
from medvl.errors import ConfigError, DataError
from medvl.runs.hashing import pseudonym
from tests import small

SITES = [
    word
    for site in "ab"
    for word in ("--data", f"site {site}={{name: phantom, patients: 40, resolution: 64, site: {site}}}")
]


def run(*arguments: object):
    return CliRunner().invoke(app, ["embed", *map(str, arguments)])


@pytest.fixture(scope="module")
def made(finished, tmp_path_factory) -> tuple[str, Path]:
    """What the command said of two sites, and its folder."""
    out = tmp_path_factory.mktemp("embedded") / "new"
    done = run(finished.pretrain, *SITES, "--cases", 30, "--finding", "Edema", "--out", out)
    assert done.exit_code == 0, done.output
    return done.stdout, out


def test_points_of_both_sets_with_hashes_and_labels(made) -> None:
    said, out = made
    rows = list(csv.DictReader((out / "tsne.csv").open(encoding="utf-8")))
    assert {row["dataset"] for row in rows} == {"site a", "site b"}
    table = Phantom(patients=40, resolution=64, site="b").table().to_pylist()
    known = {pseudonym(row["image"]): row for row in table}
    of_b = [row for row in rows if row["dataset"] == "site b"]
    assert 0 < len(of_b) <= 30
    for row in of_b:
        study = known[row["case"]]
        assert study["split"] == "test"
        assert row["label.Cardiomegaly"] == str(int(study["label.Cardiomegaly"] == 1))
        assert np.isfinite([float(row["x"]), float(row["y"])]).all()
    assert "AUROC" in said and "silhouette" in said


def test_nothing_of_the_patients_is_written(made) -> None:
    text = (made[1] / "tsne.csv").read_text(encoding="utf-8")
    assert "phantom/" not in text and "fever" not in text


def test_the_picture_has_two_panels(made) -> None:
    image = np.asarray(Image.open(made[1] / "tsne.png").convert("L"))
    assert image.shape[1] > 1.5 * image.shape[0]
    for half in np.array_split(image, 2, axis=1):
        assert (half < 250).mean() > 0.005


def test_the_stages_own_data_is_what_is_left_out(finished, tmp_path: Path) -> None:
    """It pre-trained without labels; the points have them all the same."""
    done = run(finished.pretrain, "--split", "train", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader((tmp_path / "tsne.csv").open(encoding="utf-8")))
    assert {row["dataset"] for row in rows} == {"phantom"} and "label.Edema" in rows[0]
    assert "AUROC" not in done.stdout


def test_they_are_the_encoders_own_features(finished) -> None:
    trained = TrainedStage.load(finished.finetune)
    component, selection = resolve_data(trained.tree, trained.plugins, ("stages", "finetune", "data"))
    found = embed(trained, "x", component, selection, split="test", cases=5, seed=0)
    phantom = Phantom(patients=small.PATIENTS, resolution=64)
    reference = next(row for row in phantom.table()["image"].to_pylist() if pseudonym(row) == found.keys[2])
    view = trained.view()
    assert view is not None and trained.trainable.model.image is not None
    path = Path(finished.root, "one.png")
    Image.fromarray(phantom.read_image(reference)).save(path)
    stored = prepare_image(path, view.source, selection.fit, selection.decode)
    fields = view.fields("image", torch.from_numpy(stored[None].copy()), {})
    with torch.no_grad():
        expected = trained.trainable.model.image(fields["image"])["pooled"][0].numpy()
    np.testing.assert_allclose(found.vectors[2], expected, atol=1e-5)


def test_the_shared_space_is_for_those_that_have_one(finished) -> None:
    trained = TrainedStage.load(finished.pretrain)
    component, selection = resolve_data(trained.tree, trained.plugins, ("stages", "pretrain", "data"))
    with pytest.raises(ConfigError, match="'moco' compares no images with texts"):
        embed(trained, "x", component, selection, split="test", cases=5, seed=0, space="shared")

    def embed_images(model, batch):
        return torch.nn.functional.normalize(model(batch, ("image.pooled",))["image.pooled"][:, :3], dim=1)

    trained.trainable.objective.aligns, trained.trainable.objective.embed_images = True, embed_images
    found = embed(trained, "x", component, selection, split="test", cases=5, seed=0, space="shared")
    assert found.vectors.shape == (5, 3)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "phantom"], "write NAME="),
        (["--data", "a=phantom", "--data", "a=phantom"], "given twice"),
    ],
)
def test_mistyped_data_is_explained(finished, arguments: list[str], message: str) -> None:
    done = run(finished.pretrain, *arguments)
    assert done.exit_code == 2 and message in done.output


def test_unknown_names_are_told(finished, tmp_path: Path) -> None:
    wrong = run(finished.pretrain, "--data", "a={name: phantum}")
    assert isinstance(wrong.exception, ConfigError) and "did you mean 'phantom'" in str(wrong.exception)
    finding = run(finished.pretrain, *SITES, "--finding", "Edemma", "--out", tmp_path)
    assert isinstance(finding.exception, DataError) and "did you mean 'Edema'" in str(finding.exception)
