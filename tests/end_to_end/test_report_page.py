"""The page of a sweep, report.html, as a user sees it: from a file, with the network cut off."""

import base64
import contextlib
import csv
import io
import json
import re
import shutil
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from mlflow import MlflowClient
from scipy.special import softmax

from browser import chromium
from commands import LONG, run
from firefox import FIREFOX, firefox
from l1path.objective import scores
from sparse_digits.model import standardize
from sparse_digits.predict.preparation import DIGITS
from sparse_digits.runtime.npz import read_npz
from sparse_digits.sweep.csv_table import read_csv
from sweeps import SWEPT_CS

READY = "Boolean(globalThis.sparseDigits)"
AXE = "axe-core@4.11.1"
BROWSERS = {"chromium": (shutil.which("chromium"), chromium), "firefox": (FIREFOX, firefox)}

in_both = pytest.mark.parametrize("browser", BROWSERS, indirect=True)  # other tests are in Chromium alone


@pytest.fixture(scope="module", params=["chromium"])
def browser(request, tmp_path_factory):
    program, start = BROWSERS[request.param]
    if not program:
        pytest.skip(f"{request.param} is not installed")
    with start(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser, swept):
    """The page of `swept`, opened without a network."""
    browser.cut_off()
    browser.resize(1280, 900)
    browser.open((swept / "sweep/report.html").as_uri())
    yield browser
    assert browser.complaints() == []


@pytest.fixture(scope="module")
def points(swept):
    return read_npz(swept / "sweep/models.npz")[1]


@in_both
def test_the_page_requests_nothing_but_itself(page, swept):
    page.press("ArrowRight")
    assert set(page.addresses()) <= {(swept / "sweep/report.html").as_uri()}  # Firefox does not list a file


@in_both
def test_the_scores_of_the_page_are_those_of_python_for_the_same_pixels(page, swept, points):
    rng = np.random.default_rng(0)
    _, raw = read_npz(swept / "data/raw.npz")
    images = np.concatenate([raw["images"][:40], rng.integers(0, 17, size=(10, 64))])
    X = standardize(images, points["mean"][0], points["scale"][0])
    for i in range(len(SWEPT_CS)):
        expected = scores(X, points["coef"][i], points["intercept"][i])
        calls = f"{json.dumps(images.tolist())}.map((pixels) => sparseDigits.%s(pixels, 0, {i}))"
        assert np.abs(np.array(page.evaluate(calls % "scores")) - expected).max() < 1e-6
        np.testing.assert_allclose(
            page.evaluate(calls % "probabilities"), softmax(expected, axis=1), atol=1e-6
        )


def shown(page):
    """Return what the page shows of the chosen point."""
    return page.evaluate(
        """({
            C: Number(document.querySelector('#chosen').textContent),
            accuracy: document.querySelector('[data-metric=accuracy] td').textContent,
            spoken: document.querySelector('#slider').getAttribute('aria-valuetext'),
            images: document.querySelectorAll('#weights canvas').length,
            row: document.querySelector('[aria-current=true] th').textContent,
        })"""
    )


@in_both
def test_the_arrow_keys_move_the_slider_and_all_that_is_shown_with_it(page, points, swept):
    chosen = json.loads((swept / "sweep/chosen.json").read_text())["train_size_1000"]["one_standard_error"][
        "C"
    ]
    assert shown(page)["C"] == chosen
    page.evaluate("document.querySelector('#slider').focus()")
    page.press("ArrowRight")
    i = SWEPT_CS.index(chosen) + 1
    assert shown(page)["C"] == SWEPT_CS[i]
    page.press("End")
    now = shown(page)
    assert now["C"] == SWEPT_CS[-1] == float(now["row"])
    assert now["accuracy"] == f"{points['accuracy'][-1]:.4f}"
    assert now["spoken"].startswith(f"C = {SWEPT_CS[-1]:g}, ")
    assert now["images"] == 10


def test_at_the_examples_C_the_example_is_shown_beside_the_optimum(page):
    page.evaluate("document.querySelector('[data-mark=example]').click()")
    assert shown(page)["images"] == 20
    titles = page.evaluate("[...document.querySelectorAll('#weights h3')].map((title) => title.textContent)")
    assert titles[1].startswith("At the same C, the example's solver, stopped after ")


