import torch
from click.testing import CliRunner

from medvl.cli.main import app
from medvl.models.masks.attention import SchemeMask
from medvl.models.masks.layout import Layout
from medvl.models.masks.picture import BLIND, IMAGE, REAL, SEES, TEXT, draw
from medvl.models.masks.schemes import NonCrossing, bar


def marks(lines):
    rows = [line.split()[1:] for line in lines if SEES in line or BLIND in line][:-1]
    return torch.tensor([[mark == SEES for mark in row] for row in rows])


def test_the_picture_is_the_scheme():
    for scheme, words in ((bar, 0), (NonCrossing(), 1)):
        layout = Layout(len(IMAGE), len(TEXT) + words, torch.tensor([REAL + words]))
        assert marks(draw(scheme)).equal(SchemeMask(scheme, layout).dense()[0])


def test_columns_are_named_above():
    lines = draw(bar)
    heads = [line for line in lines if SEES not in line]
    column = len(lines[-2]) - 1  # the last padding
    assert "".join(line[column] for line in heads if len(line) > column) == "[PAD]"


def test_describe_draws_a_mask_that_stands_alone():
    drawn = CliRunner().invoke(app, ["describe", "mask", "seq2seq"]).output
    assert marks(drawn.splitlines()).shape == (12, 12)
    assert SEES not in CliRunner().invoke(app, ["describe", "mask", "mixed"]).output
