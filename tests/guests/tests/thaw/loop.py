# An event loop that has been told nothing yet: it sleeps and goes on, is woken by a signal and by another thread, and
# talks to itself over a pair of sockets. The loop wakes itself up by such a pair, too.
import asyncio
import signal
import socket
import threading


async def main():
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, told.set)
    reader, writer = [None, None], [None, None]
    for end, sock in enumerate(socket.socketpair()):
        reader[end], writer[end] = await asyncio.open_connection(sock=sock)

    async def echo():
        while line := await reader[1].readline():
            writer[1].write(line.upper())

    async def tick():
        ticks = 0
        while not told.is_set():
            await asyncio.sleep(0.02)
            ticks += 1
        return ticks

    echoing, ticking = asyncio.create_task(echo()), asyncio.create_task(tick())
    posted, go = [], threading.Event()

    def work():
        go.wait()
        loop.call_soon_threadsafe(posted.append, "by a thread")

    thread = threading.Thread(target=work)
    thread.start()
    writer[0].write(b"before\n")
    await asyncio.sleep(0.1)
    print("ready", flush=True)
    await told.wait()
    writer[0].write(b"after\n")
    lines = [await reader[0].readline(), await reader[0].readline()]
    go.set()
    while not posted:
        await asyncio.sleep(0.01)
    thread.join()
    writer[0].close()
    await echoing
    print("done", lines, posted, await ticking > 0, flush=True)


asyncio.run(main())
