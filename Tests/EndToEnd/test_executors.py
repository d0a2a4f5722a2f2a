# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Task types as operators see them: told by agents, listed within reach, checked before anything is sent, and run with flags
that are made of what the type takes."""

import json
import threading

import pytest

from harness import wire
from harness.foreign_agent import ForeignAgent, message
from harness.rest import API
from harness.screen import Screen
from harness.waiting import until

SHIP = {
    "type": "ship", "summary": "Ships a release.", "command": {"label": "release", "help": "The tag to ship."},
    "parameters": [
        {"name": "track", "kind": "word", "help": "Where to.", "required": True, "words": ["canary", "blue"]},
        {"name": "version", "kind": "text", "help": "Which version."},
        {"name": "settings", "kind": "pairs", "help": "What is set."},
        {"name": "dry_run", "kind": "flag", "help": "Only say it."},
        {"name": "pause", "kind": "duration", "help": "Between waves.", "default": 60}]}

ROWS = ['{"id":1,"big":12345678901234567890.10,"name":"\u5929\u5de5"}', '{"id":2,"big":null,"name":"b\\u001b[2J"}']


class Telling(ForeignAgent):
    """Tells of its executors, keeps what it is asked for, and answers statements with rows."""

    def __init__(self, site, name, members, environment=""):
        token = site.cloud.token("agent", name, environment=environment)
        super().__init__(site.cloud.url.replace("https", "wss") + "/ws/agent", str(site.cloud.authority), token, name, members)
        self.tasks = []
        threading.Thread(target=self.serve, daemon=True).start()
        site.wait_online(name)

    def receive(self, envelope):
        if envelope["type"] != "task_create":
            return
        data = envelope["data"]
        self.tasks.append(data)
        lines = [f"{data['type']} {data['command']}\n"]
        if data["params"].get("format") == "jsonl":
            # A row may come in two pieces, and what is no row between them.
            text = "\n".join([ROWS[0], "no row", ROWS[1]])
            lines = [text[:20], text[20:]]
        for line in lines:
            self.socket.send(message("task_log", task_id=data["task_id"], content=line))
        self.socket.send(message("task_complete", task_id=data["task_id"], status="success"))

    def stop(self, operator=None):
        """Goes away, and with an operator for good."""
        self.socket.close()
        if operator:
            assert operator("agent", "remove", self.hostname).returncode == 0


@pytest.fixture(scope="module")
def db(site):
    agent = Telling(site, "db-1", {
        "executors": ["mysql", "ship", "shell"],
        "executor_details": [{"type": "mysql", "datasources": ["orders", "archive"]}, {"type": "ship", "schema": SHIP}]})
    yield agent
    agent.stop()


def refusal(operator, *arguments):
    """What a command that is refused says; nothing was stored for it."""
    before = operator.lines("task", "list", "--limit", "1")
    done = operator(*arguments)
    assert done.returncode != 0 and done.stdout == b"", done
    assert operator.lines("task", "list", "--limit", "1") == before
    return done.returncode, done.stderr.decode()


# -- what there is ------------------------------------------------------------------------------------------------------

def test_types_are_listed_with_what_they_take(site, operator, db):
    listed = {item["type"]: item for item in operator.lines("executor", "list")}
    assert set(listed) == {"mysql", "ship", "shell"}
    assert listed["shell"]["agents"] == 2 and listed["mysql"]["agents"] == 1
    assert listed["mysql"]["datasources"] == ["archive", "orders"] and listed["mysql"]["datasource_count"] == 2
    assert [parameter["name"] for parameter in listed["ship"]["parameters"]] == [parameter["name"] for parameter in SHIP["parameters"]]
    assert listed["ship"]["command"] == SHIP["command"] | {"required": True, "maximum": 16384}
    table = operator("executor", "list").stdout.decode().splitlines()
    assert table[0].split() == ["TYPE", "AGENTS", "DATASOURCES", "SUMMARY"] and "archive, orders" in table[1]
    assert operator("executor", "list", "-q").stdout == b"mysql\nshell\nship\n"
    assert API(site.cloud, operator.token).get("/executors")["items"] == list(listed.values())
    assert API(site.cloud, operator.token).get("/executors?type=ship")["items"] == [listed["ship"]]


def test_a_type_is_explained(operator, db):
    text = operator("executor", "show", "ship").stdout.decode()
    for word in ["Ships a release.", "release: The tag to ship.", "--track <canary|blue>", "(required)", "--param-version <text>",
                 "--settings <key=value>", "--secret-settings", "--dry-run, --no-dry-run", "(default: 60)"]:
        assert word in text, text
    shown, = operator.lines("executor", "show", "ship")
    assert shown["type"] == "ship" and shown["conflicting"] is False
    unused, = operator.lines("executor", "show", "postgres")
    assert unused["agents"] == 0, "a built-in type is known also where no agent runs it"
    code, text = refusal(operator, "executor", "show", "nothing")
    assert code == 6 and "no agent runs tasks of type 'nothing'" in text


def test_what_is_beyond_ones_reach_is_not_there(site, operator, db):
    other = Telling(site, "lab-1", {"executors": ["lab-only"], "executor_details": [
        {"type": "lab-only", "schema": SHIP | {"type": "lab-only", "summary": "secret-summary"}}]}, environment="lab")
    stranger = site.cloud.token("operator", "len", environment="lab", role="viewer")
    nobody = site.cloud.token("operator", "nora", environment="elsewhere", role="viewer")
    items = API(site.cloud, stranger).get("/executors")["items"]
    assert [(item["type"], item["agents"], item["datasources"]) for item in items] == [("lab-only", 1, [])]
    assert API(site.cloud, nobody).get("/executors")["items"] == []
    with wire.Link(site.cloud, "/ws/operator", nobody) as link:
        assert link.ask("executor_list")["data"]["items"] == []
        assert "secret-summary" not in json.dumps(link.ask("executor_list", {"type": "lab-only"}))
    assert "lab-only" in operator("executor", "list", "-q").stdout.decode(), "who reaches all sees all"
    other.stop(operator)
    assert "lab-only" not in operator("executor", "list", "-q").stdout.decode(), "a removed agent counts no more"


def test_an_agent_shows_its_datasources_and_not_more(operator, db):
    shown = operator.agent("db-1")
    assert shown["executor_details"] == [{"datasources": ["orders", "archive"], "type": "mysql"}, {"datasources": [], "type": "ship"}]
    assert "mysql: orders, archive" in operator("agent", "show", "db-1").stdout.decode()
    assert operator.agent("demo-1")["executor_details"] == [{"datasources": [], "type": "shell"}], "an agent of ours tells too"


def test_a_registration_that_tells_nonsense_is_refused(site, operator):
    token = site.cloud.token("agent", "nonsense")
    bad = [{"type": "Ship"}, {"type": "ship", "schema": SHIP | {"type": "other"}}, {"type": "m", "datasources": ["x" * 65]},
           {"type": "ship", "schema": SHIP | {"parameters": [{"name": "a", "kind": "text", "maximum": 1e300}]}},
           {"type": "ship", "schema": SHIP | {"parameters": [{"name": "a", "kind": "colour"}]}},
           {"type": "ship", "schema": SHIP | {"parameters": [{"name": "a", "kind": "word", "words": ["w" * 64] * 64}] * 20}}]
    for report in bad:
        with wire.Link(site.cloud, "/ws/agent", token) as link:
            link.send("agent_register", {"hostname": "h", "executor_details": [report]})
            assert link.outcome()[0] == "error", report
    with wire.Link(site.cloud, "/ws/agent", token) as link:
        link.send("agent_register", {"hostname": "h", "executor_details": [{"type": "ship", "schema": SHIP}]})
        link.expect("agent_status")
    assert operator("agent", "remove", "nonsense").returncode == 0


# -- refused early ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, code, words", [
    (["run", "mongo", "-a", "db-1", "--", "x"], 1, ["db-1 does not run tasks of type 'mongo'", "it runs: mysql, ship, shell"]),
    (["run", "mysql", "-a", "demo-1,db-1", "--", "x"], 1, ["demo-1 does not run tasks of type 'mysql' (1 of 2 agents)"]),
    (["run", "mysql", "-a", "db-1", "--datasource", "x", "--", "SELECT 1"], 2, ["unknown datasource 'x' on db-1; it has: orders, archive"]),
    (["run", "mysql", "-a", "db-1", "--colour", "--", "x"], 2, ["'--colour' is not a flag of mysql", "--datasource", "--format"]),
    (["run", "mysql", "-a", "db-1", "--max-rows", "many", "--", "x"], 2, ["--max-rows 'many' is not a whole number"]),
    (["run", "mysql", "-a", "db-1"], 2, ["SQL is empty"]),
    (["run", "mysql", "-a", "db-1", "--", "DROP TABLE x"], 5, ["sql.drop", "db-1"]),
    (["run", "plugin", "nothing", "-a", "db-1", "--", "x"], 6, ["no agent runs tasks of type 'nothing'"]),
    (["run", "plugin", "mysql", "-a", "db-1", "--", "x"], 2, ["mysql is no plugin", "tiangong run mysql"]),
    (["run", "plugin", "-a", "db-1", "--", "x"], 2, ["the plugin's name is missing"]),
    (["run", "plugin", "ship", "-a", "db-1", "--", "x"], 2, ["params.track is missing", "--track: Where to."]),
    (["run", "plugin", "ship", "-a", "db-1", "--track", "red", "--", "x"], 2, ["params.track is none of canary, blue"]),
    (["run", "plugin", "ship", "-a", "db-1", "--version", "1", "--track", "blue", "--", "x"], None, ["tiangong 0"]),
])
def test_what_cannot_work_is_refused_with_the_reason(operator, db, arguments, code, words):
    if code is None:  # --version is everybody's: a parameter of that name has its long form
        assert operator(*arguments).stdout.decode().startswith(words[0])
        return
    before = len(db.tasks)
    status, text = refusal(operator, *arguments)
    assert status == code and all(word in text for word in words), (status, text)
    assert len(db.tasks) == before, "nothing reached the agent"


def test_the_api_refuses_the_same(site, operator, db):
    api = API(site.cloud, operator.token)
    agent = operator.agent("db-1")["id"]
    for body, word in [
            ({"type": "mysql", "command": "SELECT 1", "params": {"datasource": "x"}}, "unknown datasource 'x' on db-1"),
            ({"type": "ship", "command": "v1"}, "db-1: params.track is missing"),
            ({"type": "ship", "command": "v1", "params": {"track": "blue", "colour": 1}}, "db-1: params.colour is not a parameter"),
            ({"type": "nothing", "command": "v1"}, "does not run tasks of type 'nothing'"), ({"type": "No", "command": "v1"}, "'type'")]:
        answer = api("POST", "/tasks", {"agent_id": agent} | body)
        assert answer.status == 400 and word in answer.json["error"]["message"], answer
    answer = api("POST", "/tasks", {"agent_id": agent, "type": "ship", "command": "v1", "params": {"track": "blue"}})
    assert answer.status == 201 and answer.json["type"] == "ship"
    operator.ended(answer.json["run_id"])


def test_each_agent_is_asked_by_its_own_word(site, operator, db):
    schema = SHIP | {"parameters": SHIP["parameters"][1:], "summary": "Another."}
    other = Telling(site, "zz-1", {"executors": ["ship"], "executor_details": [{"type": "ship", "schema": schema}]})
    shown, = operator.lines("executor", "show", "ship")
    assert shown["conflicting"] is True and shown["summary"] == "Ships a release." and shown["agents"] == 2
    assert "(agents differ)" in operator("executor", "list").stdout.decode()
    status, text = refusal(operator, "run", "plugin", "ship", "-a", "db-1,zz-1", "--track", "blue", "--", "v1")
    assert status == 2 and "zz-1: params.track is not a parameter of ship" in text and "describe ship differently" in text
    assert operator("run", "plugin", "ship", "-a", "db-1", "--track", "blue", "--", "v1").returncode == 0
    other.stop(operator)
    shown, = operator.lines("executor", "show", "ship")
    assert shown["conflicting"] is False and shown["agents"] == 1


# -- run ----------------------------------------------------------------------------------------------------------------

def test_flags_become_parameters(operator, db):
    done = operator("run", "mysql", "-a", "db-1", "--datasource", "orders", "--max-rows=5", "--timeout", "9s", "--", "SELECT", "1")
    assert done.returncode == 0 and done.stdout == b"mysql SELECT 1\n", done
    task = db.tasks[-1]
    assert task["type"] == "mysql" and task["command"] == "SELECT 1" and task["timeout"] == 9
    assert task["params"] == {"datasource": "orders", "max_rows": 5}


def test_a_plugin_takes_what_it_told(operator, db):
    done = operator("run", "plugin", "ship", "-a", "db-1", "--track", "canary", "--param-version", "2.8", "--settings", "A=1",
                    "--settings", "B=x=y", "--secret-settings", "C=token", "--dry-run", "--pause", "2m", "--", "--v1", "now")
    assert done.returncode == 0, done
    assert db.tasks[-1]["command"] == "--v1 now"
    assert db.tasks[-1]["params"] == {
        "track": "canary", "version": "2.8", "settings": {"A": "1", "B": "x=y", "C": {"secret_ref": "token"}}, "dry_run": True, "pause": 120}
    text = operator("run", "plugin", "ship", "--help").stdout.decode()
    assert "--track <canary|blue>" in text and "--agent" in text
    assert "<name>" in operator("run", "plugin", "--help").stdout.decode()


def test_the_command_may_come_from_a_file(operator, db, tmp_path):
    script = tmp_path / "script.sql"
    script.write_text("SELECT 1;\nSELECT '天';\n")
    assert operator("run", "mysql", "-a", "db-1", "--file", script).returncode == 0
    assert db.tasks[-1]["command"] == script.read_text()
    assert operator("run", "mysql", "-a", "db-1", "--file", "-", input=b"SELECT 2\n").returncode == 0
    assert db.tasks[-1]["command"] == "SELECT 2\n"
    script.write_text("for i in 1 2; do\n  echo line $i\ndone\n")
    assert operator("run", "-a", "demo-1", "--file", script).stdout == b"line 1\nline 2\n"
    assert refusal(operator, "run", "mysql", "-a", "db-1", "--file", script, "--", "SELECT 1")[0] == 2
    assert refusal(operator, "run", "mysql", "-a", "db-1", "--file", "-", "--", "x")[0] == 2


def test_shell_is_a_type_too(operator):
    for arguments in (["run", "-a", "demo-1"], ["run", "shell", "-a", "demo-1"]):
        done = operator(*arguments, "--env", "WORD=天工", "--", "echo $WORD; exit 3")
        assert done.returncode == 3 and done.stdout.decode() == "天工\n"
    assert operator("run", "-a", "demo-1", "--", "echo", "mysql").stdout == b"mysql\n"
    assert operator("run", "shell", "-a", "demo-1", "--detach", "--", "true").returncode == 0


def test_rows_are_objects(operator, db):
    done = operator("run", "mysql", "-a", "db-1", "-o", "jsonl", "--", "SELECT 1")
    assert done.returncode == 0, done
    lines = done.stdout.decode().splitlines()
    events = [json.loads(line) for line in lines]
    assert db.tasks[-1]["params"] == {"format": "jsonl"}
    task = db.tasks[-1]["task_id"]
    assert [event["type"] for event in events] == ["run", "row", "log", "row", "end"]
    for event, row in zip((events[1], events[3]), ROWS):
        assert event == {"type": "row", "agent": "db-1", "task_id": task, "row": json.loads(row)}
    assert "12345678901234567890.10" in lines[1], "every digit is kept"
    assert events[2]["text"] == "no row\n" and events[2]["task_id"] == task and events[2]["stream"] == "stdout"
    assert events[4]["task"]["state"] == "succeeded"


def test_rows_of_all_tasks_are_collected(operator, db):
    done = operator("run", "mysql", "-a", "db-1", "-o", "json", "--", "SELECT 1")
    answer = json.loads(done.stdout)
    assert [entry["row"] for entry in answer["rows"]] == [json.loads(row) for row in ROWS]
    assert {entry["agent"] for entry in answer["rows"]} == {"db-1"}
    assert answer["run"]["counts"] == {"succeeded": 1} and answer["tasks"][0]["state"] == "succeeded"
    plain = operator("run", "mysql", "-a", "db-1", "-o", "jsonl", "--format", "table", "--", "SELECT 1")
    assert [json.loads(line)["type"] for line in plain.stdout.splitlines()] == ["run", "log", "end"]
    none = json.loads(operator("run", "-a", "demo-1", "-o", "json", "--", "echo {}").stdout)
    assert "rows" not in none and none["tasks"][0]["state"] == "succeeded", "shell gives no rows"


def test_policies_judge_a_type_with_its_flags(operator, db):
    arguments = ["policy", "test", "--type", "mysql", "-a", "db-1", "--datasource", "orders", "--"]
    assert operator(*arguments, "SELECT 1").returncode == 0
    done = operator(*arguments, "DROP TABLE x")
    assert done.returncode == 5 and b"sql.drop" in done.stdout, done
    assert operator("policy", "test", "--type", "ship", "-a", "db-1", "--track", "blue", "--", "v1").returncode == 0
    assert operator("policy", "test", "--type", "ship", "-a", "db-1", "--", "v1").returncode == 2


# -- the console --------------------------------------------------------------------------------------------------------

def test_a_form_is_made_of_the_type(site, operator, db, tmp_path):
    screen = Screen(operator.environment | {"TERM": "xterm-256color"}, tmp_path, 80, 24)
    try:
        screen.shell("tiangong")
        screen.shows("Agents", "db-1", "live")
        screen.keys("/")
        screen.type("db-1")
        screen.keys("Enter", "t")
        screen.shows("New task", "Type", "Cwd")
        screen.keys("BTab")
        screen.shows("Left and Right choose, or a letter: shell, mysql, ship")
        screen.keys("m")
        screen.shows("< mysql >", "SQL", "Datasource", "Max rows")
        screen.keys("Tab")
        screen.type("SELECT id")
        screen.keys("C-o")
        screen.type("FROM orders")
        screen.keys("Tab")
        screen.shows("Left, Right: archive, orders")
        screen.keys("Right", "Right", *["Tab"] * 9, "j")
        screen.shows("--datasource orders --format jsonl")
        screen.keys("C-r")
        screen.shows("[2 Review]", "mysql: SELECT id", "FROM orders", "datasource orders", "allowed on all 1")
        before = len(db.tasks)
        screen.keys("Tab", "Enter")
        until(lambda: len(db.tasks) > before, 30, "the task reaches the agent")
        assert db.tasks[-1]["command"] == "SELECT id\nFROM orders"
        assert db.tasks[-1]["params"] == {"datasource": "orders", "format": "jsonl"}
        screen.shows('{"id":1')
        screen.keys("q", "d")
        screen.shows("New task", "FROM orders", "jsonl")
        screen.keys("Escape", "Q")
        screen.shows("ready>")
    finally:
        screen.stop()
