"""Take the pictures of the page in the README: the top of sweep/report.html in light and dark, with Chromium.

python tests/support/page_pictures.py
"""

import tempfile
import time
from pathlib import Path

from PIL import Image

from browser import chromium
from projects import ROOT

WIDTH = 1200
BOTTOM = "document.querySelector('#pad-section').getBoundingClientRect().top"


def main():
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder)) as page:
        page.resize(WIDTH, 900)
        page.open((ROOT / "sweep/report.html").as_uri())
        bottom = int(page.evaluate(BOTTOM))
        for scheme in ("light", "dark"):
            page.prefer(scheme)
            time.sleep(1)  # the images are painted anew
            target = ROOT / f"docs/page-{scheme}.png"
            page.screenshot(target)
            with Image.open(target) as image:
                top = image.convert("RGB").crop((0, 0, image.width, bottom))
            top.save(target, optimize=True)


if __name__ == "__main__":
    main()
