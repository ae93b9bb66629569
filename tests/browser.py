"""A reader at the keyboard: JupyterLab, as `python -m kit lab` starts it, in a real Chromium.

    with JupyterLab(folder) as lab, lab.open("04_five_levels.ipynb") as reader:
        reader.run_all()
        milliseconds = reader.press(control, "ArrowRight")

JupyterLab listens on 127.0.0.1 behind a token, and keeps its settings and workspaces in a folder of
its own.  The kernel is asked itself whether it is idle: the badge that Lab shows says so too early.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kit.commands.lab import jupyterlab_arguments

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
SETTINGS = {
    # All cells in the page, not only those in sight: a test looks at every one of them.
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},
}
PATIENCE = 60_000   # milliseconds for JupyterLab to come up and for a notebook to run
ANSWER = 2_000      # ... and for a widget to answer a key; a tenth of it is the aim

KERNEL_IS_IDLE = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
# Between two cells the kernel is idle as well: it is done when every cell has run, or one has failed unannounced.
IT_IS_DONE = f"""() => {{
    const code = window.jupyterapp.shell.currentWidget.content.model.toJSON().cells
        .filter(cell => cell.cell_type === "code" && [cell.source].flat().join("").trim());
    const failed = code.some(cell => cell.outputs.some(output => output.output_type === "error")
        && !(cell.metadata.tags ?? []).includes("raises-exception"));
    return ({KERNEL_IS_IDLE})() && (failed || code.every(cell => cell.execution_count));
}}"""
RUN_ALL = """async () => {
    await window.jupyterapp.commands.execute("notebook:clear-all-cell-outputs");
    await window.jupyterapp.commands.execute("notebook:run-all-cells");
}"""
NOTEBOOK = "() => window.jupyterapp.shell.currentWidget.content.model.toJSON()"

# What a widget shows as an answer: its texts and pictures, not the control's own read-out.
SHOWN = """(area) => [...area.querySelectorAll(".widget-html-content, .widget-image, img")]
    .map(part => part.src ?? part.innerHTML).join("\\n")"""
NAMELESS = """(areas) => areas.flatMap(area => [...area.querySelectorAll("input, select, button, [role=slider]")])
    .filter(control => control.checkVisibility()).filter(control => {
        const label = control.closest(".jupyter-widgets:not(button)")?.querySelector(".widget-label");
        return ![label?.innerText, control.innerText, control.title, control.ariaLabel].some(words => words?.trim());
    }).map(control => control.outerHTML.slice(0, 200))"""
WATCH = """(area) => {
    const shown = SHOWN, before = shown(area);
    const watch = window.kitWatch = {pressed: null, answered: null};
    addEventListener("keydown", () => { watch.pressed = performance.now(); }, {once: true, capture: true});
    new MutationObserver((_, observer) => {
        if (watch.pressed !== null && shown(area) !== before) {
            watch.answered = performance.now();
            observer.disconnect();
        }
    }).observe(area, {subtree: true, childList: true, characterData: true, attributes: true});
}""".replace("SHOWN", SHOWN)


def find_browser():
    """The path of a Chromium or Chrome, or None."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or (str(MAC) if MAC.exists() else None)


