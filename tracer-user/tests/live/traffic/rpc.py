"""gRPC over many connections: `rpc.py server PORT` and `rpc.py client PORT CONNECTIONS STREAMS ROUNDS`.

The server ends each method in its own way. The client has STREAMS calls open at once on each connection, each after the
one before, and tells what it called, how that ended on the wire and how long `Wait` took, as JSON. Needs grpcio
(Debian: python3-grpcio).
"""

import asyncio
import json
import sys
import time

import grpc

SERVICE = "shop.v1.Users"
REQUEST = b"x" * 100
ANSWER = b"y" * 100
ENDS = {"NotFound": grpc.StatusCode.NOT_FOUND, "Down": grpc.StatusCode.UNAVAILABLE, "Lost": grpc.StatusCode.DATA_LOSS}
# A method of which there is none is UNIMPLEMENTED.
UNARY = ["Wait", "Get", "Nope", *ENDS]
STREAMS = ["List", "Torn", "Endless"]


async def get(request, context):
    return ANSWER


async def wait(request, context):
    await asyncio.sleep(0.02)
    return ANSWER


def ending(code):
    async def end(request, context):
        await context.abort(code, "as always")
    return end


async def listing(request, context):
    for _ in range(3):
        yield ANSWER
        await asyncio.sleep(0.002)


async def torn(request, context):
    yield ANSWER
    await context.abort(grpc.StatusCode.INTERNAL, "half way")


async def endless(request, context):
    while True:
        yield ANSWER
        await asyncio.sleep(60)


async def server(port):
    methods = {"Get": get, "Wait": wait, **{name: ending(code) for name, code in ENDS.items()}}
    handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
    for name, method in {"List": listing, "Torn": torn, "Endless": endless}.items():
        handlers[name] = grpc.unary_stream_rpc_method_handler(method)
    listener = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    listener.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if listener.add_insecure_port(f"127.0.0.1:{port}") != port:
        sys.exit("the port is taken")
    await listener.start()
    print("ready", flush=True)
    await listener.wait_for_termination()


async def call(channel, name):
    """Calls, and gives the status that the wire has."""
    path = f"/{SERVICE}/{name}"
    try:
        if name in UNARY:
            await channel.unary_unary(path)(REQUEST)
            return "OK"
        stream = channel.unary_stream(path)(REQUEST)
        async for _ in stream:
            if name == "Endless":
                # The stream is reset (RFC 9113 §7): the server says no status.
                stream.cancel()
                return "CANCEL"
        return "OK"
    except grpc.aio.AioRpcError as error:
        return error.code().name


async def ask(channel, rounds, told):
    for _ in range(rounds):
        for name in [*UNARY, *STREAMS]:
            begin = time.monotonic_ns()
            status = await call(channel, name)
            told.append((name, status, time.monotonic_ns() - begin))
            await asyncio.sleep(0.05)


async def connection(port, streams, rounds, told):
    # Else channels share a connection, and calls that fail may be made again.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        await channel.channel_ready()
        await asyncio.gather(*(ask(channel, rounds, told) for _ in range(streams)))


async def client(port, connections, streams, rounds):
    told = []
    await asyncio.gather(*(connection(port, streams, rounds, told) for _ in range(connections)))
    operations = {}
    for name, status, _ in told:
        statuses = operations.setdefault(f"/{SERVICE}/{name}", {})
        statuses[status] = statuses.get(status, 0) + 1
    slow = sorted(took for name, _, took in told if name == "Wait")
    at = lambda share: slow[min(len(slow) - 1, int(len(slow) * share))] / 1000
    print(json.dumps({"requests": len(told), "operations": operations, "p50_us": at(0.5), "p99_us": at(0.99)}))


if __name__ == "__main__":
    role, *numbers = sys.argv[1:]
    asyncio.run({"server": server, "client": client}[role](*map(int, numbers)))
