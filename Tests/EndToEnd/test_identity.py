# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Who may do what, by real credentials over real links: roles, environments, revocation."""

import pathlib
import re
import subprocess

import pytest
from websockets.exceptions import ConnectionClosed

from harness import wire
from harness.programs import BIN, Operator
from harness.waiting import NeverHappened, until

ROLES = ["viewer", "operator", "approver", "admin"]
SOURCE = pathlib.Path(__file__).resolve().parents[2] / "Sources/Core/Protocol/MessageTypes.swift"

# The least role for every message an operator can send, as it was decided.
LEAST = {
    "viewer": ["server_info", "agent_list", "agent_show", "run_list", "run_show", "task_list", "task_show", "log_open",
               "log_close", "events_open", "policy_list", "policy_show", "policy_test", "executor_list", "file_list", "file_show",
               "upload_list"],
    "operator": ["run_create", "task_cancel", "file_begin", "file_chunk", "file_commit", "file_put", "file_remove",
                 "upload_remove"],
    "approver": ["policy_put", "policy_remove", "audit_list", "audit_show", "audit_export", "audit_verify"],
    "admin": ["agent_update", "agent_remove", "operator_list", "operator_put", "operator_remove", "token_list",
              "token_create", "token_revoke", "enrolment_list", "enrolment_create", "enrolment_revoke"],
}
LEAST_OF = {kind: role for role, kinds in LEAST.items() for kind in kinds}


def message_types():
    """Every type an operator may send, from the list that the programs read."""
    body = SOURCE.read_text().split("enum OperatorRequestType", 1)[1].split("}", 1)[0]
    cases = re.findall(r'case (\w+)(?: = "(\w+)")?', body)
    return sorted(value or name for name, value in cases)


def test_the_table_names_every_message():
    assert sorted(LEAST_OF) == message_types()


class Corner:
    """What belongs to one environment."""

    def __init__(self, site, environment):
        self.environment, self.agent = environment, f"{environment}-1"
        site.agent(self.agent, token=site.cloud.token("agent", self.agent, environment=environment))
        self.agent_id = site.operator.agent(self.agent)["id"]
        self.run = site.operator.detach("-a", self.agent, "--", f"echo {environment}-output")
        self.task, = [task["id"] for task in site.operator.ended(self.run)]
        site.policy(f"{environment}-policy", {"environments": [environment]}, mode="blacklist-default")
        with wire.Link(site.cloud, "/ws/operator", site.operator.token) as link:
            issued = link.ask("enrolment_create", {"environment": environment})["data"]
        self.enrolment, self.enrolment_token = issued["id"], issued["token"]
        self.tokens = {role: site.cloud.token("operator", f"{environment}-{role}", role=role, environment=environment)
                       for role in ROLES}
        self.agent_token, = site.cloud.query("SELECT id FROM tokens WHERE kind = 'agent' AND name = ?", self.agent)[0]
        with wire.Link(site.cloud, "/ws/operator", self.tokens["operator"]) as link:
            placed = {"name": f"{environment}.bin", "environment": environment}
            self.file = link.ask("file_put", placed, payload=b"content of " + environment.encode())["data"]["id"]
            self.upload = link.ask("file_begin", placed)["data"]["id"]

    def names(self):
        """What nobody of another environment may read."""
        return [self.agent, self.agent_id, self.run, self.task, self.enrolment, self.agent_token,
                f"{self.environment}-policy", f"{self.environment}-output", f"{self.environment}-viewer",
                self.file, self.upload, f"{self.environment}.bin"]

    def requests(self):
        """Every message, about what is here."""
        selector, spec = {"agents": [self.agent]}, {"type": "shell", "command": "true"}
        policy = {"mode": "whitelist"}
        return {
            "server_info": {}, "agent_list": {"selector": selector}, "agent_show": {"id": self.agent},
            "agent_update": {"id": self.agent_id, "labels": {"x": "y"}}, "agent_remove": {"id": self.agent},
            "run_create": {"selector": selector, "spec": spec}, "run_list": {}, "run_show": {"id": self.run},
            "task_list": {"run_id": self.run}, "task_show": {"id": self.task}, "task_cancel": {"run_id": self.run},
            "log_open": {"task_id": self.task, "from_seq": 0, "follow": True}, "log_close": {"id": self.task},
            "events_open": {}, "policy_list": {}, "policy_show": {"id": f"{self.environment}-policy"},
            "policy_put": {"name": f"{self.environment}-policy", "policy": policy,
                           "scope": {"environments": [self.environment]}},
            "policy_remove": {"id": f"{self.environment}-policy"}, "policy_test": {"selector": selector, "spec": spec},
            "audit_list": {"agent": self.agent}, "audit_show": {"id": "1"}, "audit_export": {"agent": self.agent},
            "audit_verify": {"agents": [self.agent]}, "operator_list": {},
            "operator_put": {"name": f"{self.environment}-viewer", "role": "admin",
                             "scope": {"environments": [self.environment]}},
            "operator_remove": {"id": f"{self.environment}-viewer"}, "token_list": {"name": self.agent},
            "token_create": {"name": f"{self.environment}-viewer"}, "token_revoke": {"id": self.agent_token},
            "enrolment_list": {}, "enrolment_create": {"environment": self.environment},
            "enrolment_revoke": {"id": self.enrolment}, "executor_list": {}, "file_list": {}, "file_show": {"id": self.file},
            "file_remove": {"id": self.file}, "file_begin": {"name": "a", "environment": self.environment},
            "file_chunk": {"upload_id": self.upload, "offset": 0}, "file_commit": {"upload_id": self.upload},
            "file_put": {"name": "a", "environment": self.environment}, "upload_list": {}, "upload_remove": {"id": self.upload},
        }


