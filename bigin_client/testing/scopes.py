"""What a connection may do: words for the OAuth scopes of bigin-api.md section 8.

A word is a module in lower case ("contacts", "notes", "attachments") or a family
("settings.fields", "users", "org", "securesearch", "coql", "bulk", "deleted"). ``word.read`` and
so on stand for a single operation of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MODULE_WORDS: Final = (
    "contacts", "accounts", "pipelines", "products", "tasks", "events", "calls", "notes",
    "attachments", "associated_products",
)  # fmt: skip
FAMILY_WORDS: Final = (
    "settings.modules", "settings.fields", "settings.layouts", "settings.custom_views",
    "settings.related_lists", "settings.tags", "settings.roles", "settings.profiles", "users",
    "org", "securesearch", "coql", "bulk", "deleted",
)  # fmt: skip
_KNOWN: Final = frozenset((*MODULE_WORDS, *FAMILY_WORDS))
OPERATIONS: Final = ("read", "create", "update", "delete")


class Scopes(set[str]):
    """The granted words; everything at first, also modules that are added later."""

    def __init__(self) -> None:
        super().__init__((*MODULE_WORDS, *FAMILY_WORDS))
        self._later_revoked: set[str] = set()

    def allows(self, word: str, operation: str) -> bool:
        """Whether ``word`` (or ``word.operation``) is granted."""
        word = word.lower()
        if word in self or f"{word}.{operation}" in self:
            return True
        # Custom modules are not among the words: granted until revoked.
        return word not in _KNOWN and word not in self._later_revoked

    def grant(self, word: str) -> None:
        """Grant a word, "Tasks" as well as "tasks.read"; "settings" means all of them."""
        self.update(_words(word))
        self._later_revoked.difference_update(_words(word))

    def revoke(self, word: str) -> None:
        """Take a word away. Of a module that is wholly granted the other operations stay."""
        for item in _words(word):
            self._later_revoked.add(item)
            base, _, operation = item.rpartition(".")
            if operation in OPERATIONS:
                if base in self:
                    self.discard(base)
                    self.update(f"{base}.{other}" for other in OPERATIONS)
                self.discard(item)
            else:
                self.discard(item)
                self.difference_update({f"{item}.{operation}" for operation in OPERATIONS})


def _words(word: str) -> Iterator[str]:
    word = word.lower()
    if word == "settings":
        yield from (item for item in FAMILY_WORDS if item.startswith("settings."))
    else:
        yield word
