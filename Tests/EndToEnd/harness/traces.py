# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Looks for traces of a secret in bytes of any kind: as it is, encoded, and inside compressed log chunks."""

import base64
import contextlib
import ctypes
import os
import pathlib
import urllib.parse

MAGIC = b"\x28\xb5\x2f\xfd"
_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t
_zstd.ZSTD_decompress.restype = ctypes.c_size_t
_zstd.ZSTD_isError.restype = ctypes.c_uint


def expanded(data):
    """The bytes, and what each zstd frame in them stands for."""
    yield data
    at = data.find(MAGIC)
    while at >= 0:
        rest = data[at:]
        size = _zstd.ZSTD_findFrameCompressedSize(rest, ctypes.c_size_t(len(rest)))
        if not _zstd.ZSTD_isError(ctypes.c_size_t(size)):
            room = ctypes.create_string_buffer(1 << 17)
            count = _zstd.ZSTD_decompress(room, ctypes.c_size_t(len(room)), rest[:size], ctypes.c_size_t(size))
            if not _zstd.ZSTD_isError(ctypes.c_size_t(count)):
                yield room.raw[:count]
        at = data.find(MAGIC, at + 1)


def forms(secret):
    """What a secret surely looks like, plain and encoded."""
    found = {secret, urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote_plus(secret).encode()}
    for before in range(3):
        text = base64.b64encode(b"\0" * before + secret)
        certain = text[[0, 2, 3][before]:8 * (before + len(secret)) // 6]
        found |= {certain, certain.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def files(directory, leave=()):
    """The files below a directory with what is in them, but for those in the places left out; some may go meanwhile."""
    for place, _, names in os.walk(directory):
        for path in sorted(pathlib.Path(place) / name for name in names):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not any(path.is_relative_to(each) for each in leave):
                    yield path, path.read_bytes()


class Search:
    """Gathers where a secret was found; there must be nothing in the end."""

    def __init__(self, secret):
        self.forms = forms(secret)
        self.found = []
        self.searched = 0

    def bytes(self, place, data):
        self.searched += len(data)
        for part in expanded(data):
            flat = part.replace(b"\n", b"").replace(b"\r", b"")
            self.found += [f"{place}: {form!r}" for form in self.forms if form in part or form in flat]

    def tree(self, directory, leave=()):
        """Every file below a directory, but for those."""
        for path, data in files(directory, leave):
            self.bytes(path, data)

    def processes(self, but=()):
        """The arguments of all processes, and the environments of all but those given."""
        for directory in pathlib.Path("/proc").iterdir():
            if not directory.name.isdigit():
                continue
            for name in ["cmdline"] + (["environ"] if int(directory.name) not in but else []):
                try:
                    self.bytes(directory / name, (directory / name).read_bytes())
                except OSError:
                    pass
