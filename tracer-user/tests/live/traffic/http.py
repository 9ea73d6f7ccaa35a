"""HTTP/1.1 over many connections: `http.py server PORT` and `http.py client PORT CONNECTIONS ROUNDS`.

The server answers after the milliseconds that the path names. The client asks on all connections at once, each request
after the answer to the one before, and tells what it asked, what it was answered and how long that took, as JSON.
"""

import asyncio
import json
import sys
import time

PATHS = ["/wait/20", "/users/{}", "/orders/{}/items", "/missing", "/broken", "/behind"]
STATUSES = {"/missing": "404 Not Found", "/broken": "500 Internal Server Error", "/behind": "502 Bad Gateway"}
NAMES = {"/users/{}": "/users/{id}", "/orders/{}/items": "/orders/{id}/items", "/wait/20": "/wait/{id}"}


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            if path.startswith("/wait/"):
                await asyncio.sleep(int(path[6:]) / 1000)
            body = b"x" * 1000
            status = STATUSES.get(path, "200 OK")
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def ask(port, rounds, number, told):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for turn in range(rounds):
        for path in PATHS:
            request = f"GET {path.format(1000 * number + turn)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            begin = time.monotonic_ns()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            took = time.monotonic_ns() - begin
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            await reader.readexactly(int(length[15:]))
            told.append(("GET " + NAMES.get(path, path), head.split(b" ", 2)[1].decode(), took))
            if b"connection: close" in head.lower():
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()


async def client(port, connections, rounds):
    told = []
    await asyncio.gather(*(ask(port, rounds, number, told) for number in range(connections)))
    return told


async def server(port):
    listener = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    async with listener:
        await listener.serve_forever()


def main():
    port = int(sys.argv[2])
    if sys.argv[1] == "server":
        return asyncio.run(server(port))
    told = asyncio.run(client(port, int(sys.argv[3]), int(sys.argv[4])))
    operations = {}
    for operation, status, _ in told:
        statuses = operations.setdefault(operation, {})
        statuses[status] = statuses.get(status, 0) + 1
    slow = sorted(took for operation, _, took in told if operation == "GET /wait/{id}")
    at = lambda share: slow[min(len(slow) - 1, int(len(slow) * share))] / 1000
    print(json.dumps({"requests": len(told), "operations": operations, "p50_us": at(0.5), "p99_us": at(0.99)}))


main()
