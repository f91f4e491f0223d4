"""Words for generated records: plain ones, and those that break careless programs.

Written here in escapes where an editor would hide the trouble: combining characters, text that
runs from right to left, zero-width joiners, quotes, commas, newlines, blanks at the ends.
"""

from __future__ import annotations

from typing import Final

FIRST_NAMES: Final = (
    "Ada", "Björn", "Chloé", "Dmitri", "Ewa", "Fátima", "Gülşen", "Hye-jin", "Ibrahim", "Jürgen",
    "Katarzyna", "Lars", "Miyuki", "Ngozi", "Óscar", "Priya", "Quinn", "Renée", "Siobhán", "Thuỳ",
    "Uchenna", "Vojtěch", "Wei", "Ximena", "Yusuf", "Zoë", "Ann,Marie", 'Jo "JJ"',
    # e + combining acute, not the single character: equal to the eye, unequal as text.
    "Rene\u0301", "\u05d3\u05d5\u05d3", "\u0645\u0631\u064a\u0645", "\u674e\u96f7",
    "Max\U0001f680",
)  # fmt: skip

LAST_NAMES: Final = (
    "Adeyemi", "Brown", "Çelik", "D'Angelo", "Eriksson", "Fernández", "García Márquez", "Hansen",
    "Ishikawa", "Jones", "Kovács", "Lindqvist", "Müller", "Nguyễn", "O'Brien", "Petrov", "Qureshi",
    "Rossi", "Smith", "Tanaka", "Ueda", "Van der Berg", "Weiß", "Xu", "Yılmaz", "Żółć",
    "Smith, Jr.", "O\u2019Neil", "\u05db\u05d4\u05df", "\u0627\u0644\u062e\u0637\u064a\u0628",
    "\u738b", "Null", "None", "True", "123", "=SUM(A1)", "Lovelace\u200d", 'de la Peña "El Rey"',
)  # fmt: skip

COMPANY_HEADS: Final = (
    "Acme", "Blue Heron", "Café Zürich", "Delta & Sons", "Évian Labs", "Fjord", "Globex",
    "Höhere Ziele", "Initech", "Jalapeño", "Kowalski", "Lumière", "Müller", "Nordic", "O'Reilly",
    "Pied Piper", "Quantum", "R\u00e9sum\u00e9", "Smörgås", "Tàpies", "\u6771\u4eac",
    "\u0633\u0627\u0631\u0629", 'Vandelay "Imports"', "Wayne", "1,000 Ideas",
)  # fmt: skip
COMPANY_TAILS: Final = (
    "GmbH", "Inc.", "Ltd", "S.A.", "Holding AG", "Kft.", "& Co. KG", "Oy", "Pty, Ltd", "LLC",
    "株式会社", "Group",
)  # fmt: skip

CITIES: Final = (
    "Berlin", "São Paulo", "Kraków", "Nairobi", "Los Angeles", "Zürich", "Wien", "Reykjavík",
    "İstanbul", "東京", "L'Aquila", "St. John's", "Queenstown, Lakes", "Łódź",
)  # fmt: skip
STATES: Final = ("CA", "NY", "Bayern", "Île-de-France", "Ōsaka", "NSW", "")
COUNTRIES: Final = (
    "Germany", "Brazil", "Poland", "Kenya", "United States", "Switzerland", "Côte d'Ivoire",
    "日本", "Türkiye",
)  # fmt: skip
STREETS: Final = (
    "Hauptstraße 5", "12 O'Connell St.", 'Rua "Nova" 7, 3º', "5th Avenue\nSuite 900",
    "Lange Gasse 1\r\nHinterhaus", "1-2-3 Shibuya", "Main St; back door", "Плошча 9",
)  # fmt: skip
TITLES: Final = ("CEO", "Head of R&D", "Leiter, Einkauf", "Ingénieure", '"Acting" CFO', "QA")

#: Free text: short and long, with everything that CSV, JSON and shells trip over.
TEXTS: Final = (
    "Plain sentence.",
    "Two\nlines, and a comma",
    'Tab\there, "quotes" there',
    "Trailing blanks are kept   ",
    "   leading ones too",
    "It's; a list; with semicolons",
    "emoji \U0001f469\u200d\U0001f4bb family \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "flag \U0001f1eb\U0001f1ee",
    "RTL \u05e9\u05dc\u05d5\u05dd and \u0645\u0631\u062d\u0628\u0627 mixed with LTR",
    "combining: a\u0308 o\u0308 n\u0303 \u1100\u1161\u11a8",
    "back\\slash and 'single' quotes",
    "null",
    "0",
    "NaN",
    "2025-02-30",
    "a\u00a0no-break\u2007space",
    "line separator\u2028inside",
    "<b>markup</b> &amp; entities",
    '{"json": [1, 2, null]}',
    "'; DROP TABLE contacts; --",
    "\u0130stanbul \u0131\u015f\u0131k (dotless i)",
)  # fmt: skip

#: One of exactly 32,000 characters, the longest a Description may be (bigin-api.md 1.4).
LONG_TEXT: Final = ("Long text, line %d.\n" * 1_600)[:31_990] + " the end.\U0001f3c1"

SUBJECTS: Final = (
    "Call back", "Send quote, v2", 'Prepare "demo"', "Follow-up: O'Brien", "Überprüfen",
    "会議", "Invoice #42", "Renewal 2026",
)  # fmt: skip
PRODUCTS: Final = (
    "Nango Test Product", "Nango Unlink Test Product", "Espresso Machine", "Support, 24/7",
    'Licence "Pro"', "Ünit", "Cable 2m", "コンサル",
)  # fmt: skip
VENUES: Final = ("Room 1", "Café Zürich", "https://meet.example.com/x?y=1&z=2", "Online; Zoom")
TAGS: Final = ("VIP", "newsletter", "Prüfen", "trade fair, 2025", "🔥 hot", "Do Not Call")

#: Numbers that a float, a rounding or a thousands separator spoils.
DECIMALS: Final = (
    "0.1", "0.2", "0.3", "1234567.89", "99999999.99", "0", "-12.5", "42.5", "1000000", "0.01",
    "123456789012.34", "19.99",
)  # fmt: skip
INTEGERS: Final = (0, 1, -1, 42, 999_999_999, 7, 100, 65_536, -40_000)
BIGINTS: Final = ("9007199254740993", "1", "999999999999999999", "0", "1234567890123456789")
DATES: Final = (
    "2024-02-29", "2025-12-31", "2025-03-09", "2025-11-02", "1970-01-01", "2025-06-15",
    "1999-12-31", "2026-01-01",
)  # fmt: skip
