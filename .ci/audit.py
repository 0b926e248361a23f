"""Known vulnerabilities of the installed packages; part of `make check`, not of `make test`.

A new advisory must make nobody's change fail by itself. `python .ci/audit.py PIP_AUDIT SITE_PACKAGES`
ends with 1 for a vulnerability that `.ci/vulnerabilities.md` does not name, and with 0 where nothing can be
looked up; then it tells when that was done by hand.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

BY_HAND = Path(__file__).with_name("vulnerabilities.md")


def find_vulnerabilities(dependencies: list[dict[str, Any]], judged: str) -> list[str]:
    """A line for each vulnerability whose id, or another name of it, is not in `judged`."""
    return [
        f"{each['name']} {each['version']}: {hole['id']}, fixed in: {', '.join(hole['fix_versions'])}"
        for each in dependencies
        for hole in each.get("vulns", [])
        if not any(name in judged for name in (hole["id"], *hole.get("aliases", [])))
    ]


def main(pip_audit: str, packages: str) -> int:
    """Look all packages of a folder up, and print what is known of them; returns the exit code."""
    command = [pip_audit, "--format", "json", "--progress-spinner", "off", "--path", packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    judged, page = BY_HAND.read_text(), f"{BY_HAND.parent.name}/{BY_HAND.name}"
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        dependencies = [{"skip_reason": done.stderr.strip().rpartition("\n")[2][:200]}]
    looked_up = [each for each in dependencies if "vulns" in each]
    if not looked_up:
        last = max(re.findall(r"\d{4}-\d\d-\d\d", judged))
        why = next((each["skip_reason"] for each in dependencies), "there are no packages")
        print(f"Known vulnerabilities cannot be looked up here ({why}). By hand: {last}, {page}.")
        return 0
    found = find_vulnerabilities(looked_up, judged)
    print(f"Known vulnerabilities of {len(looked_up)} of {len(dependencies)} packages: {len(found)} new.")
    if found:
        print("\n".join(found))
        print(f"Take a version that mends it, or judge it in {page}, by its id.")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2]))
