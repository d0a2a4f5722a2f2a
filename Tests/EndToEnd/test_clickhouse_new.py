# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Tasks of type clickhouse against what newer servers say; test_clickhouse.py has a real one, which is older."""

import pytest

from harness.backends.new_clickhouse import NewClickHouse
from harness.work import perform

PASSWORD = "pass:word/?&天工"


@pytest.fixture(scope="module")
def server():
    with NewClickHouse(PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def run(site, server):
    main = {"url": f"http://127.0.0.1:{server.port}/", "user": "app", "password": {"secret_ref": "ch-new"}, "database": "shop"}
    agent = site.agent("ch-2", wait=False, executors={"clickhouse": {"datasources": {
        "main": main, "stranger": main | {"password": {"secret_ref": "ch-wrong"}}}}})
    agent.secret("ch-new", PASSWORD.encode())
    agent.secret("ch-wrong", b"not the one")
    site.wait_online("ch-2")

    def run(command, datasource="main", **params):
        server.requests.clear()
        return perform(site, "ch-2", "clickhouse", command, {"datasource": datasource, "format": "jsonl"} | params)
    return run


def test_an_error_behind_rows_is_found_by_its_tag(run):
    for text in ["SELECT throwIf(n)", "SELECT marked"]:
        done = run(text)
        assert done.state == "failed" and done.error["code"] == "invalid_argument", done
        failed = done.result["failed_statement"]
        assert failed["code"] == 395 and failed["name"] == "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", done
        assert failed["message"] == "Value passed to 'throwIf' function is non-zero: while executing 'FUNCTION throwIf'"
        assert done.rows == [{"n": 0}, {"n": 1}]


def test_an_answer_that_is_cut_off_is_no_success(run):
    done = run("SELECT broken")
    assert done.state == "failed" and done.error["code"] == "unavailable", done
    assert "closed the connection before its answer was complete" in done.error["message"]


def test_a_row_that_tells_of_an_error_is_a_row(run):
    done = run("SELECT error")
    assert done.state == "succeeded" and done.rows[0]["exception"].startswith("Code: 394. DB::Exception"), done


def test_an_error_has_the_name_that_the_server_gives_it(run):
    done = run("SELECT nosuch")
    assert done.error["code"] == "not_found" and done.error["message"] == (
        "the statement failed: Unknown expression identifier `nosuch` in scope SELECT nosuch (code 47, UNKNOWN_IDENTIFIER)"), done


def test_a_wrong_password_is_a_start_that_failed(run):
    done = run("SELECT 1", "stranger")
    assert (done.state, done.error["code"]) == ("failed", "start_failed"), done
    assert "Authentication failed" in done.error["message"] and "check user and the secret" in done.error["message"]


def test_written_rows_are_told(run):
    done = run("INSERT INTO t SELECT 1; SELECT 1; INSERT INTO t SELECT 2")
    assert done.state == "succeeded" and done.result["affected_rows"] == 10 and done.result["read_rows"] == 14, done
    assert done.result["rows"] == 1 and [each.get("affected_rows") for each in done.result["each"]] == [5, None, 5]


def test_newer_types_become_json(run):
    assert run("SELECT types").rows == [{
        "b": True, "m": {"k": [1, 2], "l": []}, "t": {"a": 1, "b": "x'y"}, "j": {"a": "\n"}, "l": None, "big": str(2**200),
        "d": "2024-02-29 12:34:56.789"}]


def test_a_format_of_the_servers_own_is_passed_on(run):
    done = run("SHOW CREATE TABLE t")
    assert done.state == "succeeded" and done.out == "CREATE TABLE t\n(\n)\n", done


def test_a_row_without_end_is_not_kept(run):
    done = run("SELECT endless")
    assert done.state == "failed" and done.error["code"] == "too_large" and "a row is over 64 MiB" in done.error["message"], done


def test_requests_carry_the_password_in_a_header_alone(run, server):
    done = run("SELECT 1; SELECT 2", settings={"max_threads": "2"}, database="other")
    assert done.state == "succeeded", done
    assert [text for text, _, _ in server.requests] == ["SELECT 1", "SELECT 2"]
    for number, (_, query, headers) in enumerate(server.requests, 1):
        assert query.pop("query_id") == f"{query['session_id']}-{number}" and query.pop("session_id").startswith("tiangong-")
        assert query == {"default_format": "TabSeparatedWithNamesAndTypes", "database": "other", "session_timeout": "60",
                         "max_threads": "2"}
        assert headers["User-Agent"].startswith("tiangong/") and "Accept-Encoding" not in headers
    run("SELECT 1")
    (_, query, _), = server.requests
    assert query["database"] == "shop" and "session_id" not in query
