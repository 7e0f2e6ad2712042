"""The HTML file: one file, whose scripts are the modules of the package, and whose content cannot end it."""

import json
import re
import shutil
import subprocess

import pytest

from sparse_digits.sweep.page import document

TEXTS = dict.fromkeys(("what_C_does", "what_the_images_show", "what_the_gap_says", "gap_at_example"), "A < B")


def test_no_text_and_no_content_can_end_the_element_that_it_is_in():
    page = document.document({"title": "</script><script>alert(1)"}, TEXTS)
    assert page.count("</script>") == 2
    assert "A &lt; B" in page
    content = re.search(r'<script type="application/json" id="content">(.*?)</script>', page)[1]
    assert json.loads(content) == {"title": "</script><script>alert(1)"}


def test_nothing_in_the_page_names_another_address_but_the_namespace_of_svg():
    page = document.document({}, TEXTS)
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page
    assert "{{" not in page


def test_a_module_comes_after_those_that_it_imports_and_keeps_its_text(tmp_path):
    (tmp_path / "a.js").write_text('import { b } from "./b.js";\nexport const a = b + 1;\n')
    (tmp_path / "b.js").write_text("export const b = 1;\n")
    joined = document.joined_scripts(tmp_path)
    assert joined == "// ---- b.js ----\nconst b = 1;\n\n// ---- a.js ----\nconst a = b + 1;\n"


def test_every_import_is_of_a_name_that_a_module_exports():
    sources = {path.stem: path.read_text() for path in (document.FOLDER / "scripts").glob("*.js")}
    for source in sources.values():
        for names, module in re.findall(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', source, re.MULTILINE):
            for name in re.findall(r"\w+", names):
                assert re.search(rf"^export (?:function|const) {name}\b", sources[module], re.MULTILINE)
    assert "import " not in document.joined_scripts(document.FOLDER / "scripts")


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_joined_scripts_have_no_error_of_syntax(tmp_path):
    (tmp_path / "page.mjs").write_text(document.joined_scripts(document.FOLDER / "scripts"))
    subprocess.run(["node", "--check", str(tmp_path / "page.mjs")], check=True)
