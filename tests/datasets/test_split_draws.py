import numpy as np
import pyarrow as pa

from medvl.datasets.split_draws import drawn_images, drawn_patients


def column(names):
    return pa.chunked_array([pa.array(names)])


def test_patients_are_drawn_whole_and_stay_where_they_are():
    patients = [f"p{place % 2000}" for place in range(5000)]
    drawn = drawn_patients(column(patients), 0.1, seed=3)
    assert {p for p, d in zip(patients, drawn, strict=True) if d}.isdisjoint(
        p for p, d in zip(patients, drawn, strict=True) if not d
    )
    assert 0.08 < len({p for p, d in zip(patients, drawn, strict=True) if d}) / 2000 < 0.12
    np.testing.assert_array_equal(drawn_patients(column([*patients, "new"]), 0.1, seed=3)[:-1], drawn)
    assert (drawn_patients(column(patients), 0.1, seed=4) != drawn).any()
    assert not drawn_patients(column(patients), 0.0, seed=3).any()
    assert (drawn <= drawn_patients(column(patients), 0.3, seed=3)).all()


def test_images_are_drawn_by_number():
    names = [f"{place}.png" for place in range(500)]
    drawn = drawn_images(column(names), 50, seed=0)
    assert drawn.sum() == 50
    back = drawn_images(column(names[::-1]), 50, seed=0)
    np.testing.assert_array_equal(back[::-1], drawn)  # whatever the order of the rows
    assert (drawn_images(column(names), 50, seed=1) != drawn).any()
    assert drawn_images(column(names), 900, seed=0).all()
