"""A headless Chromium, driven by the DevTools protocol over its pipe: no package is needed besides the browser."""

import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

from support import Skip

NAMES = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """One browser with one page."""

    def __init__(self, profile):
        program = os.environ.get("BELLE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            raise Skip("there is no Chromium here: apt-get install chromium")
        to_browser, from_browser = os.pipe(), os.pipe()

        def take():
            # The browser reads commands from descriptor 3 and answers on 4. Out of the way first, for a pipe may have
            # one of these numbers already.
            read, write = os.dup(to_browser[0]), os.dup(from_browser[1])
            read, write = os.dup(read), os.dup(write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-first-run", "about:blank"],
            preexec_fn=take, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser[0])
        os.close(from_browser[1])
        self.out, self.into = to_browser[1], from_browser[0]
        self.buffer, self.numbers, self.events = b"", itertools.count(1), []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def message(self, until):
        while b"\0" not in self.buffer:
            if not select.select([self.into], [], [], max(0, until - time.monotonic()))[0]:
                raise AssertionError("the browser does not answer")
            part = os.read(self.into, 1 << 20)
            if not part:
                raise AssertionError("the browser is gone")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, seconds=60, **parameters):
        number = next(self.numbers)
        command = {"id": number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.out, json.dumps(command).encode() + b"\0")
        until = time.monotonic() + seconds
        while True:
            found = self.message(until)
            if found.get("id") == number:
                assert "error" not in found, f"{method}: {found['error']}"
                return found["result"]
            self.events.append(found)

    def open(self, path, width, scheme, media=""):
        """Opens a page; returns what it asked for besides itself, and what it complained of."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        until = time.monotonic() + 60
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.message(until))
        own = path.resolve().as_uri()
        asked = [event["params"]["request"]["url"] for event in self.events
                 if event.get("method") == "Network.requestWillBeSent"]
        said = [event["params"]["entry"]["text"] for event in self.events if event.get("method") == "Log.entryAdded"]
        return [url for url in asked if url != own] + said

    def evaluate(self, script):
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found.get("exceptionDetails")
        return found["result"].get("value")

    def screenshot(self, path, height=None):
        """The page as a picture: all of it, or its first so many pixels."""
        import base64

        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], height or size["height"]), "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        with contextlib.suppress(Exception):
            self.call("Browser.close", seconds=5)
        with contextlib.suppress(Exception):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.into)


@contextlib.contextmanager
def browser():
    """A browser that ends."""
    with tempfile.TemporaryDirectory(prefix="belle-chromium-", ignore_cleanup_errors=True) as profile:
        found = Browser(profile)
        try:
            yield found
        finally:
            found.close()
