# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Every route and every message, as the Cloud itself lists them, tried by everybody who may not: all are refused, and
nothing in the database changes."""

import itertools
import json

import pytest

from harness import wire
from harness.schema import problems
from harness.site_rest import SilentSite
from harness.waiting import until

NOBODY = ["none", "empty", "bad", "expired", "revoked", "agent", "enrolment"]
ROLES = ["viewer", "operator", "approver", "admin"]
REFUSED = {401, 403, 404}
SECRET = "secret-host-1"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = SilentSite(tmp_path_factory.mktemp("access"))
    site.cloud.token("agent", SECRET, labels=["secret-label=secret-value"])
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module", autouse=True)
def told(site):
    """An agent has told of its executors, so that there is something to be kept from strangers; it is gone again."""
    with site.link("agent", "/ws/agent") as link:
        link.send("agent_register", {"hostname": "h", "executors": ["shell", "mysql"],
                                     "executor_details": [{"type": "mysql", "datasources": [SECRET]}]})
        link.expect("agent_status")
    until(lambda: site.admin.get("/agents/spare")["status"] == "offline", 30, "the agent is gone")
    assert SECRET in str(site.admin.get("/executors"))


@pytest.fixture(scope="module")
def description(site):
    return site.admin.get("/openapi.json")


def routes(description):
    """(method, path, operation) of every route."""
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def names(site):
    """A value for each parameter of a path: things that are there."""
    return {"agent_id": site.agent_id, "run_id": site.task["run_id"], "task_id": site.task["id"], "policy_name": "tests",
            "operator_name": "olga", "token_id": site.token_id, "enrolment_id": site.enrolment, "seq": "1", "file_id": site.file_id,
            "upload_id": site.upload_id}


def bodies(site):
    """A good body of each kind: nothing but who asks can be wrong with it."""
    spec, selector = {"command": "uptime"}, {"agents": ["silent-1"]}
    return {"AgentUpdate": {"environment": "stolen"}, "RunCreate": {"selector": selector, "spec": spec},
            "TaskCreate": {"agent_id": site.agent_id, "type": "shell", "command": "uptime"}, "Cancel": {"grace": 1},
            "PolicyPut": {"policy": {"mode": "audit"}}, "PolicyTest": {"selector": selector, "spec": spec},
            "AuditVerify": {"agents": ["silent-1"]}, "OperatorPut": {"role": "admin"}, "TokenRequest": {"name": "olga"},
            "EnrolmentCreate": {"environment": "default"}, "FileBegin": {"name": "a.bin", "size": 1, "environment": "default"},
            "FileCommit": {}}


def request(site, api, method, path, operation):
    for name, value in names(site).items():
        path = path.replace("{" + name + "}", value)
    assert "{" not in path, f"no example for {path}"
    kinds = operation.get("requestBody", {}).get("content", {})
    if "application/octet-stream" in kinds:
        return api(method, path, b"x", {"Content-Type": "application/octet-stream"})
    body = None
    if kinds:
        body = bodies(site)[kinds["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]]
    return api(method, path, body)


def of_agents(operation):
    return operation["x-audience"] == "agent"


def test_the_description_is_whole(description):
    assert description["openapi"] == "3.1.0"
    every = list(routes(description))
    assert len(every) > 30 and len({operation["operationId"] for _, _, operation in every}) == len(every)
    for _, path, operation in every:
        assert operation["x-minimum-role"] in ROLES, path
    text = json.dumps(description)
    for name in description["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text or name in text, name


@pytest.mark.parametrize("who", NOBODY)
def test_no_route_answers_to_nobody(site, description, who):
    before = site.digest()
    for method, path, operation in routes(description):
        answer = request(site, site.api(who), method, path, operation)
        assert answer.status in REFUSED, (method, path, answer)
        assert site.digest() == before, (method, path)
    for path in ("/files/x", "/agent/", "/agent/tasks", "/executors/x", "/metrics", "/x/../tasks"):
        # To agents what is not there may be called so.
        assert site.api(who)("GET", path).status in ({401, 403, 404} if path.startswith("/agent/") else {401, 403}), path


@pytest.mark.parametrize("who", ["viewer", "operator", "approver"])
def test_no_route_answers_to_a_role_below(site, description, who):
    before = site.digest()
    above = 0
    for method, path, operation in routes(description):
        if not of_agents(operation) and ROLES.index(operation["x-minimum-role"]) > ROLES.index(who):
            above += 1
            answer = request(site, site.api(who), method, path, operation)
            assert answer.status == 403, (method, path, answer)
            assert site.digest() == before, (method, path)
    assert above > 0


# What an administrator of another environment may do: see itself, lists without what is not its own, and its session.
OWN = {("GET", "/server"), ("GET", "/openapi.json"), ("POST", "/session"), ("GET", "/agents"), ("GET", "/executors"), ("GET", "/runs"), ("GET", "/tasks"),
       ("GET", "/events"), ("GET", "/policies"), ("GET", "/audit"), ("GET", "/audit/export"), ("GET", "/operators"),
       ("GET", "/tokens"), ("GET", "/enrolments"), ("GET", "/files"), ("GET", "/uploads")}
# The routes of agents take no operator's token, whatever its role.
AGENTS_OWN = {401, 403}
# Policies hold by name for all: one that also holds elsewhere is shown, and not changed.
SHARED = {("GET", "/policies/{policy_name}")}
# Made anew within the own environment, or refused.
CREATING = {("PUT", "/policies/{policy_name}"), ("PUT", "/operators/{operator_name}"), ("POST", "/tokens"), ("POST", "/enrolments")}


def test_no_route_reaches_another_environment(site, description):
    before = site.digest(but={"tokens"})
    foreign = site.api("foreign")
    secrets = [SECRET, "secret-label", site.agent_id, site.guarded_id, site.task["id"], site.task["run_id"], "guarded",
               site.file_id, site.upload_id, "secret-name", "secret-content"]
    for method, path, operation in routes(description):
        if (method, path) == ("GET", "/events"):
            stream = foreign.stream("/events")
            assert stream.status == 200
            stream.close()
            continue
        answer = request(site, foreign, method, path, operation)
        if (method, path) in OWN:
            assert answer.status in {200, 201}, (method, path, answer)
        elif (method, path) in SHARED:
            assert answer.status in {200, 404}, (method, path, answer)
        elif of_agents(operation):
            assert answer.status in AGENTS_OWN, (method, path, answer)
        elif (method, path) == ("DELETE", "/session"):
            assert answer.status == 400, answer
        else:
            assert answer.status in REFUSED | ({409} if (method, path) in CREATING else set()), (method, path, answer)
        if path != "/openapi.json":
            found = [secret for secret in secrets if secret.encode() in answer.body and secret not in str(request_path(site, path))]
            assert not found or answer.status >= 400, (method, path, found)
        assert site.digest(but={"tokens"}) == before, (method, path, answer)


@pytest.mark.parametrize("who", [*ROLES, "foreign"])
def test_no_operator_reads_or_brings_what_is_an_agents(site, description, who):
    before = site.digest()
    tried = 0
    for method, path, operation in routes(description):
        if of_agents(operation):
            tried += 1
            answer = request(site, site.api(who), method, path, operation)
            assert answer.status in AGENTS_OWN, (method, path, answer)
    assert tried >= 4 and site.digest() == before


def test_no_agent_reads_or_brings_what_is_another_agents(site, description):
    """The task is another agent's, and not one of files either; and no agent's credential opens an operator's route."""
    before = site.digest()
    for method, path, operation in routes(description):
        answer = request(site, site.api("agent"), method, path, operation)
        assert answer.status == 404 if of_agents(operation) else answer.status in {401, 403}, (method, path, answer)
    assert site.digest() == before


