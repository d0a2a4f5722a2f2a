# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Who an agent is to a cluster, what it may do there, programs in containers, and what policies refuse."""

import json
import time

import pytest

from harness.waiting import until
from harness.work import Refused, perform

from .bench import config_map, manifests, pod


class Access:
    # Credentials

    @pytest.mark.parametrize("datasource", ["admin", "token"])
    def test_kubeconfigs_and_tokens(self, bench, datasource):
        assert "default" in bench.done("get namespaces -o name", datasource).out

    def test_a_service_account_whose_token_is_renewed(self, bench):
        bench.set_token("admin")
        done = bench.done("get cm -o name", "pod")
        # Its namespace is the pod's own.
        assert bench.done("get pods", "pod").err == "no resources found in the namespace kube-system\n", done
        bench.set_token("admin", "expired-token-of-last-hour")
        until(lambda: bench.run("version", "pod").state == "failed", 15, "the expired token is noticed", every=0.5)
        bench.set_token("admin")
        assert bench.done("version", "pod").state == "succeeded"

    def test_what_keeps_a_task_from_starting(self, bench):
        ca = bench.run("get pods", "wrong-ca")
        assert ca.state == "failed" and ca.error["code"] == "start_failed" and "certificate that is not trusted" in ca.error["message"]
        token = bench.run("get pods", "wrong-token")
        assert token.error["code"] == "start_failed" and "does not accept the credentials" in token.error["message"]
        assert "not-a-token-of-this-cluster" not in repr(token)
        closed = bench.run("get pods", "closed")
        assert closed.error["code"] == "start_failed" and "https://127.0.0.1:1 cannot be reached: Connection refused" in closed.error["message"]
        started = time.monotonic()
        silent = bench.run("get pods", "silent")
        assert silent.error["code"] == "start_failed" and "192.0.2.1" in silent.error["message"] and time.monotonic() - started < 10
        plugin = bench.run("get pods", "plugin")
        assert plugin.error["code"] == "start_failed" and "the user 'somebody' has exec, which starts a program" in plugin.error["message"]
        with pytest.raises(Refused, match="unknown datasource 'none' on k8s-1; it has: admin, agent"):
            bench.run("get pods", "none")

    def test_a_kubeconfig_that_is_replaced(self, bench):
        access = bench.cluster.access
        assert bench.done("auth can-i list pods", "changing").out == "yes\n"
        access.kubeconfig(bench.cluster.url, "agent", name="changing")
        assert bench.done("auth can-i list pods", "changing").out == "no\n"
        access.kubeconfig(bench.cluster.url, "admin", name="changing")
        assert bench.done("auth can-i list pods", "changing").out == "yes\n"

    def test_a_server_that_is_restarted_while_tasks_watch(self, bench):
        space = bench.namespace()
        bench.post("configmaps", space, config_map("one", a="1"))
        waiting = bench.work(f"wait --for=jsonpath='{{.data.a}}'=2 cm/one --timeout=120s -n {space}")
        watching = bench.work(f"get cm one -w -n {space}")
        watching.until_output("one")
        bench.cluster.bounce()
        # Kept connections are gone, and made anew.
        bench.done(f"patch cm one --type=merge -p '{{\"data\":{{\"a\":\"2\",\"b\":\"3\"}}}}' -n {space}")
        assert waiting.ended(60).state == "succeeded"
        until(lambda: watching.step(30) is None and len([line for line in watching.streams["stdout"].split(b"\n") if line.startswith(b"one")]) > 1,
              60, "the watch goes on")
        watching.cancel()
        assert watching.ended(20).state == "canceled"

    # Rights

    def test_a_denial_says_who_may_not_do_what_where(self, bench):
        space = bench.namespace()
        done = bench.run(f"get pods -n {space}", "agent")
        assert done.state == "failed" and done.error["code"] == "forbidden"
        assert done.error["message"] == f"agent may not list pods in the namespace {space}: the cluster's RBAC does not allow it"
        assert done.result["denied"] == {"user": "agent", "verb": "list", "resource": "pods", "namespace": space}
        done = bench.run(f"scale deploy/web --replicas=1 -n {space}", "certificate")
        assert done.error["message"] == (
            f"deployment.apps/web: agent may not get deployments.apps/scale in the namespace {space}: the cluster's RBAC does not allow it")
        assert bench.run("get nodes", "agent").error["message"].startswith("agent may not list nodes at the cluster scope")
        assert bench.done(f"auth can-i list pods -n {space}", "agent").out == "no\n"
        assert bench.run(f"auth can-i list pods -n {space}", "agent", params={"exit_code": True}).task["exit_code"] == 1

    def test_a_role_gives_just_what_it_says(self, bench):
        space = bench.namespace()
        bench.post("roles", space, {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "patch", "create"]}]})
        bench.post("rolebindings", space, {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "r"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "agent"}]})
        until(lambda: bench.run(f"auth can-i create cm -n {space}", "agent").out == "yes\n", 10, "the role is known")
        assert bench.done(f"apply -n {space}" + manifests(config_map("one", a="1")), "agent").out == "configmap/one created\n"
        done = bench.run(f"delete cm one -n {space}", "agent")
        assert done.error["code"] == "forbidden" and "agent may not delete configmaps" in done.error["message"]
        # Without the right to watch, an object is asked for again and again.
        done = bench.done(f"wait --for=jsonpath='{{.data.a}}'=1 cm/one -n {space} --timeout=20s", "agent")
        assert done.out.startswith("configmap/one met jsonpath=")

    # Programs in containers

    def started(self, bench, **containers):
        space = bench.namespace()
        one = pod("web-1", app="web")
        one["spec"]["containers"] += [{"name": name, "image": image} for name, image in containers.items()]
        bench.post("pods", space, one)
        until(lambda: bench.pods(space)[0]["status"].get("phase") == "Running", 20, "the pod runs")
        return space

    def test_exec_keeps_outputs_apart_and_tells_the_exit_status(self, bench):
        space = self.started(bench, side="x:1")
        done = bench.done(f"exec web-1 -n {space} -- sh -c 'echo 天工 out; echo err >&2; printf \"%s;\" \"$0\" \"$@\"' 'a b' '&?#;%'")
        assert done.out == "天工 out\na b;&?#;%;" and done.err == "err\n" and done.task["exit_code"] == 0
        assert done.result == {"pod": "web-1", "container": "app", "exit_code": 0}
        assert "has the containers app, side, this is app" in done.notes
        done = bench.run(f"exec pod/web-1 -c side -n {space} -- sh -c 'exit 7'")
        assert done.state == "failed" and done.task["exit_code"] == 7 and done.result["container"] == "side"
        done = bench.run(f"exec web-1 -c app -n {space} -- /no/such/program")
        assert done.state == "failed" and done.error["code"] == "start_failed" and "/no/such/program" in done.error["message"]
        assert "needs one pod or TYPE/NAME, and a program after --" in bench.run(f"exec web-1 -n {space} sh").error["message"]
        assert "tasks have no terminal" in bench.run(f"exec -it web-1 -n {space} -- sh").error["message"]
        assert bench.run(f"exec none -n {space} -- true").error["code"] == "not_found"

    def test_exec_with_standard_input(self, bench):
        space = self.started(bench)
        done = bench.done(f"exec -i web-1 -n {space} -- cat\n天工\n\"quoted\": {{}}\n")
        assert done.out == '天工\n"quoted": {}\n'
        text = "".join(f"line {number} {'x' * 60}\n" for number in range(3000))
        assert bench.done(f"exec -i web-1 -n {space} -- cat\n{text}").out == text
        # An API server may close the stream before it has passed on how a program ended that leaves its input unread.
        for _ in range(4):
            done = bench.run(f"exec -i web-1 -n {space} -- head -n 1\n{text}")
            if "without telling how the program ended" not in done.error.get("message", ""):
                break
        assert done.state == "succeeded" and done.out == text.splitlines()[0] + "\n", done
        assert "needs -i" in bench.run(f"exec web-1 -n {space} -- cat\ntext\n").error["message"]

    def test_exec_streams_much_output(self, bench):
        space = self.started(bench)
        before = bench.agent.memory()
        work = bench.work(f"exec web-1 -n {space} -- sh -c 'head -c 48000000 /dev/zero | tr \"\\0\" x; exit 3'", log_limit=1 << 30)
        work.keeps = False
        most = 0
        while not (ended := work.step(120)) or ended["state"] != "failed":
            most = max(most, bench.agent.memory())
        work.link.close()
        assert work.bytes == 48_000_000 and ended["exit_code"] == 3 and most - before < 64 << 20

    def test_exec_is_stopped_by_cancel_and_by_time(self, bench):
        space = self.started(bench)
        work = bench.work(f"exec web-1 -n {space} -- sh -c 'echo $$; exec sleep 600'")
        work.until_output("\n")
        process = int(work.streams["stdout"])
        work.cancel()
        assert work.ended(20).state == "canceled"
        # The stand-in ends programs whose connection is gone, as it can see that it was closed.
        until(lambda: not alive(process), 10, "the program has ended")
        done = bench.run(f"exec web-1 -n {space} -- sleep 600", timeout=1)
        assert done.state == "timed_out"

    # Policies

    @pytest.mark.parametrize("command, rule", [
        ("exec web-1 -- id", "k8s.exec"), ("get secrets", "k8s.secrets"), ("delete ns default", "k8s.delete-namespace"),
        ("delete pods --all", "k8s.all"), ("get pods --token=x", "k8s.identity"), ("delete pod x -n kube-system", "k8s.system-namespace"),
        ("apply" + manifests(pod("p") | {"spec": {"hostPID": True}}), "k8s.privileged"), ("get pods --raw /", "k8s.raw"),
        ("apply -f http://example.org/x.yaml", "k8s.file"), ("frobnicate pods", "k8s.syntax"), ("get pods --frob", "k8s.syntax"),
    ])
    def test_the_guard_refuses(self, bench, command, rule):
        try:
            done = perform(bench.site, "strict", "k8s", command)
        except Refused as refused:
            # What the Cloud's policy does not lift either.
            assert refused.error["code"] == "policy_denied" and rule in refused.error["message"]
        else:
            assert done.state == "rejected" and done.error["code"] == "policy_denied" and rule in done.error["message"]

    def test_the_worked_example_of_the_manual(self, bench):
        space = bench.namespace()
        command = f"apply -n {space}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: motd\ndata:\n  text: maintenance at 22:00\n"
        done = bench.done(command)
        assert done.out == "configmap/motd created\n"
        assert json.loads(bench.done(f"get cm motd -o json -n {space}").out)["data"] == {"text": "maintenance at 22:00"}


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
