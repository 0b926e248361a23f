"""The status page in a browser: what is read on it, and what is pressed."""

from __future__ import annotations

from typing import Any

from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.remote_connection import RemoteConnection

from tests.browser.chromium import Browser, wait


def text_of(browser: Browser, place: str = "main") -> str:
    """What can be read there; empty while it is exchanged."""
    return str(browser.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", place))


def shows(browser: Browser, words: str, place: str = "main") -> None:
    """Wait until something is read there, without loading the page anew."""
    wait(browser, lambda page: words in text_of(page, place), f"{words!r} in {place}")


def press(browser: Browser, place: str, *keys: str) -> None:
    """Press keys on something, Enter if none are given;
    once more where that part of the page was renewed in the same moment."""

    def pressed(page: Browser) -> bool:
        page.find_element(By.CSS_SELECTOR, place).send_keys(*(keys or (Keys.ENTER,)))
        return True

    wait(browser, pressed, place)


def shown_tasks(browser: Browser) -> list[int]:
    """Tasks on the page, in order."""
    links = browser.execute_script(
        "return [...document.querySelectorAll('.image-head a')].map(link => link.href)"
    )
    return [int(link.rpartition("?task=")[2]) for link in links]


def emulate(browser: Browser, **wanted: Any) -> None:
    """Another screen: width, height, dark; the browser's own without arguments."""

    def command(name: str, **parameters: Any) -> None:
        connection = browser.command_executor
        assert isinstance(connection, RemoteConnection)
        connection.add_command("cdp", "POST", "/session/$sessionId/goog/cdp/execute")
        browser.execute("cdp", {"cmd": name, "params": parameters})

    if "width" in wanted:
        size = {"width": wanted["width"], "height": wanted["height"]}
        command("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)
    else:
        command("Emulation.clearDeviceMetricsOverride")
    scheme = "dark" if wanted.get("dark") else "light"
    command("Emulation.setScrollbarsHidden", hidden="width" in wanted)
    command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


def worst_contrast(browser: Browser) -> float:
    """The least contrast (WCAG 2) of any text with the background it stands on."""
    script = """
        const numbers = text => (text.match(/[\\d.]+/g) || []).map(Number);
        const light = rgb => [0.2126, 0.7152, 0.0722].reduce((sum, part, i) => {
          const value = rgb[i] / 255;
          return sum + part * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        }, 0);
        const behind = element => {
          for (; element; element = element.parentElement) {
            const colour = numbers(getComputedStyle(element).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
          }
          return [255, 255, 255];
        };
        let worst = 21;
        for (const element of document.querySelectorAll('body *')) {
          const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
          if (!own || element.closest('svg, dialog, noscript') || !element.getClientRects().length) continue;
          const a = light(numbers(getComputedStyle(element).color)), b = light(behind(element));
          worst = Math.min(worst, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
        }
        return worst;
    """
    return float(browser.execute_script(script))


def broken_words(browser: Browser) -> list[str]:
    """Words that a line ends within, though they would fit into the next one."""
    script = """
        const found = [], all = document.querySelector('main');
        const walker = document.createTreeWalker(all, NodeFilter.SHOW_TEXT);
        for (let node; (node = walker.nextNode());) {
          const element = node.parentElement;
          if (!element.getClientRects().length) continue;
          if (element.closest('.visually-hidden, svg, code, thead')) continue;
          for (const word of node.textContent.matchAll(/\\S+/g)) {
            if (word[0].length > 18 || /[-\\/]/.test(word[0])) continue;
            const range = document.createRange();
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            const lines = new Set([...range.getClientRects()].map(line => Math.round(line.top)));
            if (lines.size > 1) found.push(word[0]);
          }
        }
        return found;
    """
    return [str(word) for word in browser.execute_script(script)]
