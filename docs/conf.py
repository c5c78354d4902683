"""Sphinx's settings: `make docs` makes the site, strictly, into .cache/docs."""

import os
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]
os.environ |= {
    "DEBUG": "true",  # no key is needed, and nothing connects
    "ENV_FILE": os.devnull,
    "DJANGO_SETTINGS_MODULE": "tradingrules.settings",
}

project = "Trading Rules"
copyright = "the authors of Trading Rules"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
myst_heading_anchors = 3  # as a forge makes them, so that links hold in both places
myst_fence_as_directive = ["mermaid"]
html_theme = "furo"
html_title = project
html_copy_source = False
# A shell session with quotes over several lines is more than the highlighter knows.
suppress_warnings = ["misc.highlighting_failure"]


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _write_reference)


def _write_reference(app: Sphinx) -> None:
    from generated import write  # noqa: PLC0415 -- it sets Django up

    write(DOCS / "reference")
