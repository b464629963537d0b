import pytest
import torch

import medvl
from medvl.models.positions import sincos_positions
from tests.golden_fixtures import golden

STEM = "sincos_position_tables"


@pytest.mark.parametrize(("rule", "exponent"), [("mae", 1.0), ("mrm", 0.25)])
def test_tables_of_mae_and_of_mrm(rule, exponent):
    fixture = golden(STEM)
    for case in fixture.config["cases"]:
        width, side = case["width"], case["grid"]
        expected = fixture.tensors[f"out.{rule}_d{width}_g{side}"]
        assert not expected[0].any()  # the row of [CLS]
        found = sincos_positions(width, (side, side), exponent=exponent)
        torch.testing.assert_close(found, expected[1:].float(), atol=1e-6, rtol=0)


def test_oblong_grids_stand_row_by_row():
    table = sincos_positions(8, (2, 3)).view(2, 3, 8)
    assert table[0, 1, :4].equal(table[1, 1, :4]) and table[1, 0, 4:].equal(table[1, 2, 4:])
    assert len(table.flatten(0, 1).unique(dim=0)) == 6


def test_widths_that_cannot_be_shared_are_refused():
    with pytest.raises(medvl.ConfigError, match="a width that 4 divides, not 10"):
        sincos_positions(10, (2, 2))
