"""What the site has besides the pages of docs/: those that readers look for at the top of the repository.

Rule: no text is copied. The files at the top are read where they lie, and a link that is right on a forge is
made right on the site: it leads to the page of the file it names, under that page's title where the text was
the file's name; where the site has no such page, the text alone stays. What a page loads must come from the
site itself: anything else fails the build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
#: Files at the top, and the pages they become. The first page is docs/index.md, so README.md is another.
TOP = {
    "README.md": "OVERVIEW.md",
    "ARCHITECTURE.md": "ARCHITECTURE.md",
    "SECURITY.md": "SECURITY.md",
    "CHANGELOG.md": "CHANGELOG.md",
}
#: A block of code, a link or an image, or code within a line, whichever comes first.
PIECE = re.compile(
    r"^(?P<fence>```+|~~~+).*?^(?P=fence)\s*?$"
    r"|(?P<image>!?)\[(?P<text>(?:`[^`\n]*`|[^\]`])*)\]\((?P<target>[^()\s]+)\)"
    r"|`[^`\n]+`",
    re.MULTILINE | re.DOTALL,
)
#: What a page loads by itself, unlike a link that its reader may follow.
LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b(?![^>]*\bcanonical\b)[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>",
    re.IGNORECASE,
)


def links(markdown: str) -> list[tuple[int, str]]:
    """Tell the links of a text, with the line of each; what looks like one in code is none."""
    return [
        (markdown.count("\n", 0, piece.start()) + 1, piece["target"])
        for piece in PIECE.finditer(markdown)
        if piece["target"]
    ]


def home(page: str) -> str:
    """Tell the file of the repository that a page of the site is made of."""
    return next((file for file, name in TOP.items() if name == page), f"docs/{page}")


def for_the_site(markdown: str, page: str, titles: Mapping[str, str]) -> str:
    """Rewrite a page's links to files of the repository as links to pages, whose titles are given."""

    def rewritten(piece: re.Match[str]) -> str:
        target = piece["target"]
        if piece[0].startswith("`") and not piece["fence"] and row(piece.start()):
            return piece[0].replace("\\|", "|")  # a forge wants the backslash there, Markdown shows it
        if not target or re.match(r"[a-z]+:|#|/", target):
            return piece[0]
        path, mark, anchor = target.partition("#")
        file = posixpath.normpath(posixpath.join(posixpath.dirname(home(page)), path))
        place = TOP.get(file) or file.removeprefix("docs/")
        if place in titles and (file in TOP or file.startswith("docs/")):
            text = titles[place] if re.fullmatch(r"[\w/-]+\.md", piece["text"]) else piece["text"]
            place = posixpath.relpath(place, posixpath.dirname(page) or ".")
            return f"{piece['image']}[{text}]({place}{mark}{anchor})"
        # What is missing altogether stays, for the strict build to find.
        return piece["text"] if (ROOT / file).exists() else piece[0]

    def row(position: int) -> bool:
        return markdown.startswith("|", markdown.rfind("\n", 0, position) + 1)

    return PIECE.sub(rewritten, markdown)


def title(text: str) -> str:
    """Tell a page's title."""
    found = re.search(r"^# (.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files at the top."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - the tests of this file need no mkdocs

    for file, page in TOP.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Make a page's links right on the site."""
    titles = {file.src_uri: title(file.content_string) for file in files.documentation_pages()}
    titles.update((file.src_uri, "") for file in files.media_files())
    return for_the_site(markdown, page.file.src_uri, titles)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001
    """Refuse a page that loads something from elsewhere."""
    from mkdocs.exceptions import PluginError  # noqa: PLC0415 - as above

    for found in foreign(output):
        raise PluginError(f"{page.file.src_uri} loads something from elsewhere: {found}")
    return output


def foreign(html: str) -> list[str]:
    """Tell what a page loads that is not the site's own."""
    return [tag[0] for tag in LOADED.finditer(html)]
