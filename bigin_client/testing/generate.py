"""Generated records: the same for the same seed, others for another, realistic and awkward.

Times lie between 2023 and the end of 2025, whatever the clock shows. They tie on purpose (an
"import" of a twentieth of a module in one second) and crowd around the changes of daylight
saving time. Lookups point at records that exist.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from bigin_client.testing import words
from bigin_client.testing.fields import Field
from bigin_client.testing.modules import Module
from bigin_client.testing.reading import PARENT
from bigin_client.testing.store import Store
from bigin_client.testing.table import Record

#: Records per module when nobody asks otherwise: more than a page of contacts, a few of the rest.
DEFAULT_SIZES: Final[dict[str, int]] = {
    "Contacts": 230, "Accounts": 40, "Pipelines": 60, "Tasks": 45, "Events": 20, "Calls": 20,
    "Products": 25, "Associated_Products": 30, "Notes": 40, "Attachments": 8,
}  # fmt: skip

#: Parents first, so that lookups find their targets.
ORDER: Final = (
    "Accounts", "Products", "Contacts", "Pipelines", "Associated_Products", "Tasks", "Events",
    "Calls", "Notes", "Attachments",
)  # fmt: skip

_START: Final = 1_672_574_400  # 2023-01-01T12:00:00Z
_END: Final = 1_767_182_400  # 2025-12-31T12:00:00Z
#: Changes of daylight saving time in 2025: Los Angeles and New York, Europe, Sydney.
_DST: Final = (1_741_514_400, 1_762_074_000, 1_743_296_400, 1_761_440_400, 1_743_868_800)
_DECIMALS: Final = tuple(Decimal(text) for text in words.DECIMALS)

#: A module of this size is read for speed; a smaller one may never be read at all.
_WORTH_PREPARING: Final = 1_000

Maker = Callable[[int, int], Any]


class Generator:
    """Fills an account's store.

    Args:
        store: An empty store with its modules.
        seed: Of everything.
    """

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._seed = seed
        self._rng = random.Random(seed)

    def fill(self, sizes: Mapping[str, int]) -> None:
        """Generate exactly these numbers of records.

        Raises:
            ValueError: A module that does not exist or has no records.
        """
        wrong = [
            name for name in sizes
            if name not in self._store.modules or not self._store.modules[name].api_supported
        ]  # fmt: skip
        if wrong:
            raise ValueError(f"no such module: {', '.join(wrong)}")
        rest = [name for name in sizes if name not in ORDER]
        for name in (*ORDER, *rest):
            count = sizes.get(name, 0)
            if count:
                # A stream of random numbers per module: one size does not change another's data.
                self._rng = random.Random(f"{self._seed}/{name}")
                self._module(self._store.modules[name], count)
        self._links()
        self._store.generation += 1
        for name, count in sizes.items():
            if count >= _WORTH_PREPARING:
                self._store.reader.prepare(name)

    def _links(self) -> None:
        """Products of every tenth contact: a relation that no field shows."""
        contacts, products = self._ids("Contacts"), self._ids("Products")
        for number, contact in enumerate(contacts[::10][: 2 * len(products)]):
            product = products[number % len(products)]
            self._store.links.setdefault(("Contacts", contact, "Products"), {})[product] = _END
            self._store.links.setdefault(("Products", product, "Contacts"), {})[contact] = _END

    def _module(self, module: Module, count: int) -> None:
        store, rng = self._store, self._rng
        if module.api_name == "Associated_Products" and not store.tables["Pipelines"].live:
            raise ValueError("Associated_Products need Pipelines to belong to")
        makers = self._makers(module)
        users = [user.id for user in store.users]
        created, modified = self._times(count)
        active = "Last_Activity_Time" in module.fields
        records = []
        for number in range(count):
            values: dict[str, Any] = {}
            for name, maker in makers:
                value = maker(number, created[number])
                if value is not None:
                    values[name] = value
            if "Owner" in module.fields:
                values["Owner"] = users[number % len(users)]
            self._finish(module, values)
            activity = modified[number] + (rng.randrange(90_000) if number % 3 == 0 else 0)
            records.append(
                Record(
                    store.ids.next(), values, created[number], modified[number],
                    users[number % len(users)], users[(number * 7) % len(users)],
                    activity if active else None,
                )
            )  # fmt: skip
            store.compute(module.api_name, records[-1], new=True)
        store.tables[module.api_name].load(records)

    def _times(self, count: int) -> tuple[list[int], list[int]]:
        """Created (ascending) and modified times."""
        rng = self._rng
        created = sorted(rng.randrange(_START, _END - 90 * 86_400) for _ in range(count))
        modified = []
        for moment in created:
            kind = rng.random()
            if kind < 0.4:
                modified.append(moment)
            elif kind < 0.5:
                near = rng.choice(_DST) + rng.randrange(-7_200, 7_200)
                modified.append(max(near, moment))
            else:
                modified.append(rng.randrange(moment, _END))
        # An import: a twentieth of the module in one second, which is the last of them all
        # in half of the seeds and somewhere in the middle in the others.
        together = max(count // 20, min(count, 3))
        last = max(created)
        instant = _END if rng.random() < 0.5 else min(_END, last + rng.randrange(0, 86_400))
        for position in rng.sample(range(count), together):
            modified[position] = instant
        return created, modified

    # --- values -------------------------------------------------------------------------------

    def _makers(self, module: Module) -> list[tuple[str, Maker]]:
        found: list[tuple[str, Maker]] = []
        for field in module.fields.values():
            maker = self._named(module, field)
            if maker is None and not (field.kept or field.api_name == "Owner"):
                maker = self._typed(field)
            if maker is not None:
                key = PARENT if field.data_type == "multi_module_lookup" else field.api_name
                found.append((key, maker))
        return found

    def _pick(self, pool: Sequence[Any], empty: float = 0.0) -> Maker:
        """A maker that draws from a pool, and is empty with a probability."""
        draw, size = self._rng.random, len(pool)
        if not size:
            return lambda number, when: None
        if not empty:
            return lambda number, when: pool[int(draw() * size)]
        share = size / (1.0 - empty)

        def make(number: int, when: int) -> Any:
            at = int(draw() * share)
            return pool[at] if at < size else None

        return make

    def _ids(self, module: str) -> list[str]:
        table = self._store.tables.get(module)
        return list(table.live) if table is not None else []

    def _named(self, module: Module, field: Field) -> Maker | None:
        """Makers of standard fields that want more than their type's values."""
        name, rng = field.api_name, self._rng
        if field.custom and name != "Customer_Number":
            return None
        if name == "Email":
            first, last = words.FIRST_NAMES, words.LAST_NAMES

            def email(number: int, when: int) -> str | None:
                if rng.random() < 0.08:
                    return None
                given = first[number % 20].encode("ascii", "ignore").decode().lower() or "x"
                family = last[(number // 3) % 24].encode("ascii", "ignore").decode() or "y"
                family = family.replace(" ", "").replace("'", "").replace(",", "")
                return f"{given.replace(' ', '')}.{family}.{number}@example.com"

            return email
        if name == "Tag":
            store, api_name = self._store, module.api_name
            tags = [store.define_tag(api_name, text) for text in words.TAGS]
            for tag in store.tags[api_name].values():
                tag["created_time"] = tag["modified_time"] = _START
            choices = [(), (), (), (tags[0],), (tags[1], tags[2]), (tags[3],), (tags[4], tags[5])]
            return self._pick(choices)
        if name == "Customer_Number":
            return lambda number, when: f"C-{number:07d}" if number % 5 else None
        if name == "Record_Image":
            return lambda number, when: f"5f1a{number:06x}c0ffee" if number % 11 == 3 else None
        if name == "Description":
            texts = self._pick(words.TEXTS, 0.5)
            return lambda number, when: (
                words.LONG_TEXT if number % 97 == 13 else texts(number, when)
            )
        if name == "Unsubscribed_Mode":
            return lambda number, when: "Manual" if number % 23 == 5 else None
        if name == "Unsubscribed_Time":
            return lambda number, when: when + 3_600 if number % 23 == 5 else None
        if name == "Record_Creation_Source_ID__s":
            return lambda number, when: "0"
        if name == "Account_Name" and module.api_name == "Accounts":
            heads, tails = words.COMPANY_HEADS, words.COMPANY_TAILS
            return lambda number, when: (
                f"{heads[int(rng.random() * len(heads))]} {tails[number % len(tails)]}"
                + (f" {number}" if number >= 12 else "")
            )
        if name == "Product_Name":
            pool = words.PRODUCTS
            return lambda number, when: (
                pool[number] if number < len(pool) else f"{pool[number % len(pool)]} {number}"
            )
        if name == "Deal_Name":
            heads = words.COMPANY_HEADS
            return lambda number, when: f"{heads[number % len(heads)]} – deal {number}"
        if name == "Pipeline":
            return self._pick([layout.id for layout in module.layouts])
        if name in ("Sub_Pipeline", "Stage", "Associated_Products"):
            return lambda number, when: None
        if name == "Call_Duration":
            return lambda number, when: int(rng.random() * 90)
        if name == "Call_Start_Time":
            return lambda number, when: when + 600
        if name == "Start_DateTime":
            return lambda number, when: when + 86_400
        if name == "End_DateTime":
            return lambda number, when: when + 90_000
        if name == "Recurring_Activity":
            rule = {"RRULE": "FREQ=WEEKLY;INTERVAL=1;DTSTART=2025-01-01;UNTIL=2025-06-30"}
            return self._pick([rule], 0.8)
        if name == "Remind_At":
            value: Any = [{"unit": 15, "period": "minutes"}]
            if field.data_type == "ALARM":
                value = {"ALARM": "FREQ=NONE;ACTION=EMAIL;TRIGGER=DATE-TIME:2025-07-01T17:00:00Z"}
            return self._pick([value], 0.7)
        if name == "Participants":
            contacts = self._ids("Contacts")
            guests = [[{"type": "contact", "participant": id}] for id in contacts[:20]]
            return self._pick(
                [*guests, [{"type": "email", "participant": "guest@example.com"}]], 0.4
            )
        if field.data_type == "multi_module_lookup":
            return self._parents(module.api_name)
        if name == "Note_Content":
            return self._pick((*words.TEXTS, "x" * 5_000))
        if name == "File_Name":
            return lambda number, when: f'Angebot {number}, "final".txt'
        if name == "Size":
            return lambda number, when: str(100 + number)
        if name == "Parent_Id":
            return self._pick(self._ids("Pipelines"))
        if name == "Sequence_Number":
            return lambda number, when: number + 1
        if name == "Quantity":
            return self._pick((Decimal(1), Decimal(2), Decimal("2.5"), Decimal(10)))
        if name == "List_Price":
            return self._pick((Decimal("42.5"), Decimal("0.1"), Decimal("1999.99")))
        if name == "Discount":
            return self._pick((Decimal(0), Decimal("0.05")), 0.5)
        pool_of = _POOLS.get(name)
        return None if pool_of is None else self._pick(*pool_of)

    def _parents(self, module: str) -> Maker:
        modules = ("Contacts", "Accounts", "Pipelines")
        pools = [(name, ids) for name in modules if (ids := self._ids(name))]
        if not pools:
            return lambda number, when: None
        rng = self._rng
        # Notes and attachments always hang on something; an activity may stand alone.
        alone = 0 if module in ("Notes", "Attachments") else 5

        def parent(number: int, when: int) -> Any:
            if alone and number % alone == 0:
                return None
            name, ids = pools[number % len(pools)]
            return (name, ids[int(rng.random() * len(ids))])

        return parent

    def _typed(self, field: Field) -> Maker | None:
        """Makers by data type; a custom field is empty in a third of the records."""
        kind, empty = field.data_type, 0.0 if field.mandatory else 0.3
        store = self._store
        if kind in ("text", "textarea"):
            return self._pick([text for text in words.TEXTS if len(text) <= field.length], empty)
        if kind in ("currency", "double", "decimal"):
            return self._pick(_DECIMALS, empty)
        if kind == "percent":
            return self._pick((Decimal(0), Decimal("12.5"), Decimal(100)), empty)
        if kind == "integer":
            return self._pick(words.INTEGERS, empty)
        if kind == "bigint":
            return self._pick(words.BIGINTS, empty)
        if kind == "boolean":
            return self._pick((True, False))
        if kind == "date":
            return self._pick(words.DATES, empty)
        if kind == "datetime":
            shift = (0, 3_600, 86_400, 20_000_000)
            pick = self._pick((*shift, *_DST), empty)

            def moment(number: int, when: int) -> Any:
                value = pick(number, when)
                return value if value is None or value in _DST else when + value

            return moment
        if kind == "email":
            return self._pick(
                ("a@example.com", "MiXed.Case@Example.com", "o'brien@example.com"), empty
            )
        if kind == "phone":
            return self._pick(("+1 (555) 010-9999", "0043 1 234567", "+49-30-1234 ext. 5"), empty)
        if kind == "website":
            return self._pick(('https://example.com/?q=a,b&c="d"', "www.example.com"), empty)
        if kind == "picklist":
            return self._pick(sorted(field.actual_values), empty)
        if kind == "multiselectpicklist":
            values = [item.actual for item in field.picklist]
            return self._pick([tuple(values[:end]) for end in range(1, len(values) + 1)], empty)
        if kind == "lookup":
            return self._pick(self._ids(field.lookup), empty)
        if kind == "multiselectlookup":
            ids = self._ids(field.lookup)
            return self._pick([(), *[tuple(ids[i : i + 2]) for i in range(min(8, len(ids)))]])
        users = [user.id for user in store.users]
        if kind == "userlookup":
            return self._pick(users, empty)
        if kind == "multiuserlookup":
            return self._pick([(), (users[0],), tuple(users)])
        if kind in ("fileupload", "imageupload"):
            key = "file_Name" if kind == "fileupload" else "File_Name"
            return self._pick(
                [[{key: "scan 1.pdf", "file_Id": "5f1ae9", "file_Size": "1024"}]], 0.8
            )
        return self._pick(("some value of an unknown type",), empty)

    def _finish(self, module: Module, values: dict[str, Any]) -> None:
        """What depends on another value: the sub-pipeline and stage of a deal."""
        if module.api_name == "Pipelines":
            layout = module.layout(values["Pipeline"])
            if layout is not None:
                sub = self._rng.choice(layout.sub_pipelines)
                values["Sub_Pipeline"] = sub.actual
                values["Stage"] = self._rng.choice(sub.stages)


#: Pools of standard fields: values, and the share of records that have none.
_POOLS: Final[dict[str, tuple[Sequence[Any], float]]] = {
    "First_Name": (words.FIRST_NAMES, 0.1),
    "Last_Name": (words.LAST_NAMES, 0.0),
    "Title": (words.TITLES, 0.4),
    "Mailing_Street": (words.STREETS, 0.3),
    "Mailing_City": (words.CITIES, 0.2),
    "Mailing_State": (tuple(filter(None, words.STATES)), 0.4),
    "Mailing_Country": (words.COUNTRIES, 0.2),
    "Mailing_Zip": (("00501", "10115", "SW1A 1AA", "100-0001"), 0.3),
    "Billing_Street": (words.STREETS, 0.3),
    "Billing_City": (words.CITIES, 0.2),
    "Billing_State": (tuple(filter(None, words.STATES)), 0.4),
    "Billing_Country": (words.COUNTRIES, 0.2),
    "Billing_Code": (("00501", "10115", "SW1A 1AA"), 0.3),
    "Subject": (words.SUBJECTS, 0.0),
    "Event_Title": (words.SUBJECTS, 0.0),
    "Venue": (words.VENUES, 0.4),
    "Note_Title": (words.SUBJECTS, 0.2),
    "Call_Agenda": (words.TEXTS[:6], 0.5),
    "Dialled_Number": (("+1 555 0100", "0043 1 234567"), 0.5),
    "Product_Code": (("P-001", "007", "1e5", "ÄÖ-9"), 0.2),
}
