# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A man in the middle with the Cloud's own certificate: every message of every link, decrypted and unmasked."""

import ssl
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve


class Tap:
    """Forwards WebSocket links to a Cloud and keeps all that was said on them, headers included."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.messages = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cloud.data / "tls" / "server.pem", cloud.data / "tls" / "server.key")
        self.server = serve(self.relay, "127.0.0.1", 0, ssl=context, compression=None, max_size=None)
        self.port = self.server.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def relay(self, near):
        headers = {"Authorization": near.request.headers["Authorization"]}
        context = ssl.create_default_context(cafile=str(self.cloud.authority))
        self.messages.append(repr(near.request.headers).encode())
        with connect(f"wss://127.0.0.1:{self.cloud.port}{near.request.path}", ssl=context, additional_headers=headers,
                     compression=None, max_size=None, proxy=None) as far:
            other = threading.Thread(target=self.pump, args=(far, near), daemon=True)
            other.start()
            self.pump(near, far)
            other.join(5)

    def pump(self, source, target):
        try:
            for message in source:
                self.messages.append(message if isinstance(message, bytes) else message.encode())
                target.send(message)
        except ConnectionClosed:
            pass
        source.close()
        target.close()

    def stop(self):
        self.server.shutdown()
