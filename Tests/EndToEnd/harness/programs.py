# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The three built programs as processes of a test, stopped by pid."""

import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess

from .waiting import until

BIN = pathlib.Path(os.environ.get("BIN", ".build/debug")).resolve()
FINAL = {"succeeded", "failed", "timed_out", "canceled", "rejected", "interrupted"}


def clean_environment(home):
    """What a program of the test sees: nothing of the developer's own settings."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("TIANGONG_", "XDG_"))}
    return keep | {"HOME": str(home), "XDG_CONFIG_HOME": f"{home}/config", "XDG_STATE_HOME": f"{home}/state",
                   "TZ": "UTC", "LC_ALL": "C.UTF-8"}


class Program:
    """A background program, its output in a file."""

    def __init__(self, name, arguments, directory, environment):
        self.name, self.arguments, self.environment = name, [str(a) for a in arguments], environment
        self.log = pathlib.Path(directory) / f"{name}.log"
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """As a power cut would: no last words."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=30):
        """Asks it to end; its exit status. Kills it and fails when it does not."""
        if not self.running:
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end {seconds} s after TERM; see {self.log}")

    def memory(self):
        """Resident bytes."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


# All tests come from one address, many with credentials that are wrong; what bounds them has tests of its own.
ROOMY = {f"TIANGONG_LIMITS_{name}": "100000" for name in (
    "UNAUTHENTICATED", "UNAUTHENTICATED_PER_ADDRESS", "FAILED_SIGN_INS", "FAILED_SIGN_INS_TOTAL",
    "REQUESTS_PER_ADDRESS", "REQUESTS_PER_TOKEN")}


class Cloud(Program):
    """A server with scratch data on a free port, which it keeps over restarts."""

    def __init__(self, directory, settings=None, authority=None):
        self.data = pathlib.Path(directory) / "cloud"
        self.port = 0
        # Whom clients believe: the server's own, unless it shows a certificate of somebody else's.
        self.authority = pathlib.Path(authority or self.data / "tls" / "ca.pem")
        environment = (clean_environment(directory) | ROOMY | {"TIANGONG_HEARTBEAT_INTERVAL": "1"} | (settings or {}))
        super().__init__("cloud", [], directory, environment)

    def start(self):
        address = self.data / "address"
        address.unlink(missing_ok=True)
        self.arguments = [str(BIN / "tiangong-cloud"), "serve", "--listen", f"127.0.0.1:{self.port}",
                          "--data-dir", str(self.data), "--log-level", "debug"]
        super().start()
        until(lambda: not self.running or address.exists() and address.read_text().strip(), 60, "the Cloud listens")
        assert self.running, self.log.read_text()[-4000:]
        self.port = int(address.read_text().strip().rsplit(":", 1)[1])
        return self

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def token(self, kind, *names, labels=(), environment="", expires=None, role="admin"):
        """The new token of one name, or a dictionary for several; operators may do everything unless told otherwise."""
        command = [BIN / "tiangong-cloud", "token", "create", kind, *names, "--data-dir", self.data]
        for label in labels:
            command += ["--label", label]
        if environment:
            command += ["--environment", environment]
        if expires:
            command += ["--expires", expires]
        if kind == "operator":
            command += ["--role", role]
        text = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True, timeout=60).stdout
        return text.strip() if len(names) == 1 else dict(line.split() for line in text.splitlines())

    def query(self, statement, *arguments):
        with sqlite3.connect(f"file:{self.data}/cloud.db?mode=ro", uri=True, timeout=30) as database:
            return database.execute(statement, arguments).fetchall()

    def row_counts(self):
        """How many rows each table holds but the audit, which also tells of what was refused."""
        tables = [name for name, in self.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'audit%' ORDER BY name")]
        return {name: self.query(f"SELECT count(*) FROM {name}")[0][0] for name in tables}


class Agent(Program):
    """An agent with scratch state, a policy file and a directory for secrets of its own."""

    def __init__(self, cloud, directory, name, token, url=None, options=(), settings=None,
                 policy="mode: blacklist-default\n", executors=None, plugins=None):
        self.agent_name = name
        directory = pathlib.Path(directory)
        self.data = directory / name
        self.policy_file = directory / f"{name}.policy.yaml"
        self.secrets = directory / f"{name}.secrets"
        if policy is not None:
            self.set_policy(policy)
        token_file = directory / f"{name}.token"
        token_file.touch(mode=0o600)
        token_file.write_text(token + "\n")
        environment = clean_environment(directory) | {
            "TIANGONG_POLICY_FILE": str(self.policy_file), "TIANGONG_SECRETS_DIRECTORY": str(self.secrets)}
        if executors is not None or plugins is not None:
            # JSON is YAML; what is given here is a mapping by type, as in agent.yaml(5).
            settings_file = directory / f"{name}.yaml"
            settings_file.write_text(json.dumps({"executors": executors or {}, "plugins": plugins or {}}))
            options = ["--config", settings_file, *options]
        super().__init__(
            name,
            [BIN / "tiangong-agent", "run", "--server", url or cloud.url, "--ca-file", cloud.authority,
             "--token-file", token_file, "--data-dir", self.data, "--log-level", "debug", *options],
            directory, environment | (settings or {}))

    def set_policy(self, text):
        """Replaces the policy file in one step, as an administrator should."""
        new = self.policy_file.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o644)
        new.rename(self.policy_file)

    def secret(self, name, content, mode=0o600):
        """Puts a secret where the agent looks for it."""
        self.secrets.mkdir(mode=0o700, exist_ok=True)
        path = self.secrets / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        path.chmod(mode)
        return path


class Operator:
    """The command line, logged in."""

    def __init__(self, cloud, directory, token):
        self.directory = pathlib.Path(directory)
        self.token = token
        self.token_file = self.directory / "operator.token"
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(token + "\n")
        self.environment = clean_environment(directory) | {
            "TIANGONG_SERVER": cloud.url, "TIANGONG_CA_FILE": str(cloud.authority),
            "TIANGONG_TOKEN_FILE": str(self.token_file), "PATH": f"{BIN}:{os.environ['PATH']}"}

    def __call__(self, *arguments, timeout=60, input=b"", environment=None):
        """Runs `tiangong ARGUMENTS`; the finished process with bytes in stdout and stderr."""
        return subprocess.run([BIN / "tiangong", *arguments], input=input, capture_output=True, timeout=timeout,
                              env=self.environment | (environment or {}))

    def popen(self, *arguments, **options):
        defaults = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
        return subprocess.Popen([BIN / "tiangong", *arguments], env=self.environment, **(defaults | options))

    def lines(self, *arguments):
        """The objects of a list, or the one that is shown."""
        done = self(*arguments, "-o", "jsonl")
        assert done.returncode == 0, done.stderr.decode()
        return [json.loads(line) for line in done.stdout.splitlines()]

    def agent(self, name):
        return self.lines("agent", "show", name)[0]

    def online(self, name):
        """Whether an agent is online; one that has not enrolled yet is not."""
        return any(agent["name"] == name and agent["status"] == "online" for agent in self.lines("agent", "list"))

    def detach(self, *arguments):
        """Starts a run and returns its id."""
        done = self("run", "--detach", *arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def tasks(self, run):
        return self.lines("task", "list", "--run", run, "--limit", "1000")

    def task(self, run):
        """The only task of a run."""
        only, = self.tasks(run)
        return only

    def ended(self, run, seconds=60):
        """The tasks of a run once all have ended."""
        def all_ended():
            tasks = self.tasks(run)
            return tasks if all(task["state"] in FINAL for task in tasks) else None
        return until(all_ended, seconds, f"all tasks of run {run} end", every=0.1)

    def in_state(self, run, state, seconds=30):
        """The only task of a run once it is in that state."""
        return until(lambda: (task := self.task(run))["state"] == state and task, seconds, f"{run} is {state}", every=0.1)

    def raw(self, run, stream):
        done = self("logs", run, "--raw", "--stream", stream, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout if stream == "stdout" else done.stderr
