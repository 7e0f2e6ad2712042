"""The HTML file: the template, its style and its scripts, and the content as JSON, all in one."""

import html
import json
import re
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) )", re.MULTILINE)


def document(content: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """Return the page.

    content : what its scripts read.  texts : plain text for each {{name}} of the template.
    """
    parts = {name: html.escape(text, quote=False) for name, text in texts.items()} | {
        "style": (FOLDER / "page.css").read_text(encoding="utf-8"),
        "content": json.dumps(content, separators=(",", ":")).replace("<", r"\u003c"),
        "scripts": joined_scripts(FOLDER / "scripts"),
    }
    template = (FOLDER / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def joined_scripts(folder: Path) -> str:
    """Return the ES modules of a folder as one script, each after those that it imports.

    A browser does not load modules from files, and the page is one file. The modules share one scope then:
    two top-level names that are equal are an error of syntax.
    """
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.js"))}
    order = TopologicalSorter({name: IMPORT.findall(source) for name, source in sources.items()})
    return "\n".join(
        f"// ---- {name}.js ----\n{EXPORT.sub('', IMPORT.sub('', sources[name]))}"
        for name in order.static_order()
    )
