"""What goes wrong with HTTP: `faults.py server PORT`, `narrow PORT`, `proxy PORT SERVER`, `client PORT COUNT PATH…`,
`asking PORT CONNECTIONS`, `insisting PORT ASKERS HANGERS`, `pool PORT CONNECTIONS`.

The server answers `/fine`, closes without a word for `/silent`, within the body for `/torn`, resets for `/reset`, and
never answers `/hangs`. The proxy keeps each answer back for 1.5 seconds from one line on standard input to the next. The
client asks for each path COUNT times, on a connection of its own each time, and goes on whatever comes; then it is
`done`. The others ask until a line, or from one to the next, as they say.
"""

import collections
import contextlib
import json
import select
import socket
import struct
import sys
import threading
import time

REQUEST = b"GET %s HTTP/1.1\r\nHost: faults\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TORN = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"
DELAY = 1.5


def listener(port):
    server = socket.create_server(("127.0.0.1", port), backlog=128)
    print("ready", flush=True)
    return server


def each(server, serve):
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


def answer(connection):
    with connection:
        request = connection.recv(4096)
        path = request.split(b" ")[1] if request else b""
        if path == b"/fine":
            while request:
                connection.sendall(FINE)
                request = connection.recv(4096)
        elif path == b"/torn":
            connection.sendall(TORN)
        elif path == b"/reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif path == b"/hangs":
            connection.recv(4096)


def server(port):
    each(listener(port), answer)


def proxy(port, behind):
    delayed = threading.Event()

    def relay(connection):
        with connection, socket.create_connection(("127.0.0.1", behind)) as onward:
            while request := connection.recv(65536):
                onward.sendall(request)
                response = onward.recv(65536)
                if delayed.is_set():
                    time.sleep(DELAY)
                connection.sendall(response)

    server = listener(port)
    threading.Thread(target=each, args=(server, relay), daemon=True).start()
    sys.stdin.readline()
    delayed.set()
    sys.stdin.readline()
    delayed.clear()
    sys.stdin.readline()


def client(port, count, *paths):
    print("ready", flush=True)
    for path in paths * count:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(REQUEST % path.encode())
            try:
                while piece := connection.recv(4096):
                    if piece == FINE:
                        break
            except ConnectionResetError:
                pass
    print("done", flush=True)


@contextlib.contextmanager
def threads(count, work):
    """So many threads, which have ended when this is left."""
    started = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in started:
        thread.start()
    yield
    for thread in started:
        thread.join()


def asking(port, connections):
    """Asks `/fine` on each connection, ten times a second, until a line."""
    over = threading.Event()

    def ask(_):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while not over.is_set():
                connection.sendall(REQUEST % b"/fine")
                if not connection.recv(4096):
                    break
                time.sleep(0.1)

    with threads(connections, ask):
        print("ready", flush=True)
        sys.stdin.readline()
        over.set()
    print("done", flush=True)


def insisting(port, askers, hangers):
    """From a line on asks `/hangs` so many times at once, and `/fine` on so many threads, twenty times a second and whatever
    comes. Pauses at each second line, goes on at each third, and says what came so far, as JSON, when it pauses."""
    came, going, turns = [], threading.Event(), [threading.Lock() for _ in range(askers)]

    def ask(path):
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(REQUEST % path)
                came.append("fine" if connection.recv(4096) == FINE else "unanswered")
        except ConnectionRefusedError:
            came.append("refused")
        except (ConnectionResetError, BrokenPipeError):
            came.append("reset")

    def insist(turn):
        while going.wait():
            with turn:
                if going.is_set():
                    ask(b"/fine")
            time.sleep(0.05)

    print("ready", flush=True)
    sys.stdin.readline()
    going.set()
    for work, argument in [(ask, b"/hangs")] * hangers + [(insist, turn) for turn in turns]:
        threading.Thread(target=work, args=(argument,), daemon=True).start()
    while sys.stdin.readline():
        going.clear()
        for turn in turns:
            turn.acquire()
            turn.release()
        print(json.dumps(collections.Counter(came)), flush=True)
        sys.stdin.readline()
        going.set()


def narrow(port):
    """Serves all connections one request at a time, each in 40 ms."""
    server = listener(port)
    waiting = [server]
    while True:
        for ready in select.select(waiting, [], [])[0]:
            if ready is server:
                waiting.append(server.accept()[0])
            elif ready.recv(4096):
                time.sleep(0.04)
                ready.sendall(FINE)
            else:
                waiting.remove(ready)


def pool(port, connections):
    """Has a request in flight on one connection after the other, from a line to the next on all of them all the time; ends
    at a third."""
    crowded, over, alone = threading.Event(), threading.Event(), threading.Lock()

    def use(_):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while not over.is_set():
                with contextlib.nullcontext() if crowded.is_set() else alone:
                    connection.sendall(REQUEST % b"/fine")
                    if not connection.recv(4096):
                        break
                if not crowded.is_set():
                    time.sleep(0.05)

    with threads(connections, use):
        print("ready", flush=True)
        sys.stdin.readline()
        crowded.set()
        sys.stdin.readline()
        crowded.clear()
        sys.stdin.readline()
        over.set()
    print("done", flush=True)


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*(int(argument) if argument.isdigit() else argument for argument in arguments))
