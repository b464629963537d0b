import pytest

from medvl.data.decode import Decode
from medvl.errors import ConfigError


def test_defaults_leave_no_mark():
    assert Decode.of(None) == Decode.of({}) == Decode()
    assert Decode().tag == ""


def test_what_differs_is_named():
    settings = [{"window": 1}, {"exact": True}, {"jpeg2000": "reduced"}, {"window": 2, "exact": True}]
    tags = [Decode.of(given).tag for given in settings]
    assert tags == ["window1", "exact", "j2kreduced", "window2-exact"]
    assert [Decode(**Decode.of(given).plain()) for given in settings] == [Decode(**given) for given in settings]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"windw": 1}, r"windw.*did you mean 'window'"),
        ({"window": -1}, "window is -1"),
        ({"window": True}, "window is True"),
        ({"exact": "yes"}, "exact is 'yes'"),
        ({"jpeg2000": "half"}, "half.*full, reduced"),
        ({"exact": True, "jpeg2000": "reduced"}, "one of them"),
    ],
)
def test_wrong_settings_are_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        Decode.of(given)
