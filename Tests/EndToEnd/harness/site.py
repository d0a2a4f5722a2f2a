# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A Cloud, its agents and an operator, together."""

import pathlib

from . import wire
from .programs import Agent, Cloud, Operator
from .waiting import until


class Site:
    def __init__(self, directory, settings=None, authority=None):
        self.directory = pathlib.Path(directory)
        self.cloud = Cloud(directory, settings, authority).start()
        self.operator = Operator(self.cloud, directory, self.cloud.token("operator", "olga"))
        self.agents = {}
        self.policy("tests", mode="blacklist-default")

    def policy(self, name, scope=None, **policy):
        """Sets a policy of the Cloud; without any, only plain commands run."""
        with wire.Link(self.cloud, "/ws/operator", self.operator.token) as link:
            answer = link.ask("policy_put", {"name": name, "scope": scope or {}, "policy": policy})
        assert answer["type"] == "reply", answer
        return answer["data"]

    def agent(self, name, labels=("role=demo",), wait=True, token=None, **options):
        """Starts an agent; waits until the operator sees it online."""
        token = token or self.cloud.token("agent", name, labels=labels)
        agent = Agent(self.cloud, self.directory, name, token, **options)
        self.agents[name] = agent
        agent.start()
        if wait:
            self.wait_online(name)
        return agent

    def wait_online(self, name, seconds=60):
        until(lambda: self.operator.online(name), seconds, f"{name} is online", every=0.1)

    def wait_offline(self, name, seconds=30):
        until(lambda: not self.operator.online(name), seconds, f"{name} is offline", every=0.1)

    def stop(self):
        """Stops all; fails when one does not end or has not ended well."""
        problems = []
        for program in [*self.agents.values(), self.cloud]:
            expected = program.running
            try:
                status = program.stop()
                if expected and status != 0:
                    problems.append(f"{program.name} exited with {status}; the end of its log:\n" + program.log.read_text()[-2000:])
            except AssertionError as problem:
                problems.append(str(problem))
        assert not problems, "\n".join(problems)