def ask(link, kind, data):
    """Asks, with some content where that belongs to it."""
    return link.ask(kind, data, payload=b"x" if kind in ("file_chunk", "file_put") else None)


@pytest.fixture(scope="module")
def corners(site):
    return Corner(site, "prod"), Corner(site, "lab")


def state(cloud):
    """Everything that people can change; the audit may grow, and tokens are used."""
    queries = ["SELECT id, name, environment, labels, removed_at FROM agents", "SELECT * FROM agent_labels",
               "SELECT name, role, environments, labels, disabled_at FROM operators", "SELECT id, revoked_at FROM tokens",
               "SELECT id, uses_left, revoked_at FROM enrolment_tokens", "SELECT name, policy FROM policies",
               "SELECT id FROM runs", "SELECT id, state FROM tasks", "SELECT id, name, sha256 FROM files"]
    return [sorted(cloud.query(query), key=str) for query in queries]


def heard(link, seconds):
    """All that comes within a time, as text."""
    text = []
    try:
        while True:
            text.append(str(link.receive(seconds)))
    except (TimeoutError, ConnectionClosed):
        return "\n".join(text)


@pytest.mark.parametrize("kind", message_types())
def test_nothing_of_another_environment(site, corners, kind):
    prod, lab = corners
    before = state(site.cloud)
    with wire.Link(site.cloud, "/ws/operator", lab.tokens["admin"]) as link:
        answer = ask(link, kind, prod.requests()[kind])
        if answer["type"] == "error":
            assert answer["data"]["code"] in {"not_found", "forbidden", "conflict"}, answer
            if kind in {"agent_show", "agent_remove", "agent_update", "run_create", "run_show", "task_show", "log_open",
                        "task_cancel", "token_revoke", "token_create", "policy_show", "enrolment_revoke", "file_show",
                        "file_remove", "file_commit", "upload_remove"}:
                assert answer["data"]["code"] == "not_found", answer
        else:
            if kind in {"audit_list", "audit_export"}:  # of what was refused here, the asker's own words are repeated
                answer["data"]["items"] = [item for item in answer["data"]["items"] if item["verdict"] != "deny"]
            assert not [name for name in prod.names() if name in str(answer)], answer
        if kind == "log_open":
            assert "prod-output" not in heard(link, 0.5)
    assert state(site.cloud) == before


@pytest.mark.parametrize("role", ROLES)
def test_each_role_does_what_it_may(site, corners, role):
    """Only refusals are tried of what would change something: that is what the table is about."""
    _, lab = corners
    with wire.Link(site.cloud, "/ws/operator", lab.tokens[role]) as link:
        for kind, data in lab.requests().items():
            allowed = ROLES.index(role) >= ROLES.index(LEAST_OF[kind])
            if allowed and LEAST_OF[kind] != "viewer" and not kind.endswith("_list"):
                continue
            before = state(site.cloud)
            answer = ask(link, kind, data)
            while answer["type"] not in {"reply", "error"}:
                answer = link.receive()
            if allowed:
                assert answer["type"] == "reply", (kind, answer)
            else:
                assert answer["type"] == "error" and answer["data"]["code"] == "forbidden", (kind, answer)
            assert state(site.cloud) == before


def test_what_is_one_s_own_works(site, corners):
    """The control: the same requests about one's own environment."""
    _, lab = corners
    with wire.Link(site.cloud, "/ws/operator", lab.tokens["operator"]) as link:
        created = link.ask("run_create", {"selector": {"all": True}, "spec": {"type": "shell", "command": "sleep 60"}})
        assert [task["agent_name"] for task in created["data"]["tasks"]] == [lab.agent], "all is all within reach"
        canceled = link.ask("task_cancel", {"run_id": created["data"]["run"]["id"]})
        assert [task["agent_name"] for task in canceled["data"]["tasks"]] == [lab.agent]
        assert link.ask("log_open", {"task_id": lab.task, "from_seq": 0, "follow": False})["type"] == "reply"