class JupyterLab:
    """JupyterLab on `folder`, and a browser to look at it, for the length of a `with` block.

    settings: an empty folder for what JupyterLab keeps of its own.
    """

    def __init__(self, folder, settings):
        self.folder, self.settings = folder, settings
        self.token = secrets.token_hex(16)

    def __enter__(self):
        with ExitStack() as stack:
            self._start_server(stack)
            self._start_browser(stack)
            self._close = stack.pop_all().close     # both are up: from here on __exit__ ends them
        return self

    def __exit__(self, *_):
        self._close()

    @contextmanager
    def open(self, name):
        """A Reader who has opened the notebook `name`; its kernel is up, and ends with the block."""
        page = self.browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE)
        try:
            reader = Reader(page)
            page.goto(f"{self.url}lab/tree/{name}?reset&token={self.token}")
            page.wait_for_function(KERNEL_IS_IDLE)
            yield reader
            page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        finally:
            page.close()

    def _start_server(self, stack):
        for name, values in SETTINGS.items():
            file = self.settings / "settings" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values), encoding="utf-8")
        places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
                  "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "spaces", "IPYTHONDIR": "ipython"}
        log = stack.enter_context(open(self.settings / "log", "w+", encoding="utf-8"))
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *jupyterlab_arguments(self.folder, "", no_browser=True),
             f"--IdentityProvider.token={self.token}", "--ServerApp.port=0", "--expose-app-in-browser"],
            env=os.environ | {name: str(self.settings / place) for name, place in places.items()},
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        stack.callback(_end, server)
        self.url = self._wait_for_url(server, log)

    def _wait_for_url(self, server, log):
        """JupyterLab writes down where it listens once it does."""
        deadline = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < deadline and server.poll() is None:
            for file in (self.settings / "runtime").glob("jpserver-*.json"):
                return json.loads(file.read_text(encoding="utf-8"))["url"]
            time.sleep(0.1)
        log.seek(0)
        raise RuntimeError("JupyterLab did not come up:\n" + log.read())

    def _start_browser(self, stack):
        from playwright.sync_api import sync_playwright
        playwright = stack.enter_context(sync_playwright())
        self.browser = playwright.chromium.launch(executable_path=find_browser(),
                                                  args=["--no-sandbox", "--disable-gpu"])
        stack.callback(self.browser.close)


def _end(server):
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()


class Reader:
    """Somebody who has one notebook open, and sees and presses what a reader sees and presses."""

    def __init__(self, page):
        self.page, self.complaints = page, []
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def run_all(self):
        """Run All Cells, and wait until they have run, or one has failed."""
        self.page.evaluate(RUN_ALL)
        self.page.wait_for_function(IT_IS_DONE)

    def errors(self):
        """The unannounced errors among the outputs, a sentence each."""
        return [f"cell {number}: {output['ename']}: {output['evalue']}"
                for number, cell in enumerate(self.page.evaluate(NOTEBOOK)["cells"], 1)
                for output in cell.get("outputs", [])
                if output["output_type"] == "error" and "raises-exception" not in cell["metadata"].get("tags", [])]

    def not_run(self):
        """The numbers of the code cells that have no execution count."""
        return [number for number, cell in enumerate(self.page.evaluate(NOTEBOOK)["cells"], 1)
                if cell["cell_type"] == "code" and "".join(cell["source"]).strip() and not cell["execution_count"]]

    def widgets(self):
        """The places in the notebook where a widget is shown, each with its controls in it."""
        return self.page.locator(".jp-OutputArea-output:has(> .jupyter-widgets)").all()

    def controls(self, area):
        """What the keyboard can reach in an area and is not switched off."""
        reachable = area.locator("input, select, textarea, button, [role=slider], [tabindex='0']")
        return [control for control in reachable.all() if control.is_visible() and control.is_enabled()]

    def keys(self, control):
        """The keys that work a control, by what it is."""
        kind = control.evaluate("(e) => e.getAttribute('role') ?? (e.type || e.localName)")
        return {"slider": ["ArrowRight", "ArrowLeft"], "select-one": ["ArrowDown", "ArrowUp"],
                "radio": ["ArrowDown"], "number": ["ArrowUp"], "checkbox": ["Space"]}.get(kind, ["Enter"])

    def nameless(self):
        """The controls that neither a label nor words of their own name."""
        return self.page.locator(".jp-OutputArea-output").evaluate_all(NAMELESS)

    def press(self, area, control, key):
        """Focus a control, press a key; milliseconds until a text or picture of `area` changed, None if none did."""
        area.evaluate(WATCH)
        control.focus()
        control.press(key)
        try:
            self.page.wait_for_function("() => window.kitWatch.answered !== null", timeout=ANSWER)
        except Exception as error:
            if type(error).__name__ != "TimeoutError":
                raise
            return None
        return self.page.evaluate("() => window.kitWatch.answered - window.kitWatch.pressed")

    def screenshot(self, file, theme="JupyterLab Light"):
        """The whole notebook as a picture, in one of JupyterLab's themes."""
        self.page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        self.page.wait_for_function("(name) => document.body.dataset.jpThemeName === name", arg=theme)
        height = self.page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
        self.page.set_viewport_size({"width": 1280, "height": min(height + 150, 16_000)})
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=file)
