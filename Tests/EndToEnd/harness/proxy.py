# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on loopback that can cut, stall and refuse; it never looks inside, so it works under TLS."""

import asyncio
import socket
import struct
import threading


class Proxy:
    """Forwards 127.0.0.1:port to the target's port; runs its own event loop in a thread."""

    def __init__(self, target):
        self.target = target
        self.accepting = True
        self.bytes_per_second = None
        # Resets each connection once it has carried so many bytes, both directions together.
        self.cut_after = None
        self.cuts = 0
        self.connections = set()
        self.accepted = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def cut(self):
        """Resets every connection and refuses new ones."""
        async def work():
            self.accepting = False
            for pair in list(self.connections):
                for writer in pair:
                    self._reset(writer)
        self._call(work())

    def mend(self):
        self.accepting = True

    def stop(self):
        self.cut()

        async def work():
            self.server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        self._call(work())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    @staticmethod
    def _reset(writer):
        raw = writer.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def _serve(self, reader, writer):
        if not self.accepting:
            return self._reset(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return self._reset(writer)
        if not self.accepting:  # it was cut meanwhile
            self._reset(far_writer)
            return self._reset(writer)
        self.accepted += 1
        pair = (writer, far_writer)
        self.connections.add(pair)
        carried = [0]
        await asyncio.gather(self._pump(reader, far_writer, pair, carried), self._pump(far_reader, writer, pair, carried))
        self.connections.discard(pair)

    async def _pump(self, reader, writer, pair, carried):
        try:
            while data := await reader.read(65536):
                carried[0] += len(data)
                if self.cut_after and carried[0] >= self.cut_after:
                    self.cuts += 1
                    for end in pair:
                        self._reset(end)
                    break
                if self.bytes_per_second:
                    await asyncio.sleep(len(data) / self.bytes_per_second)
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