def draw_a_one(page, **how):
    """Draw a vertical stroke on the empty pad; return the answer of the page."""
    page.evaluate("document.querySelector('#clear').click()")
    assert page.evaluate("document.querySelector('#answer').textContent") == "Nothing is drawn yet."
    page.evaluate("document.querySelector('#pad').scrollIntoView({block: 'center'})")
    frame = page.evaluate(
        "(({x, y, width}) => [x, y, width])(document.querySelector('#pad').getBoundingClientRect())"
    )
    x, y, width = frame
    page.drag(*[(x + width * 0.5, y + width * share) for share in (0.15, 0.4, 0.6, 0.85)], **how)
    return page.evaluate("document.querySelector('#answer').textContent")


@in_both
def test_a_drawing_is_prepared_scored_and_followed_along_C(page):
    assert draw_a_one(page).startswith("1 with a probability of ")
    assert page.evaluate("document.querySelectorAll('#votes canvas').length") == 3  # two classes and the bar
    assert page.evaluate("document.querySelectorAll('.along-class').length") == len(SWEPT_CS)


@pytest.mark.parametrize("pointer", ["pen", "finger"])
def test_a_pen_and_a_finger_draw_as_the_mouse_does(page, pointer):
    assert draw_a_one(page, by=pointer) == draw_a_one(page)


@pytest.mark.parametrize("size", [40, 61, 97])
def test_the_page_prepares_a_drawing_as_the_command_predict_does(page, size):
    drawn = np.random.default_rng(size).random((size, size))
    drawn[: size // 3] = drawn[:, size // 2 :] = 0
    for ink in (drawn, np.round(drawn), np.zeros((size, size))):
        pixels = page.evaluate(f"[...sparseDigits.prepare({ink.ravel().tolist()}, {size})]")
        assert pixels == DIGITS.pixels(ink).tolist()


@in_both
def test_a_test_digit_is_put_on_the_pad_with_its_label(page):
    page.evaluate("document.querySelector('#samples-wrong button').click()")
    assert page.evaluate("document.querySelector('#answer').textContent").endswith(", which is wrong.")
    page.evaluate("document.querySelector('#samples-right button').click()")
    assert page.evaluate("document.querySelector('#answer').textContent").endswith(
        " The label is 0, which is right."
    )


def test_a_click_on_a_column_sorts_the_table_and_the_csv_has_all_points(page, swept):
    rows_of_table = "[...document.querySelectorAll('.points tbody tr')]"
    column = f"{rows_of_table}.map((row) => Number.parseFloat(row.children[1].textContent))"
    for _ in range(2):
        page.evaluate("document.querySelector('[data-column=sparsity]').click()")
    sparsities = page.evaluate(column)
    assert sparsities == sorted(sparsities, reverse=True)
    address = page.evaluate("document.querySelector('#csv').href")
    assert address.startswith("data:text/csv")
    rows = list(csv.DictReader(io.StringIO(page.evaluate("sparseDigits.csv()"))))
    table = read_csv(swept / "sweep/sweep.csv")
    for name in ("C", "sparsity", "duality_gap", "nonzero_weights"):
        np.testing.assert_allclose([float(row[name]) for row in rows], table[name], atol=1e-9)


def test_other_results_are_laid_over_the_curve_and_another_file_is_refused(page, swept, tmp_path):
    page.call("DOM.enable")

    def lay(condition, *paths):
        root = page.call("DOM.getDocument")["root"]["nodeId"]
        node = page.call("DOM.querySelector", nodeId=root, selector="#overlays")["nodeId"]
        page.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])
        page.wait_until(condition)

    count = "document.querySelectorAll('#curve > svg > .overlay-point').length"
    legend = "document.querySelector('.legend').textContent"
    lay(f"{count} === {1 + len(SWEPT_CS)}", swept / "results/metrics.json", swept / "sweep/sweep.csv")
    assert "metrics.json" in page.evaluate(legend)
    (tmp_path / "poor.json").write_text('{"accuracy": 0.3, "sparsity": 99.9}')
    lay(f"{count} === 1", tmp_path / "poor.json")
    edge = page.evaluate(
        """(() => {
            const mark = document.querySelector('#curve > svg > .overlay-point');
            const { x, y, width, height } = document.querySelector('#curve-clip rect').getBBox();
            return [...mark.getAttribute('transform').match(/[0-9.]+/g).map(Number), x + width, y + height];
        })()"""
    )
    assert edge[:2] == edge[2:]
    assert "poor.json (1 of 1 below this part, at its edge)" in page.evaluate(legend)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    message_shown = "document.querySelector('#overlay-error').textContent"
    lay(message_shown, tmp_path / "other.csv")
    message = page.evaluate(message_shown)
    assert message.startswith("other.csv: expected a sweep.csv or a metrics.json ")


