"""Every room for those who do not see it well: axe-core's rules, a narrow page, 400 % zoom, dark and light."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SHOWN = """() => {
  for (const id of ['badge', 'check', 'unchecked', 'slow', 'faces', 'region-panel', 'microscope', 'channel-faces', 'data-detail',
                    'data-decide', 'data-average', 'mean', 'data-clear', 'mark', 'marking', 'unseen',
                    'split-label', 'shown-as-label', 'data-work', 'dream'])
    document.getElementById(id).hidden = false;
  document.body.dataset.data = 'yes';
  document.getElementById('badge').className = 'unknown';
  document.getElementById('badge').textContent = 'unchecked: scaling 0..1 assumed';
}"""
"""Shows what is hidden until it is needed, so that it is looked at, too."""


@pytest.fixture(scope="module")
def axe() -> str:
    package = pytest.importorskip("axe_playwright_python", reason="the package axe-playwright-python is not installed")
    return (resources.files(package) / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(open_page: Any, served_data: Any, axe: str) -> Any:
    page = open_page("#/network/relu8/1", server=served_data)
    page.until("!document.getElementById('channel-faces').hidden")  # the last thing that is loaded
    page.evaluate(SHOWN)
    page.evaluate(f"() => {{ {axe} }}")
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_serious_to_say(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    found = []
    for room, width, height in (
        ("face", 1280, 1000),
        ("network", 1280, 1000),
        ("data", 1280, 1000),
        ("face", 320, 256),
        ("data", 320, 256),
    ):
        page.set_viewport_size({"width": width, "height": height})  # 1280 x 1024 at 400 % has 320 x 256
        page.evaluate(f"document.body.dataset.room = '{room}'")
        result = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        for rule in result["violations"]:
            if rule["impact"] in ("serious", "critical"):
                found += [
                    f"{room} {width}: {rule['id']}: {node['html'][:120]} {node['failureSummary'][:300]}"
                    for node in rule["nodes"]
                ]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{room} {width}: the page scrolls sideways")
    assert not found, "\n".join(found[:12])
