# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A Cloud for tests of who may do what: no program but the Cloud runs, so that nothing changes by itself."""

import hashlib
import subprocess

from . import wire
from .programs import BIN
from .rest import API
from .site import Site
from .waiting import until

# So many refusals would otherwise be told to wait.
NO_THROTTLE = {f"TIANGONG_LIMITS_{name}": "1000000" for name in (
    "FAILED_SIGN_INS", "FAILED_SIGN_INS_TOTAL", "REQUESTS_PER_ADDRESS", "REQUESTS_PER_TOKEN")}
# What changes by looking: the audit, and when a token was last seen.
UNSTABLE = {"audit", "audit_checkpoints", "agent_sessions", "sqlite_sequence"}


class SilentSite(Site):
    """Agents that are not there, a task that waits, and a credential of every kind."""

    def __init__(self, directory, settings=None):
        super().__init__(directory, NO_THROTTLE | (settings or {}))
        cloud = self.cloud
        self.tokens = {
            "none": None, "empty": "", "bad": "tg_operator_" + "a" * 16 + "_" + "b" * 64,
            "admin": cloud.token("operator", "ada"), "agent": cloud.token("agent", "spare"),
            "expired": cloud.token("operator", "gone", expires="1s"), "revoked": cloud.token("operator", "fired"),
            "foreign": cloud.token("operator", "fred", environment="elsewhere")}
        for role in ("viewer", "operator", "approver"):
            self.tokens[role] = cloud.token("operator", f"{role}-1", role=role)
        self.admin = self.api("admin")
        answer = self.admin("POST", "/enrolments", {"environment": "default", "uses": 5})
        assert answer.status == 201, answer
        self.enrolment, self.tokens["enrolment"] = answer.json["id"], answer.json["token"]
        fired, = [row[0] for row in cloud.query("SELECT id FROM tokens WHERE name = 'fired'")]
        subprocess.run([BIN / "tiangong-cloud", "token", "revoke", fired, "--data-dir", cloud.data],
                       env=cloud.environment, check=True, timeout=30)
        cloud.token("agent", "silent-1")
        cloud.token("agent", "guarded-1", environment="guarded")
        self.policy("guarded", scope={"environments": ["guarded"]}, mode="no-injection")
        task = self.admin("POST", "/tasks", {"agent_id": "silent-1", "type": "shell", "command": "uptime"}, {"Idempotency-Key": "used"})
        assert task.status == 201, task
        self.task = task.json
        self.agent_id = self.admin.get("/agents/silent-1")["id"]
        self.guarded_id = self.admin.get("/agents/guarded-1")["id"]
        self.file_id = self.file("secret-name.bin", b"secret-content")["id"]
        self.upload_id = self.upload("unfinished.bin")
        self.token_id, = [row[0] for row in cloud.query("SELECT id FROM tokens WHERE name = 'ada'")]
        until(lambda: self.api("expired")("GET", "/server").status == 401, 30, "the token expires")

    def api(self, who):
        return API(self.cloud, self.tokens[who])

    def upload(self, name):
        """A new upload of the administrator's, without a byte."""
        answer = self.admin("POST", "/uploads", {"name": name, "environment": "default"})
        assert answer.status == 201, answer
        return answer.json["id"]

    def file(self, name, content):
        """A stored file of the environment `default`."""
        upload = self.upload(name)
        headers = {"Content-Type": "application/octet-stream"}
        assert self.admin("PUT", f"/uploads/{upload}/content", content, headers).status == 200
        answer = self.admin("POST", f"/uploads/{upload}/commit", {})
        assert answer.status == 200, answer
        return answer.json

    @property
    def names(self):
        """What rows may speak of."""
        return {"AGENT": self.agent_id, "GUARDED": self.guarded_id, "TASK": self.task["id"], "TASK:8": self.task["id"][:8],
                "RUN": self.task["run_id"], "OPERATOR": self.tokens["operator"], "USED_KEY": "used", "PORT": str(self.cloud.port)}

    def fill(self, text):
        for name, value in self.names.items():
            text = text.replace("{" + name + "}", value)
        return text

    def link(self, who, path="/ws/operator"):
        return wire.Link(self.cloud, path, self.tokens[who])

    def digest(self, but=()):
        """What the database holds, but for what changes by looking and the tables left out."""
        tables = [name for name, in self.cloud.query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        state = {}
        for table in tables:
            if table in UNSTABLE or table in but:
                continue
            columns = [row[1] for row in self.cloud.query(f"PRAGMA table_info({table})") if row[1] != "last_used_at"]
            rows = self.cloud.query(f"SELECT {', '.join(columns)} FROM {table}")
            state[table] = hashlib.sha256(repr(sorted(rows, key=repr)).encode()).hexdigest()
        return state