@pytest.mark.parametrize("width", [360, 3840])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_into_a_window_of_any_width(page, width, scheme):
    page.prefer(scheme)
    page.resize(width, 900)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_has_the_focus_can_be_seen_and_keeps_it(page):
    covered = page.evaluate(
        """[...document.querySelectorAll('a, button, input, select, summary')].reverse().filter((control) => {
            control.focus();
            const { left, top, width, height } = control.getBoundingClientRect();
            return !control.contains(document.elementFromPoint(left + width / 2, top + height / 2));
        }).map((control) => control.outerHTML)"""
    )
    assert covered == []
    buttons = "document.querySelectorAll('.points tbody button')"
    C = page.evaluate(f"(([, second]) => (second.focus(), second.click(), second.textContent))({buttons})")
    assert C == page.evaluate("document.activeElement.textContent") == f"{shown(page)['C']:g}"


def test_the_page_prints_on_two_sheets(page):
    done = page.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
    sheets = re.findall(rb"/Type\s*/Page\b", base64.b64decode(done["data"]))
    assert 1 <= len(sheets) <= 2


def frame_is_ready(browser):
    """Return whether the page in the frame has started; False while the frame changes its page."""
    frames = browser.frames()
    with contextlib.suppress(AssertionError):  # Chromium has dropped the frame's context by then
        return len(frames) > 1 and browser.evaluate(READY, contextId=frames[-1])
    return False


def test_the_page_works_in_the_sandboxed_frame_in_which_mlflow_shows_it(browser, swept, tmp_path):
    shutil.copy(swept / "sweep/report.html", tmp_path)
    (tmp_path / "mlflow.html").write_text(
        """<!DOCTYPE html><link rel="icon" href="data:,"><iframe sandbox="allow-scripts"></iframe>
        <script type="module">
        const content = new Blob([await (await fetch("report.html")).text()], { type: "text/html" });
        document.querySelector("iframe").src = URL.createObjectURL(content);
        </script>"""
    )
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        browser.connect()
        Thread(target=server.serve_forever, daemon=True).start()
        browser.open(f"http://127.0.0.1:{server.server_port}/mlflow.html")
        deadline = time.monotonic() + LONG
        while not frame_is_ready(browser):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        server.shutdown()
    frame = browser.frames()[-1]
    assert browser.evaluate("document.querySelector('#chosen').textContent", contextId=frame)
    assert browser.evaluate("origin", contextId=frame) == "null"
    assert browser.complaints() == []


def test_the_page_is_in_the_record_and_among_the_artifacts_of_the_sweeps_run(swept):
    content = (swept / "sweep/report.html").read_bytes()
    (recorded,) = (swept / "records").rglob("files/sweep/report.html")
    assert recorded.read_bytes() == content
    client = MlflowClient(f"sqlite:///{swept}/mlflow.db")
    (experiment,) = (e for e in client.search_experiments() if e.name == "sparse-digits")
    (parent,) = client.search_runs([experiment.experiment_id], "tags.`sweep.parent` != ''")
    assert "sweep/report.html" in [file.path for file in client.list_artifacts(parent.info.run_id, "sweep")]


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_axe_finds_no_violation_in_either_color_scheme(page, tmp_path):
    run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", AXE, cwd=tmp_path)
    page.evaluate((tmp_path / "node_modules/axe-core/axe.min.js").read_text())
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        violations = page.evaluate("axe.run().then(({ violations }) => violations)")
        assert [(found["id"], [node["html"] for node in found["nodes"]]) for found in violations] == []
