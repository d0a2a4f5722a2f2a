# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Files in the Cloud's store, put there and read over HTTPS."""

import hashlib
import http.client
import json

from . import wire
from .rest import API

SLICE = 32 << 20
# The largest file that one message carries.
SMALL = 196_608


def store(site, data, name="content.bin"):
    """Stores some bytes; the new file."""
    if len(data) > SMALL:
        return store_stream(site, [data], len(data), name)
    with wire.Link(site.cloud, "/ws/operator", site.operator.token) as link:
        return put(link, data, name)


def put(link, data, name="content.bin"):
    """Stores a small file over an operator's link."""
    id = f"put-{next(link.ids)}"
    head = json.dumps({"type": "file_put", "id": id, "data": {"name": name}}).encode()
    link.socket.send(len(head).to_bytes(4, "big") + head + data)
    while (answer := link.receive(30)).get("id") != id:
        pass
    assert answer["type"] == "reply", answer
    return answer["data"]


def store_stream(site, pieces, size, name):
    """The same for pieces that need not be in memory together."""
    api = API(site.cloud, site.operator.token)
    answer = api("POST", "/uploads", {"name": name, "size": size})
    assert answer.status == 201, answer
    upload, offset, digest = answer.json["id"], 0, hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        for start in range(0, len(piece), SLICE):
            part = piece[start:start + SLICE]
            span = f"bytes {offset}-{offset + len(part) - 1}/{size}"
            answer = api("PUT", f"/uploads/{upload}/content", part, headers={"Content-Range": span}, seconds=120)
            assert answer.status == 200, answer
            offset += len(part)
    answer = api("POST", f"/uploads/{upload}/commit", {"sha256": digest.hexdigest()}, seconds=120)
    assert answer.status == 200, answer
    return answer.json


def content(site, file_id):
    """The bytes of a stored file."""
    answer = API(site.cloud, site.operator.token)("GET", f"/files/{file_id}/content", seconds=120)
    assert answer.status == 200, answer
    return answer.body


def digest(site, file_id):
    """What a stored file's content hashes to, read piece by piece."""
    connection = http.client.HTTPSConnection("127.0.0.1", site.cloud.port, context=wire.trust(site.cloud), timeout=120)
    try:
        connection.request("GET", f"/api/v1/files/{file_id}/content",
                           headers={"Authorization": f"Bearer {site.operator.token}"})
        response = connection.getresponse()
        assert response.status == 200
        total = hashlib.sha256()
        while piece := response.read(1 << 20):
            total.update(piece)
        return total.hexdigest()
    finally:
        connection.close()


def size_of(path):
    """The bytes of a file; 0 when it is not there, or not any more."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def uploading(cloud):
    """The uploads a Cloud keeps that are not complete: the bytes that have arrived, by id."""
    kept = [path for path in (cloud.data / "files/parts").iterdir() if ".json" not in path.name]
    return {path.name: size_of(path) for path in kept}
