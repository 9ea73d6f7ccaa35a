"""Clients and servers for the live tests: `peers.py ROLE ARGUMENTS…`.

Each role prints `ready` once it listens or is connected, and `done` when it has finished; a line on standard input,
or its end, makes the patient ones go on. Every count is given by the caller, so the test knows what must be seen.
"""

import errno
import os
import signal
import socket
import struct
import sys
import threading
import time

REQUEST = b"x" * 100
ANSWER = b"y" * 300


def say(word):
    print(word, flush=True)


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def whole(connection, length):
    while length:
        piece = connection.recv(length)
        if not piece:
            return False
        length -= len(piece)
    return True


def serve(connection):
    with connection:
        while whole(connection, len(REQUEST)):
            connection.sendall(ANSWER)


def listen(host, port, backlog=512):
    return socket.create_server((host, int(port)), family=family(host), backlog=backlog,
                                dualstack_ipv6=host == "::")


def server(host, port):
    """Answers every request."""
    with listen(host, port) as listener:
        say("ready")
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


def preforked(host, port):
    """Accepts in the parent; a forked child serves each connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with listen(host, port) as listener:
        say("ready")
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                serve(connection)
                os._exit(0)
            connection.close()


def resetter(host, port):
    """Reads a request and resets the connection."""
    with listen(host, port) as listener:
        say("ready")
        while True:
            connection, _ = listener.accept()
            whole(connection, len(REQUEST))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


def closer(host, port):
    """Reads a request and closes without an answer."""
    with listen(host, port) as listener:
        say("ready")
        while True:
            connection, _ = listener.accept()
            whole(connection, len(REQUEST))
            connection.close()


def deaf(host, port):
    """Listens with room for one connection and never accepts."""
    with listen(host, port, backlog=0):
        say("ready")
        sys.stdin.read()


def exchange(connection):
    connection.sendall(REQUEST)
    return whole(connection, len(ANSWER))


def short(host, port, count, rate):
    """Connects, asks once and closes, `count` times, `rate` times a second."""
    say("ready")
    start = time.monotonic()
    for number in range(int(count)):
        with socket.create_connection((host, int(port))) as connection:
            if not exchange(connection):
                sys.exit("no answer")
        time.sleep(max(0.0, start + (number + 1) / float(rate) - time.monotonic()))
    say("done")


def patient(host, port, count):
    """Keeps one connection: asks once now, and `count` times for each line of standard input."""
    with socket.create_connection((host, int(port))) as connection:
        exchange(connection)
        say("ready")
        for _ in sys.stdin:
            for _ in range(int(count)):
                exchange(connection)
            say("done")


def late(host, port, count, seconds):
    """Asks `count` times on one connection, and reads each answer so many seconds later."""
    with socket.create_connection((host, int(port))) as connection:
        say("ready")
        for _ in range(int(count)):
            connection.sendall(REQUEST)
            time.sleep(float(seconds))
            whole(connection, len(ANSWER))
    say("done")


def failing(host, port, count, seconds="0"):
    """Connects and asks, `count` times, and expects each to fail. With `seconds`, gives up connecting early."""
    say("ready")
    for _ in range(int(count)):
        connection = socket.socket(family(host))
        if float(seconds):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        try:
            connection.connect((host, int(port)))
            if exchange(connection):
                sys.exit("an answer came")
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EPIPE):
                raise
        connection.close()
    say("done")


def holding(host, port):
    """Connects without asking and holds the connection."""
    with socket.create_connection((host, int(port))):
        say("ready")
        sys.stdin.read()


def resolving(port):
    """Answers DNS questions over UDP and the local resolver's protocol to itself, then connects to what they told."""
    import json

    def name(text):
        return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"

    def answer(question):
        header = question[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0)
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton("198.51.100.1")
        return header + question[12:] + record

    def serve_dns(server):
        question, client = server.recvfrom(512)
        server.sendto(answer(question), client)

    def serve_resolver(server):
        connection, _ = server.accept()
        connection.recv(4096)
        address = {"ifindex": 1, "family": 2, "address": [198, 51, 100, 2]}
        reply = {"parameters": {"addresses": [address], "name": "billing.example.com", "flags": 1}}
        connection.sendall(json.dumps(reply).encode() + b"\0")
        connection.recv(1)

    say("ready")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.53", 53))
        threading.Thread(target=serve_dns, args=(server,), daemon=True).start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            question = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + name("db.example.com") + struct.pack("!HH", 1, 1)
            client.sendto(question, ("127.0.0.53", 53))
            client.recvfrom(512)
    path = "/run/systemd/resolve/io.systemd.Resolve"
    made = not os.path.exists(path)
    if made:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            threading.Thread(target=serve_resolver, args=(server,), daemon=True).start()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b'{"method":"io.systemd.Resolve.ResolveHostname"}\0')
                client.recv(4096)
        os.unlink(path)
    for host in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        with socket.socket() as connection:
            connection.settimeout(0.2)
            try:
                connection.connect((host, int(port)))
            except OSError:
                pass
    say("done")


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*arguments)
