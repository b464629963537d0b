import numpy as np
import pyarrow.parquet as pq

from medvl.runs import subset
from medvl.runs.hashing import pseudonym
from medvl.runs.subset import write_subset
from tests.data.study_tables import studies


def test_rows_and_hashes_are_written_and_no_identifier(tmp_path, monkeypatch):
    monkeypatch.setattr(subset, "ROWS", 3)
    table, rows = studies(range(20)), np.array([1, 4, 5, 9, 19])
    path = tmp_path / "subset.parquet"
    digest = write_subset(path, table, rows)
    written = pq.read_table(path).to_pydict()
    assert written == {"row": rows.tolist(), "case": [pseudonym(f"{row}.png") for row in rows]}
    assert b".png" not in path.read_bytes()
    assert len(digest) == 16


def test_the_hash_is_of_the_images_and_their_order(tmp_path):
    table = studies(range(20))
    chosen = np.array([1, 4, 5])
    one = write_subset(tmp_path / "one", table, chosen)
    assert one == write_subset(tmp_path / "two", table.slice(1), chosen - 1)
    assert one != write_subset(tmp_path / "three", table, chosen[::-1])
    assert one != write_subset(tmp_path / "four", table, chosen[:2])
