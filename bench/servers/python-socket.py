# The same with asyncio.
import asyncio


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def sink(reader, writer):
    while await reader.read(65536):
        pass
    writer.write(b".")
    writer.close()


async def greet(reader, writer):
    writer.write(b".")
    writer.close()


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data, address)


async def main():
    servers = [await asyncio.start_server(handler, "127.0.0.1", 0, backlog=511) for handler in (echo, sink, greet)]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    ports.append(transport.get_extra_info("sockname")[1])
    print("LISTEN", *ports, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
