# Runs one workload with asyncio and prints { amount, seconds }: python-socket.py echo|stream|udp|accept PORT COUNT CONNECTIONS
import asyncio
import json
import sys
import time

workload, port, count, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
MESSAGE = b"x" * 64
BLOCK = b"x" * 65536


async def echo():
    async def talk(reader, writer):
        for _ in range(count):
            writer.write(MESSAGE)
            await reader.readexactly(len(MESSAGE))
        writer.close()

    pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    started = time.perf_counter()
    await asyncio.gather(*(talk(*pair) for pair in pairs))
    return count * connections, time.perf_counter() - started


async def stream():
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.perf_counter()
    for _ in range(count):
        writer.write(BLOCK)
        await writer.drain()
    writer.write_eof()
    await reader.readexactly(1)
    return count * len(BLOCK) / 1e6, time.perf_counter() - started


async def udp():
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    class Client(asyncio.DatagramProtocol):
        left = count

        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            self.left -= 1
            if self.left == 0:
                done.set_result(None)
            else:
                self.transport.sendto(MESSAGE)

    transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", port))
    started = time.perf_counter()
    transport.sendto(MESSAGE)
    await done
    return count, time.perf_counter() - started


async def accept():
    async def some():
        for _ in range(count // connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.readexactly(1)
            writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(connections)))
    return count, time.perf_counter() - started


amount, seconds = asyncio.run({"echo": echo, "stream": stream, "udp": udp, "accept": accept}[workload]())
print(json.dumps({"amount": amount, "seconds": seconds}))
