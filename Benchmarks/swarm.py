# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""Many agents in one process, written from the origin document alone: `swarm.py URL CA TOKENS`.

Each registers, beats, and answers a task with one line of output. Says `ready` on standard output once all are
registered, and ends when its standard input ends. TOKENS is a file of `NAME TOKEN` lines.
"""

import asyncio
import json
import random
import ssl
import sys

import websockets

AT_ONCE = 64


def text(kind, **data):
    return json.dumps({"type": kind, "data": data})


async def beat(socket, interval):
    while True:
        await asyncio.sleep(interval * random.uniform(0.9, 1.0))
        await socket.send(text("agent_heartbeat", running=0, queued=0, load=0.1))


async def agent(url, tls, name, token, gate, registered):
    async with gate:
        socket = await websockets.connect(
            url + "/ws/agent", ssl=tls, compression=None, ping_interval=None, open_timeout=60, max_queue=None,
            additional_headers={"Authorization": f"Bearer {token}"})
        await socket.send(text("agent_register", name=name, hostname=name, os="Linux", arch="x86_64", version="bench"))
        reply = json.loads(await socket.recv())
    if reply["type"] != "agent_status":
        raise RuntimeError(f"{name}: {reply}")
    registered()
    beating = asyncio.create_task(beat(socket, reply["data"]["heartbeat_interval"]))
    async for frame in socket:
        message = json.loads(frame)
        if message["type"] == "task_create":
            task = message["data"]["task_id"]
            await socket.send(text("task_status", task_id=task, state="running"))
            await socket.send(text("task_log", task_id=task, content=f"hello from {name}\n"))
            await socket.send(text("task_complete", task_id=task, status="success", exit_code=0))
    beating.cancel()
    raise RuntimeError(f"{name}: the link ended with {socket.close_code} {socket.close_reason}")


async def main(url, ca, tokens):
    tls = ssl.create_default_context(cafile=ca)
    pairs = [line.split() for line in open(tokens)]
    left = len(pairs)
    ready = asyncio.Event()

    def registered():
        nonlocal left
        left -= 1
        if left == 0:
            ready.set()

    gate = asyncio.Semaphore(AT_ONCE)
    agents = [asyncio.create_task(agent(url, tls, name, token, gate, registered)) for name, token in pairs]

    async def run():
        await ready.wait()
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    done, _ = await asyncio.wait([asyncio.create_task(run()), *agents], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
