# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""The server's end of SCRAM-SHA-256 (RFC 5802, RFC 7677)."""

import base64
import hashlib
import hmac
import secrets

ITERATIONS = 15000


def digest(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class Conversation:
    def __init__(self, user, password):
        self.user, self.password, self.is_done = user, password, False
        self.salt, self.nonce, self.auth = secrets.token_bytes(28), "", ""

    def step(self, message):
        """The answer to the client's next message; None when it is refused."""
        fields = dict(part.split("=", 1) for part in message.decode().removeprefix("n,,").split(",") if "=" in part)
        if not self.nonce:
            return self.first(message.decode().removeprefix("n,,"), fields)
        return self.final(message.decode(), fields)

    def first(self, bare, fields):
        name = fields["n"].replace("=2C", ",").replace("=3D", "=")
        if name != self.user:
            return None
        self.nonce = fields["r"] + secrets.token_urlsafe(18)
        challenge = f"r={self.nonce},s={base64.b64encode(self.salt).decode()},i={ITERATIONS}"
        self.auth = f"{bare},{challenge}"
        return challenge.encode()

    def final(self, message, fields):
        self.auth += "," + message.rsplit(",p=", 1)[0]
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), self.salt, ITERATIONS)
        client_key = digest(salted, b"Client Key")
        signature = digest(hashlib.sha256(client_key).digest(), self.auth.encode())
        proof = bytes(left ^ right for left, right in zip(client_key, signature))
        if fields["r"] != self.nonce or not hmac.compare_digest(proof, base64.b64decode(fields["p"])):
            return None
        self.is_done = True
        verifier = digest(digest(salted, b"Server Key"), self.auth.encode())
        return b"v=" + base64.b64encode(verifier)
