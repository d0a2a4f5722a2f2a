# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""What the test's containers do: their logs, and programs run in them as processes of this host.

Shared by the recorded API server and by the kubelet that stands in beside a real one. A container's name says what it writes:
`big` very much, `quiet` nothing, any other ten lines.
"""

import asyncio
import datetime
import json

from aiohttp import WSMsgType, web

LINE = "{pod}/{container} line {number}\n"
BIG = 96 << 20
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


async def write_log(request, pod, container):
    """The body of a log request, as a kubelet answers it."""
    query = request.query
    follows = query.get("follow") in ("true", "1")
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        await write_lines(response, query, pod, container)
        number = 10
        while follows:
            await asyncio.sleep(0.1)
            await response.write(LINE.format(pod=pod, container=container, number=number).encode())
            number += 1
    except ConnectionError:
        # Whoever followed it is gone.
        pass
    return response


async def write_lines(response, query, pod, container):
    if container == "big":
        block = (("天工 " + "x" * 90 + "\n") * 1000).encode()
        for _ in range(BIG // len(block)):
            await response.write(block)
        return
    lines = [LINE.format(pod=pod, container=container, number=number) for number in range(0 if container == "quiet" else 10)]
    if query.get("previous") in ("true", "1"):
        lines = [f"{pod}/{container} before its restart\n"]
    tail = int(query.get("tailLines", len(lines)))
    lines = lines[len(lines) - tail:] if tail < len(lines) else lines
    if query.get("timestamps") in ("true", "1"):
        lines = [f"{now()} {line}" for line in lines]
    text = "".join(lines).encode()
    await response.write(text[:int(query["limitBytes"])] if "limitBytes" in query else text)


async def run_program(request):
    """A program's streams over a WebSocket, as a kubelet carries them."""
    query = request.query
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=8 << 20)
    await socket.prepare(request)
    takes_input = any(query.get(name) in ("1", "true") for name in ("input", "stdin"))
    try:
        process = await asyncio.create_subprocess_exec(
            *query.getall("command"), stdin=-1 if takes_input else -3, stdout=-1, stderr=-1, start_new_session=True)
    except OSError as problem:
        await end(socket, {"status": "Failure", "reason": "InternalError", "code": 500,
                           "message": f"error executing command in container: {problem}"})
        return socket
    request.app.setdefault("processes", {})[process.pid] = process

    async def pump(stream, channel):
        while data := await stream.read(16384):
            await socket.send_bytes(bytes([channel]) + data)

    async def feed():
        async for message in socket:
            if message.type == WSMsgType.BINARY and message.data[:1] == b"\0" and process.stdin:
                process.stdin.write(message.data[1:])
            elif message.type == WSMsgType.BINARY and message.data[:2] == b"\xff\0" and process.stdin:
                process.stdin.close()
        # Whoever asked for the program is gone.
        if process.returncode is None:
            process.kill()

    feeder = asyncio.create_task(feed())
    try:
        await asyncio.gather(pump(process.stdout, 1), pump(process.stderr, 2))
        code = await process.wait()
        await end(socket, {"status": "Success"} if code == 0 else {
            "status": "Failure", "reason": "NonZeroExitCode",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]}})
    except ConnectionError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
        feeder.cancel()
    return socket


async def end(socket, status):
    await socket.send_bytes(b"\x03" + json.dumps({"metadata": {}} | status).encode())
    await socket.close()