def request_path(site, path):
    return [path] + list(names(site).values())


# -- messages ---------------------------------------------------------------------------------------------------------

def data(site):
    """Good data of every message an operator may send."""
    spec, selector = {"command": "uptime"}, {"agents": ["silent-1"]}
    task, run, agent = site.task["id"], site.task["run_id"], site.agent_id
    return {
        "server_info": {}, "agent_list": {}, "agent_show": {"id": agent}, "agent_update": {"id": agent, "environment": "stolen"},
        "agent_remove": {"id": agent}, "executor_list": {}, "run_create": {"selector": selector, "spec": spec}, "run_list": {}, "run_show": {"id": run},
        "task_list": {}, "task_show": {"id": task}, "task_cancel": {"task_id": task}, "log_open": {"task_id": task, "from_seq": 0, "follow": False},
        "log_close": {"id": task}, "events_open": {}, "policy_list": {}, "policy_show": {"id": "tests"},
        "policy_put": {"name": "tests", "policy": {"mode": "audit"}}, "policy_remove": {"id": "tests"},
        "policy_test": {"selector": selector, "spec": spec}, "audit_list": {}, "audit_show": {"id": "1"}, "audit_export": {},
        "audit_verify": {"agents": ["silent-1"]}, "operator_list": {}, "operator_put": {"name": "olga", "role": "viewer"},
        "operator_remove": {"id": "olga"}, "token_list": {}, "token_create": {"name": "olga"}, "token_revoke": {"id": site.token_id},
        "enrolment_list": {}, "enrolment_create": {"environment": "default"}, "enrolment_revoke": {"id": site.enrolment},
        "file_list": {}, "file_show": {"id": site.file_id}, "file_remove": {"id": site.file_id},
        "file_begin": {"name": "a.bin", "environment": "default"}, "file_chunk": {"upload_id": site.upload_id, "offset": 0},
        "file_commit": {"upload_id": site.upload_id}, "file_put": {"name": "a.bin", "environment": "default"}, "upload_list": {},
        "upload_remove": {"id": site.upload_id}}


def asked(site, link, kind):
    """The answer to a message; those that carry content carry some."""
    return link.ask(kind, data(site)[kind], payload=b"x" if kind in ("file_chunk", "file_put") else None)


def messages(description, endpoint):
    return [message for message in description["x-messages"]
            if message["endpoint"] == endpoint and message["direction"] == "to_cloud"]


