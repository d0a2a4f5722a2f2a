# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
import contextlib
import signal

import pytest

from harness.programs import BIN
from harness.proxy import Proxy
from harness.site import Site


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="full sizes and durations: minutes instead of seconds")


def interrupted(number, _):
    raise KeyboardInterrupt(f"signal {number}")


def pytest_configure(config):
    # So that the fixtures also stop what they started when the tests are told to end.
    signal.signal(signal.SIGTERM, interrupted)
    for name in ("tiangong-cloud", "tiangong-agent", "tiangong"):
        if not (BIN / name).exists():
            pytest.exit(f"{BIN / name} is not built: make e2e builds it", returncode=3)


@pytest.fixture(scope="session")
def full(pytestconfig):
    return pytestconfig.getoption("--full")


@contextlib.contextmanager
def running(directory, **options):
    site = Site(directory, **options)
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A Cloud with the agent demo-1, shared by the tests of a file."""
    with running(tmp_path_factory.mktemp("site")) as site:
        site.agent("demo-1")
        yield site


@pytest.fixture
def operator(site):
    return site.operator


@pytest.fixture
def own_site(tmp_path):
    """A Cloud without agents for one test, which may break it."""
    with running(tmp_path) as site:
        yield site


@pytest.fixture
def proxy(own_site):
    proxy = Proxy(own_site.cloud.port)
    yield proxy
    proxy.stop()