def test_changes_of_another_environment_are_not_told(site, corners):
    prod, lab = corners
    with wire.Link(site.cloud, "/ws/operator", lab.tokens["viewer"]) as link:
        assert link.ask("events_open")["type"] == "reply"
        hidden = site.operator.detach("-a", prod.agent, "--", "true")
        site.operator.ended(hidden)
        seen = site.operator.detach("-a", lab.agent, "--", "true")
        site.operator.ended(seen)
        told = ""
        while seen not in told or "succeeded" not in told:
            told += str(link.receive(10))
        told += heard(link, 0.5)
        assert hidden not in told and prod.agent not in told and prod.agent_id not in told


def test_an_agent_that_moves_is_gone_for_those_it_leaves(site, corners):
    _, lab = corners
    site.agent("mover", token=site.cloud.token("agent", "mover", environment="lab"))
    identity = site.operator.agent("mover")["id"]
    with wire.Link(site.cloud, "/ws/operator", lab.tokens["viewer"]) as link:
        link.ask("events_open")
        assert link.ask("agent_show", {"id": "mover"})["type"] == "reply"
        done = site.operator("agent", "set", "mover", "-e", "prod", "-l", "team=a")
        assert done.returncode == 0, done.stderr
        assert link.expect("agent_removed")["data"]["id"] == identity
        assert link.ask("agent_show", {"id": "mover"})["data"]["code"] == "not_found"
        agent = site.operator.agent("mover")
        assert agent["environment"] == "prod" and agent["assigned_labels"] == {"team": "a"}


def test_following_a_log_ends_when_its_agent_moves_away(site, corners):
    _, lab = corners
    site.agent("walker", token=site.cloud.token("agent", "walker", environment="lab"))
    run = site.operator.detach("-a", "walker", "--", "while :; do echo secret; sleep 0.05; done")
    task = site.operator.in_state(run, "running")["id"]
    link = wire.Link(site.cloud, "/ws/operator", lab.tokens["viewer"])
    assert link.ask("log_open", {"task_id": task, "from_seq": 0, "follow": True})["type"] == "reply"
    link.expect("task_log")
    assert site.operator("agent", "set", "walker", "-e", "prod").returncode == 0
    assert closed(link) == 1008
    site.operator("task", "cancel", run)


def closed(link, seconds=30):
    """The close code, once the link has been closed by the other side."""
    try:
        while True:
            link.receive(seconds)
    except ConnectionClosed as ended:
        return ended.rcvd.code if ended.rcvd else 1006
    except TimeoutError:
        raise NeverHappened("the link was not closed")


def token_id(token):
    return token.split("_")[2]


def live(site, token):
    link = wire.Link(site.cloud, "/ws/operator", token)
    assert link.ask("server_info")["type"] == "reply"
    return link


def end_by_command_line(site, name, token):
    assert site.operator("token", "revoke", token_id(token)).returncode == 0


def end_on_the_server(site, name, token):
    subprocess.run([BIN / "tiangong-cloud", "token", "revoke", token_id(token), "--data-dir", site.cloud.data],
                   env=site.cloud.environment, check=True, timeout=20)


def end_by_disabling(site, name, token):
    assert site.operator("operator", "disable", name).returncode == 0


def end_by_disabling_on_the_server(site, name, token):
    subprocess.run([BIN / "tiangong-cloud", "operator", "disable", name, "--data-dir", site.cloud.data],
                   env=site.cloud.environment, check=True, timeout=20)


@pytest.mark.parametrize("end", [end_by_command_line, end_on_the_server, end_by_disabling, end_by_disabling_on_the_server],
                         ids=lambda end: end.__name__)
def test_a_live_link_ends_with_its_token(site, end):
    name = end.__name__.replace("_", "-")
    token, other = site.cloud.token("operator", name), site.cloud.token("operator", f"not-{name}")
    with live(site, token) as link, live(site, other) as bystander:
        end(site, name, token)
        assert closed(link) == 1008
        assert wire.refusal(site.cloud, "/ws/operator", token) == 401
        assert bystander.ask("server_info")["type"] == "reply", "nobody else's link ends"


def test_a_live_link_ends_when_its_token_runs_out(site):
    token = site.cloud.token("operator", "brief", expires="8s")
    with live(site, token) as link:
        assert closed(link) == 1008
    assert wire.refusal(site.cloud, "/ws/operator", token) == 401


def test_a_changed_operator_comes_back_as_it_is_now(site):
    token = site.cloud.token("operator", "carl", role="operator")
    with live(site, token) as link:
        assert site.operator("operator", "set", "carl", "--role", "viewer", "-e", "lab").returncode == 0
        assert closed(link) == 1008
    with live(site, token) as link:
        info = link.ask("server_info")["data"]
        assert info["role"] == "viewer" and info["scope"]["environments"] == ["lab"]


