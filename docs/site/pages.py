"""MkDocs hook: add the pages that are made from the code, and those that stand outside docs/.

MkDocs loads this file by its path, so the folder is put on the path of imports first.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

import api
import commands
import settings_page
import troubleshooting

ROOT = Path(__file__).resolve().parents[2]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the files with the generated pages."""
    pages = {
        "reference/settings.md": settings_page.page(),
        "reference/commands.md": commands.page(),
        "reference/troubleshooting.md": troubleshooting.page(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        "security.md": (ROOT / "SECURITY.md").read_text(encoding="utf-8"),
        **{f"reference/{name}.md": text for name, text in api.pages().items()},
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=_inside(text)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Return a page with its links out of docs/ as plain names: the site holds docs/ only."""
    if "/" in page.file.src_uri:
        return markdown
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"`\1`", markdown)


def on_page_content(html: str, **_: object) -> str:
    """Return a page without the double colons that announce code in the docstrings."""
    return html.replace("<p>::</p>", "").replace("::</p>", ":</p>")


def _inside(text: str) -> str:
    """Return a page of the root with its links as they are from docs/."""
    text = re.sub(r"\]\(docs/([^)]+)\)", r"](\1)", text)
    return text.replace("](SECURITY.md)", "](security.md)")
