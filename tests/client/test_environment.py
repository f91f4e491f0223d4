"""Settings out of environment variables, by their schema."""

from __future__ import annotations

import pytest

from bigin_client.environment import settings_from
from bigin_client.errors import SettingsError

SCHEMA = {
    "properties": {
        "key": {"type": ["string", "null"]},
        "pace": {"type": ["number", "null"]},
        "most": {"type": ["integer", "string", "null"]},
        "rows": {"type": "integer"},
        "dry": {"type": ["boolean", "null"]},
        "match": {"type": ["array", "string", "null"]},
        "names": {"type": ["array", "null"]},
        "scope": {"type": ["string", "object", "null"]},
        "views": {"type": ["object", "null"]},
    }
}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("key", "123", "123"),
        ("pace", "4.5", 4.5),
        ("pace", "9", 9),
        ("most", "3", 3),
        ("most", "1%", "1%"),
        ("rows", " 7 ", 7),
        ("dry", "TRUE", True),
        ("dry", "off", False),
        ("match", "Email", "Email"),
        ("match", '["Email", "Phone"]', ["Email", "Phone"]),
        ("names", "Contacts, Accounts", ["Contacts", "Accounts"]),
        ("names", '["!Tasks"]', ["!Tasks"]),
        ("scope", "all", "all"),
        ("scope", '{"Title": "x"}', {"Title": "x"}),
        ("views", '{"Pipelines": {"cvid": "1"}}', {"Pipelines": {"cvid": "1"}}),
    ],
)
def test_each_type(name, text, value):
    assert settings_from({f"X_{name.upper()}": text}, "X_", SCHEMA) == {name: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pace", "Sekrit"),
        ("pace", "nan"),
        ("rows", "1.5"),
        ("dry", "Sekrit"),
        ("names", "[Sekrit"),
        ("views", "[]"),
    ],
)
def test_what_does_not_fit_is_named_not_shown(name, text):
    with pytest.raises(SettingsError, match=f"X_{name.upper()} must be") as told:
        settings_from({f"X_{name.upper()}": text}, "X_", SCHEMA)
    assert "Sekrit" not in str(told.value)


def test_a_blank_variable_says_nothing():
    assert settings_from({"X_KEY": "", "X_PACE": " ", "OTHER": "1"}, "X_", SCHEMA) == {}
