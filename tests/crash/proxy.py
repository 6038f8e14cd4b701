"""A TCP proxy whose wire can be cut, frozen, or made to lose every answer: what networks do, on one machine."""

import asyncio
import contextlib
from threading import Thread

CHUNK_BYTES = 65_536


class Proxy:
    """Listens on a port of loopback and passes on to another one, from a thread of its own, until ``close``.

    Who connects while nobody listens behind it is hung up on.
    """

    def __init__(self, port: int, target_port: int) -> None:
        self.port = port
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._deaf = False
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", port))
        self._thread = Thread(target=self._loop.run_forever, name=f"proxy-{port}", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """End every connection; the next ones are let through."""
        self._loop.call_soon_threadsafe(self._cut)

    def freeze(self) -> None:
        """Nothing gets through, and nobody is told; until ``thaw``."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def thaw(self) -> None:
        self._loop.call_soon_threadsafe(self._flowing.set)

    def lose_answers(self) -> None:
        """What is asked arrives and is done, what is answered gets lost; until ``cut``."""
        self._loop.call_soon_threadsafe(self._set_deaf)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._cut)
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _set_deaf(self) -> None:
        self._deaf = True

    def _cut(self) -> None:
        self._deaf = False
        self._flowing.set()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            target_reader, target = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            self._drop(writer)
            return
        self._writers.add(target)
        await asyncio.gather(self._pass_on(reader, target, answers=False), self._pass_on(target_reader, writer))
        self._drop(target)
        self._drop(writer)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = True
    ) -> None:
        with contextlib.suppress(OSError):
            while content := await reader.read(CHUNK_BYTES):
                await self._flowing.wait()
                if not (answers and self._deaf):
                    writer.write(content)
                    await writer.drain()
        writer.close()

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()
