"""What goes wrong with HTTP: `faults.py server PORT`, `narrow PORT`, `proxy PORT SERVER`, `client PORT COUNT PATH…`,
`asking PORT SECONDS CONNECTIONS`, `pool PORT SECONDS CONNECTIONS`.

The server answers `/fine`, closes without a word for `/silent`, within the body for `/torn`, resets for `/reset`, and
never answers `/hangs`. The proxy keeps each answer back for 1.5 seconds once its standard input says `delay`. The client
asks for each path COUNT times, on a connection of its own each time, and goes on whatever comes; then it is `done`.
"""

import select
import socket
import struct
import sys
import threading
import time

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


def client(port, count, *paths):
    print("ready", flush=True)
    for path in paths * count:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET %s HTTP/1.1\r\nHost: faults\r\n\r\n" % path.encode())
            try:
                while piece := connection.recv(4096):
                    if piece == FINE:
                        break
            except ConnectionResetError:
                pass
    print("done", flush=True)


def asking(port, seconds, connections):
    """Asks `/fine` on each connection, ten times a second."""
    print("ready", flush=True)
    end = time.monotonic() + seconds

    def ask():
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.monotonic() < end:
                connection.sendall(b"GET /fine HTTP/1.1\r\nHost: faults\r\n\r\n")
                if not connection.recv(4096):
                    break
                time.sleep(0.1)

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("done", flush=True)


def narrow(port):
    """Serves all connections one request at a time, each in 20 ms."""
    server = listener(port)
    waiting = [server]
    while True:
        for ready in select.select(waiting, [], [])[0]:
            if ready is server:
                waiting.append(server.accept()[0])
            elif ready.recv(4096):
                time.sleep(0.02)
                ready.sendall(FINE)
            else:
                waiting.remove(ready)


def pool(port, seconds, connections):
    """Has a request in flight on each connection, all the time."""
    print("ready", flush=True)
    end = time.monotonic() + seconds

    def use():
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.monotonic() < end:
                connection.sendall(b"GET /fine HTTP/1.1\r\nHost: faults\r\n\r\n")
                if not connection.recv(4096):
                    break

    threads = [threading.Thread(target=use) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("done", flush=True)


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*(int(argument) if argument.isdigit() else argument for argument in arguments))