@pytest.mark.parametrize("endpoint, who", [
    *itertools.product(["/ws/operator"], NOBODY),
    *itertools.product(["/ws/agent"], [who for who in NOBODY if who not in ("agent", "enrolment")] + ["operator", "admin"])])
def test_no_message_is_read_from_nobody(site, description, endpoint, who):
    """The upgrade is refused, so that no message can be sent at all: tried anew for each of them."""
    before = site.digest()
    for _ in messages(description, endpoint):
        assert wire.refusal(site.cloud, endpoint, site.tokens[who]) in REFUSED
    assert site.digest() == before


def test_there_is_data_for_every_message(site, description):
    assert {message["type"] for message in messages(description, "/ws/operator")} == set(data(site))


@pytest.mark.parametrize("who", ["viewer", "operator", "approver"])
def test_no_message_of_a_role_below_is_obeyed(site, description, who):
    before = site.digest()
    with site.link(who) as link:
        for message in messages(description, "/ws/operator"):
            if ROLES.index(message["minimum_role"]) > ROLES.index(who):
                answer = asked(site, link, message["type"])
                assert answer["type"] == "error" and answer["data"]["code"] == "forbidden", (message, answer)
                assert site.digest() == before, message


def test_no_message_reaches_another_environment(site, description):
    shown = {"server_info", "events_open", "log_close", "agent_list", "executor_list", "run_list", "task_list", "policy_list",
             "audit_list", "audit_export", "operator_list", "token_list", "enrolment_list", "policy_show", "file_list", "upload_list"}
    before = site.digest()
    secrets = [SECRET, "secret-label", site.guarded_id, "guarded-1", site.file_id, site.upload_id]
    with site.link("foreign") as link:
        for message in messages(description, "/ws/operator"):
            kind = message["type"]
            answer = asked(site, link, kind)
            if kind not in shown:
                assert answer["type"] == "error", (kind, answer)
                assert answer["data"]["code"] in {"forbidden", "not_found", "conflict"}, (kind, answer)
            elif answer["type"] == "reply":
                text = json.dumps(answer)
                if kind in ("audit_list", "audit_export"):
                    # What it asked for itself, in vain, it may read again.
                    text = json.dumps([row for row in answer["data"]["items"] if row["actor"] != "fred"])
                assert not [secret for secret in secrets if secret in text], (kind, answer)
                if kind in ("agent_list", "executor_list", "run_list", "task_list", "file_list", "upload_list"):
                    assert answer["data"]["items"] == []
            assert site.digest() == before, kind


def test_each_side_sends_only_what_is_its_own(site, description):
    """The closed lists, crossed: what one may send the other may not, nor may an agent before it has registered."""
    lists = {endpoint: {m["type"] for m in description["x-messages"] if m["endpoint"] == endpoint and m["direction"] == direction}
             for endpoint, direction in (("/ws/operator", "to_cloud"), ("/ws/agent", "to_cloud"))}
    everything = {message["type"] for message in description["x-messages"]}
    before = site.digest(but={"agents"})
    with site.link("admin") as link:
        for kind in sorted(everything - lists["/ws/operator"]):
            answer = link.ask(kind, {})
            assert answer["type"] == "error" and answer["data"]["code"] == "unsupported", (kind, answer)
    with site.link("agent", "/ws/agent") as link:
        link.send("agent_register", {"hostname": "h"})
        link.expect("agent_status")
        for kind in sorted(everything - lists["/ws/agent"]):
            link.send(kind, {})
            assert link.outcome() == ("error", "unsupported"), kind
    for who, allowed in (("agent", "agent_register"), ("enrolment", "agent_enrol")):
        for kind in sorted(everything - {allowed}):
            with site.link(who, "/ws/agent") as link:
                link.send(kind, {})
                outcome = link.outcome()
                assert outcome[0] == "error" or outcome[1] in (1002, 1008), (who, kind, outcome)
    assert site.digest(but={"agents"}) == before


def test_everything_can_be_done_by_those_who_may(site, description):
    """The control: the same requests, sent by an administrator, are answered, and as the description says."""
    for method, path, operation in routes(description):
        if method == "DELETE" or of_agents(operation) or path in ("/events", "/operators/{operator_name}"):
            continue
        if "{upload_id}" in path:
            site.upload_id = site.upload("another.bin")
        answer = request(site, site.admin, method, path, operation)
        assert str(answer.status) in operation["responses"] and answer.status in {200, 201}, (method, path, answer)
        content = operation["responses"][str(answer.status)]["content"]
        kind = answer.headers["Content-Type"]
        assert kind in content, (method, path, kind)
        if method == "HEAD":
            assert answer.body == b"" and int(answer.headers["Content-Length"]) > 0
        elif kind == "application/json":
            assert not problems(description, content[kind]["schema"], answer.json), (method, path)
        elif kind == "application/x-ndjson":
            for line in answer.body.splitlines():
                assert not problems(description, content[kind]["schema"], json.loads(line)), (method, path)
    refusal = site.api("none")("GET", "/server")
    assert not problems(description, description["components"]["schemas"]["Error"], refusal.json)
