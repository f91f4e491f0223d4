"""Which OAuth scope a request needs, for the message that asks for it.

Source: bigin-api.md section 8 [bigin-doc].
"""

from __future__ import annotations

from typing import Final

_OPERATIONS: Final = {"GET": "READ", "POST": "CREATE", "PUT": "UPDATE", "DELETE": "DELETE"}
#: First part of a path that names no module → the family of its scope.
_FAMILIES: Final = {"users": "users", "org": "org", "bulk": "bulk"}


def needed(label: str, module: str | None) -> str | None:  # noqa: PLR0911 - a table, a row each
    """Return the scope, or the two, that a request needs.

    Args:
        label: Method and path below ``bigin/v2/``: ``GET Contacts/search``.
        module: Module that was asked for.

    Returns:
        For example ``ZohoBigin.modules.contacts.READ``; None when the documents do not tell.
    """
    method, _, path = label.partition(" ")
    parts = path.removeprefix("/bigin/").split("/")
    operation = _OPERATIONS.get(method, "READ")
    if parts[0] == "settings":
        return f"ZohoBigin.settings.{parts[1]}.{operation}" if len(parts) > 1 else None
    if parts[0] == "coql":
        return "ZohoBigin.coql.READ"
    if parts[0] in _FAMILIES:
        return f"ZohoBigin.{_FAMILIES[parts[0]]}.{operation}"
    if not module:
        return None
    if parts[-1] == "upsert":
        return f"{_of(module, 'CREATE')} and {_of(module, 'UPDATE')}"
    if "actions" in parts and operation == "CREATE":  # tags change a record
        operation = "UPDATE"
    if parts[-1] == "search":
        return f"ZohoSearch.securesearch.READ and {_of(module, 'READ')}"
    below = next((p for p in ("Notes", "Attachments") if p in parts[1:]), None)
    if below:
        return f"{_of(module, 'READ')} and {_of(below, operation)}"
    return _of(module, operation)


def _of(module: str, operation: str) -> str:
    return f"ZohoBigin.modules.{module.lower()}.{operation}"
