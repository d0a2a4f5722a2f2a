# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""`tiangong run`: the output is the program's, and so is the exit status."""

import pytest

NUMBERS = "".join(f"{n}\n" for n in range(1, 200_001)).encode()


def test_every_line_of_a_long_output_arrives_in_order(operator):
    done = operator("run", "-l", "role=demo", "--", "seq 1 200000")
    assert done.stdout == NUMBERS
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command, status", [
    (["exit 7"], 7), (["true"], 0), (["false"], 1), (["exit 255"], 255), (["kill -9 $$"], 137), (["kill -15 $$"], 143),
    (["/bin/sh", "-c", "exit 9"], 9)])
def test_the_exit_status_is_the_tasks(operator, command, status):
    assert operator("run", "-a", "demo-1", "--", *command).returncode == status


def test_what_cannot_be_started_says_so(operator):
    done = operator("run", "-a", "demo-1", "--", "/no/such/program", "x")
    assert done.returncode in (3, 127)
    assert b"/no/such/program" in done.stderr


def test_stdout_and_stderr_stay_apart(operator):
    done = operator("run", "-a", "demo-1", "--", "echo out; echo err >&2")
    assert done.stdout == b"out\n"
    assert done.stderr.startswith(b"err\n")


def test_several_words_are_an_argument_vector_without_a_shell(operator):
    assert operator("run", "-a", "demo-1", "--", "printf", "%s|", "$HOME", "a b", "*").stdout == b"$HOME|a b|*|"


def test_directory_variables_and_input(operator, tmp_path):
    done = operator("run", "-a", "demo-1", "--cwd", str(tmp_path), "--env", "COLOUR=jade", "--stdin", "--",
                    'pwd; echo "$COLOUR"; tr a-z A-Z', input=b"typed\n")
    assert done.stdout == f"{tmp_path}\njade\nTYPED\n".encode()


def test_an_agent_that_is_not_there_is_an_error_and_nothing_runs(site, operator):
    before = site.cloud.row_counts()
    done = operator("run", "-a", "nobody", "--", "true")
    assert done.returncode == 6 and b"nobody" in done.stderr
    assert site.cloud.row_counts() == before


def test_a_run_without_a_selector_is_refused(site, operator):
    before = site.cloud.row_counts()
    assert operator("run", "--", "true").returncode == 2
    assert site.cloud.row_counts() == before


def test_several_agents_are_told_apart_and_one_failure_shows(site, operator):
    site.agent("demo-2", labels=["role=pair"])
    site.agent("demo-3", labels=["role=pair"])
    done = operator("run", "-l", "role=pair", "--", 'echo "hello from $TIANGONG_TASK_ID"; true')
    names = sorted(line.split(b" | ")[0] for line in done.stdout.splitlines())
    assert names == [b"demo-2", b"demo-3"] and done.returncode == 0
    mixed = operator("run", "-l", "role=pair", "--", f'test -d "{site.agents["demo-2"].data}" && mkdir "{site.directory}/once"')
    assert mixed.returncode == 3


def test_the_same_key_runs_once(site, operator, tmp_path):
    log = tmp_path / "starts"
    for _ in range(2):
        operator("run", "-a", "demo-1", "--idempotency-key", "deploy-7", "--", f"echo started >> {log}")
    assert log.read_text() == "started\n"
