# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Certificates of authorities that are not the Cloud's, and TLS as a client that shows one."""

import datetime
import ipaddress
import os
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOUR = datetime.timedelta(hours=1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem_of(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


class Authority:
    """An authority with a key of its own, or with one that was read from files."""

    def __init__(self, certificate=None, key=None):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.certificate = certificate or self.sign(name("Some other CA"), self.key.public_key(), is_authority=True)

    @classmethod
    def of(cls, directory):
        """The Cloud's own, as whoever has stolen its key would use it."""
        certificate = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
        return cls(certificate, serialization.load_pem_private_key((directory / "ca.key").read_bytes(), None))

    def sign(self, subject, key, usage=None, names=(), is_authority=False, start=-HOUR, end=24 * HOUR):
        now = datetime.datetime.now(datetime.timezone.utc)
        issuer = subject if is_authority else self.certificate.subject
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
                   .serial_number(x509.random_serial_number()).not_valid_before(now + start).not_valid_after(now + end)
                   .add_extension(x509.BasicConstraints(is_authority, None), critical=True))
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def write(self, directory, stem, certificate, key):
        """`STEM.pem` and `STEM.key`, the second for its owner only."""
        chain, private = directory / f"{stem}.pem", directory / f"{stem}.key"
        chain.write_text(certificate.public_bytes(serialization.Encoding.PEM).decode() + self.pem())
        private.touch(mode=0o600)
        os.chmod(private, 0o600)
        private.write_text(pem_of(key))
        return chain, private

    def server(self, directory, stem="server", **options):
        """Files of a server's certificate for this host."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = self.sign(name(stem), key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH, names, **options)
        return self.write(directory, stem, certificate, key)

    def client(self, directory, subject, usage=ExtendedKeyUsageOID.CLIENT_AUTH, **options):
        """Files of a client's certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.sign(name(subject), key.public_key(), usage, **options)
        return self.write(directory, f"client-{x509.random_serial_number():x}", certificate, key)


def context(cloud, identity=None, version=None, authority=None):
    """TLS settings that believe the Cloud and show the certificate in `identity`, a pair of files."""
    context = ssl.create_default_context(cafile=str(authority or cloud.authority))
    if identity:
        context.load_cert_chain(*map(str, identity))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def request(cloud, settings, text=b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", session=None):
    """The first line of the answer and the TLS session; an empty line when TLS was refused."""
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=30) as raw:
        try:
            with settings.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as tls:
                tls.sendall(text)
                line = tls.recv(4096).split(b"\r\n")[0].decode("latin1")
                return line, tls.session
        except (ssl.SSLError, ConnectionError):
            return "", None


def presented(port):
    """The certificate that the server shows."""
    settings = ssl.create_default_context()
    settings.check_hostname, settings.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        with settings.wrap_socket(raw) as tls:
            return x509.load_der_x509_certificate(tls.getpeercert(True))
