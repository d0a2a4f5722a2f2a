# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The API beside its own description, by a program that makes up requests from it."""

import pathlib
import shutil
import subprocess
import sys

import pytest

from harness.site_rest import SilentSite

# A description cannot say all that makes a request good; and /policies/test is also the policy called `test`, which
# takes more methods than are described for that path.
LEFT_OUT = "positive_data_acceptance,allow_header_conformance"


@pytest.mark.parametrize("who", ["viewer", "admin"])
def test_schemathesis(tmp_path, full, who):
    if not full:
        pytest.skip("takes a minute: --full")
    program = shutil.which("st", path=str(pathlib.Path(sys.executable).parent))
    if program is None:
        pytest.skip("not installed: pip install schemathesis==4.32.5")
    site = SilentSite(tmp_path)
    try:
        done = subprocess.run(
            [program, "run", f"{site.cloud.url}/api/v1/openapi.json", "--tls-verify", str(site.cloud.authority),
             "-H", f"Authorization: Bearer {site.tokens[who]}", "--checks", "all", "--exclude-checks", LEFT_OUT,
             # What goes on for as long as somebody listens has tests of its own.
             "--exclude-path", "/events", "--exclude-path", "/tasks/{task_id}/logs",
             "--max-examples", "100", "--seed", "1", "--workers", "1", "--request-timeout", "20", "--no-color"],
            capture_output=True, text=True, timeout=900, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert site.cloud.running and " internal" not in site.cloud.log.read_text()
    finally:
        site.stop()