def test_an_agent_whose_token_is_revoked_is_cut_off(site):
    site.agent("cut-off")
    identity, = site.cloud.query("SELECT id FROM tokens WHERE kind = 'agent' AND name = 'cut-off'")[0]
    assert site.operator("token", "revoke", identity).returncode == 0
    site.wait_offline("cut-off")
    site.agents.pop("cut-off").stop()


def test_a_removed_agent_is_gone_and_its_name_is_free(site):
    token = site.cloud.token("agent", "doomed", environment="lab")
    site.agent("doomed", token=token)
    identity = site.operator.agent("doomed")["id"]
    run = site.operator.detach("-a", "doomed", "--", "sleep 300")
    site.operator.in_state(run, "running")
    assert site.operator("agent", "remove", "doomed").returncode == 0
    assert site.operator.ended(run)[0]["state"] == "interrupted"
    assert site.operator("agent", "show", "doomed").returncode == 6
    until(lambda: wire.refusal(site.cloud, "/ws/agent", token) == 401, 30, "its token is refused")
    site.agents.pop("doomed").stop()
    site.agent("doomed", token=site.cloud.token("agent", "doomed", environment="prod"))
    again = site.operator.agent("doomed")
    assert again["id"] != identity and again["environment"] == "prod"
    assert site.operator.lines("task", "list", "-a", "doomed") == []


@pytest.mark.parametrize("path, kind", [("/ws/operator", "agent"), ("/ws/agent", "operator"), ("/ws/operator", "enrolment")])
def test_a_credential_of_another_kind_opens_nothing(site, corners, path, kind):
    _, lab = corners
    tokens = {"agent": site.cloud.token("agent", "kind"), "operator": lab.tokens["admin"], "enrolment": lab.enrolment_token}
    before = state(site.cloud)
    assert wire.refusal(site.cloud, path, tokens[kind]) in {401, 403}
    assert state(site.cloud) == before


def test_the_command_line_makes_lists_and_ends_credentials(site, tmp_path):
    root = site.operator
    made = root("operator", "set", "erin", "--role", "operator", "-e", "lab", "-l", "team=a")
    assert made.returncode == 0, made.stderr
    erin, = [item for item in root.lines("operator", "list") if item["name"] == "erin"]
    assert erin["role"] == "operator" and erin["scope"] == {"environments": ["lab"], "labels": {"team": "a"}}
    assert root("operator", "set", "erin", "--role", "viewer").returncode == 0
    erin, = [item for item in root.lines("operator", "list") if item["name"] == "erin"]
    assert erin["role"] == "viewer" and erin["scope"]["environments"] == ["lab"], "what is not named stays"
    token = root("token", "create", "erin", "--expires", "1h").stdout.decode().strip()
    own = Operator(site.cloud, tmp_path, token)
    assert own.lines("agent", "list") == []
    assert own("run", "--all", "--", "true").returncode == 5
    assert own("token", "list").returncode == 5
    listed, = root.lines("token", "list", "--of", "erin")
    assert listed["id"] == token_id(token) and listed["last_used_at"]
    assert token.rsplit("_", 1)[1] not in str(listed)
    stronger = root("token", "create", "erin", "--role", "admin")
    assert stronger.returncode == 5 and b"viewer" in stronger.stderr
    assert root("operator", "disable", "erin").returncode == 0
    assert own("agent", "list").returncode == 4
    assert root("operator", "disable", "erin").returncode == 9


def test_who_shuts_out_itself_gets_the_answer_first(site, tmp_path):
    own = Operator(site.cloud, tmp_path, site.cloud.token("operator", "leaver"))
    done = own("operator", "disable", "leaver")
    assert done.returncode == 0, done.stderr
    assert own("agent", "list").returncode == 4


def test_the_command_line_makes_and_revokes_enrolment_tokens(site):
    root = site.operator
    made = root("enrolment", "create", "-e", "lab", "-l", "role=web", "--name-prefix", "web-", "--from", "10.0.0.0/8",
                "--uses", "3", "--expires", "2h")
    assert made.returncode == 0, made.stderr
    identity = token_id(made.stdout.decode().strip())
    info, = [item for item in root.lines("enrolment", "list") if item["id"] == identity]
    assert (info["environment"], info["uses_left"], info["sources"]) == ("lab", 3, ["10.0.0.0/8"])
    assert root("enrolment", "revoke", identity).returncode == 0
    assert root("enrolment", "revoke", identity).returncode == 6
    assert wire.refusal(site.cloud, "/ws/agent", made.stdout.decode().strip()) == 401
    assert root("enrolment", "create", "--expires", "25h").returncode == 2
    assert root("enrolment", "create", "--from", "10.0.0.1/8").returncode == 2
