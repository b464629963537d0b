"""A JSON file, and what is said of one that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medvl.errors import DataError


def read_json(path: Path) -> Any:
    """The contents of a JSON file, with or without a byte-order mark.

    Raises:
        DataError: missing, not UTF-8, or not JSON (with line and column); quotes nothing of it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}. do: check the path") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not encoded in UTF-8. do: fetch it again") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: line {error.lineno}, column {error.colno}: is not JSON: {error.msg}. do: fetch it again"
        ) from None
