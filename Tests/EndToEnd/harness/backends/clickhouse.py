# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A real ClickHouse with HTTP, HTTPS and three accounts."""

import pathlib
import shutil
import subprocess
import urllib.parse
import urllib.request

from ..certificates import Authority
from .server import Server, free_port

PROGRAM = shutil.which("clickhouse-server", path="/usr/sbin:/usr/bin:/usr/local/bin")
PASSWORD = "pass/word?&天工"

CONFIG = """<?xml version="1.0"?>
<yandex>
  <logger><level>information</level><log>{dir}/server.log</log><errorlog>{dir}/errors.log</errorlog><size>50M</size><count>1</count></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http}</http_port><https_port>{https}</https_port><tcp_port>{tcp}</tcp_port>
  <openSSL><server>
    <certificateFile>{certificate}</certificateFile><privateKeyFile>{key}</privateKeyFile>
    <verificationMode>none</verificationMode><loadDefaultCAFile>false</loadDefaultCAFile>
    <cacheSessions>false</cacheSessions><disableProtocols>sslv2,sslv3</disableProtocols>
  </server></openSSL>
  <path>{dir}/data/</path><tmp_path>{dir}/tmp/</tmp_path><user_files_path>{dir}/user_files/</user_files_path>
  <users_config>{dir}/users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
  <mark_cache_size>67108864</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size>
  <max_concurrent_queries>50</max_concurrent_queries><timezone>UTC</timezone>
</yandex>
"""
USERS = """<?xml version="1.0"?>
<yandex>
  <profiles><default><max_memory_usage>1000000000</max_memory_usage></default><readonly><readonly>1</readonly></readonly></profiles>
  <users>
    <default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
    <app><password>{password}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></app>
    <reader><password>{password}</password><networks><ip>127.0.0.1</ip></networks><profile>readonly</profile><quota>default</quota></reader>
  </users>
  <quotas><default><interval><duration>3600</duration><queries>0</queries><errors>0</errors><result_rows>0</result_rows>
    <read_rows>0</read_rows><execution_time>0</execution_time></interval></default></quotas>
</yandex>
"""


class ClickHouse(Server):
    """The accounts `app` and `reader` have the password PASSWORD."""

    name = "clickhouse"

    def __init__(self, directory):
        super().__init__(directory)
        self.tls_port, self.tcp_port = free_port(), free_port()
        self.authority = Authority()
        self.databases = 0

    def prepare(self):
        for name in ("data", "tmp", "user_files"):
            (self.directory / name).mkdir()
        certificate, key = self.authority.server(self.directory)
        self.authority_file = self.directory / "ca.pem"
        self.authority_file.write_text(self.authority.pem())
        self.other_authority_file = self.directory / "other.pem"
        self.other_authority_file.write_text(Authority().pem())
        (self.directory / "config.xml").write_text(CONFIG.format(
            dir=self.directory, http=self.port, https=self.tls_port, tcp=self.tcp_port, certificate=certificate, key=key))
        (self.directory / "users.xml").write_text(USERS.format(password=PASSWORD.replace("&", "&amp;")))

    def command(self):
        return [PROGRAM, f"--config-file={self.directory}/config.xml"]

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=2) as answer:
                return answer.read() == b"Ok.\n"
        except OSError:
            return False

    def stop(self, kill=False, seconds=30):
        # A server that still runs a query takes its time; its data are scratch.
        if not kill and self.process and self.process.poll() is None and pathlib.Path(f"/proc/{self.process.pid}").exists():
            try:
                self.sql("KILL QUERY WHERE query_id LIKE 'tiangong-%' ASYNC")
            except OSError:
                pass
        super().stop(kill, seconds)

    def sql(self, text, database="default"):
        """What the server answers the account `default`."""
        url = f"http://127.0.0.1:{self.port}/?" + urllib.parse.urlencode({"database": database})
        with urllib.request.urlopen(urllib.request.Request(url, text.encode()), timeout=60) as answer:
            return answer.read().decode().strip()

    def client(self, text):
        """The same over the native protocol."""
        return subprocess.run(
            ["clickhouse-client", "--host", "127.0.0.1", "--port", str(self.tcp_port), "--query", text],
            check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def database(self):
        """A new one."""
        self.databases += 1
        self.sql(f"CREATE DATABASE test{self.databases}")
        return f"test{self.databases}"

    def queries(self):
        """The ids of the agent's queries that run."""
        return self.sql("SELECT query_id FROM system.processes WHERE query_id LIKE 'tiangong-%'").split()
