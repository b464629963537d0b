"""The pytest plugin of medvl: a failing check of an inherited suite shows the values in it. Imports nothing heavy."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("medvl.testkit.suites")
