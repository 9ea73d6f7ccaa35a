"""Peers on every kind of socket, and every way to come by one: `kinds.py ROLE ARGUMENTS…`.

A place is a path, `@name` for an abstract one, or `host:port`. Requests have 100 bytes, answers 300.
"""

import ctypes
import mmap
import os
import signal
import socket
import sys
import threading
import time

REQUEST = b"x" * 100
ANSWER = b"y" * 300
KINDS = {"stream": socket.SOCK_STREAM, "seqpacket": socket.SOCK_SEQPACKET, "datagram": socket.SOCK_DGRAM}


def fork():
    """As os.fork(); the child ends with its parent."""
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    return child


def say(word):
    print(word, flush=True)


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


def ask(connection, count=1):
    for _ in range(int(count)):
        connection.sendall(REQUEST)
        if not whole(connection, len(ANSWER)):
            sys.exit("no answer")


def where(place):
    if place[0] in "/@":
        return socket.AF_UNIX, place.replace("@", "\0", 1)
    host, port = place.rsplit(":", 1)
    return socket.AF_INET6 if ":" in host else socket.AF_INET, (host, int(port))


def bound(place, kind="stream"):
    family, address = where(place)
    listener = socket.socket(family, KINDS[kind])
    if family != socket.AF_UNIX:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    if kind != "datagram":
        listener.listen(512)
    return listener


def connected(place, kind="stream"):
    family, address = where(place)
    connection = socket.socket(family, KINDS[kind])
    connection.connect(address)
    return connection


def accepting(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def server(place, kind="stream"):
    listener = bound(place, kind)
    say("ready")
    accepting(listener)


def short(place, count, kind="stream"):
    """A connection for each request."""
    say("ready")
    sys.stdin.readline()
    for _ in range(int(count)):
        with connected(place, kind) as connection:
            ask(connection)
    say("done")


def patient(place, count):
    """One connection: asks once now, COUNT times for each line of standard input, and ends with it."""
    with connected(place) as connection:
        ask(connection)
        say("ready")
        for _ in sys.stdin:
            ask(connection, count)
            say("done")


def steady(place, rate, noted):
    """One connection: asks RATE times a second without end, and notes in a file how often it has, as 64 bits."""
    with connected(place) as connection, open(noted, "w+b") as file:
        file.truncate(8)
        counter = ctypes.c_uint64.from_buffer(mmap.mmap(file.fileno(), 8))
        ask(connection)
        say("ready")
        start = time.monotonic()
        while True:
            ask(connection)
            counter.value += 1
            time.sleep(max(0.0, start + counter.value / float(rate) - time.monotonic()))


def receiver(place, kind):
    """Answers datagrams to whoever sent them; on a Unix socket only takes them. Of port 0 it says which one it is."""
    listener = bound(place, kind)
    say("ready")
    if place.endswith(":0"):
        say(listener.getsockname()[1])
    while True:
        _, sender = listener.recvfrom(2000)
        if where(place)[0] != socket.AF_UNIX:
            listener.sendto(ANSWER, sender)


def sender(places, count, connects):
    """Sends COUNT datagrams to each of PLACES from one socket, and waits for each answer where one comes."""
    addresses = [where(place) for place in places.split(",")]
    with socket.socket(addresses[0][0], socket.SOCK_DGRAM) as end:
        if connects == "connected":
            end.connect(addresses[0][1])
        say("ready")
        sys.stdin.readline()
        for _ in range(int(count)):
            for family, address in addresses:
                if connects == "connected":
                    end.send(REQUEST)
                else:
                    end.sendto(REQUEST, address)
                if family != socket.AF_UNIX:
                    end.recvfrom(2000)
        say("done")


def pair(program, count):
    """Makes an unnamed pair, gives one end to another program, and asks it."""
    here, there = socket.socketpair()
    out, into = os.pipe()
    child = fork()
    if child == 0:
        os.set_inheritable(there.fileno(), True)
        os.set_inheritable(into, True)
        os.execv("/usr/bin/python3", ["python3", program, "given", str(there.fileno()), str(into)])
    there.close()
    os.read(out, 1)
    say("ready")
    sys.stdin.readline()
    ask(here, count)
    say("done")
    sys.stdin.readline()
    here.close()
    os.waitpid(child, 0)


def given(descriptor, pipe):
    """Serves a connection that it has inherited."""
    connection = socket.socket(fileno=int(descriptor))
    os.write(int(pipe), b"!")
    serve(connection)


def inetd(place, program):
    """Accepts, and lets another program serve each connection as its standard input and output."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = bound(place)
    say("ready")
    while True:
        connection, _ = listener.accept()
        if fork() == 0:
            os.dup2(connection.fileno(), 0)
            os.dup2(connection.fileno(), 1)
            os.execv("/usr/bin/python3", ["python3", program, "standard"])
        connection.close()


def standard():
    while True:
        length = len(REQUEST)
        while length:
            piece = os.read(0, length)
            if not piece:
                return
            length -= len(piece)
        os.write(1, ANSWER)


def passing(place, door):
    """Accepts, and passes each connection to the program behind DOOR, a Unix socket."""
    listener = bound(place)
    channel = connected(door)
    say("ready")
    while True:
        connection, _ = listener.accept()
        socket.send_fds(channel, [b"!"], [connection.fileno()])
        connection.close()


def passed(door):
    """Serves every connection that is passed to it."""
    listener = bound(door)
    say("ready")
    channel, _ = listener.accept()
    while True:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        for descriptor in descriptors:
            connection = socket.socket(fileno=descriptor)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


def activator(place, program):
    """Makes the listener, then becomes another program that accepts from it (sd_listen_fds(3))."""
    listener = bound(place)
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    child = fork()
    if child:
        # The launcher keeps the listener too, as a service manager does.
        os.waitpid(child, 0)
        return
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.execv("/usr/bin/python3", ["python3", program, "activated"])


def activated():
    listener = socket.socket(fileno=3)
    say("ready")
    accepting(listener)


def workers(place, count):
    """Forks COUNT workers that each listen on the same port with SO_REUSEPORT."""
    family, address = where(place)
    for _ in range(int(count)):
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(512)
        if fork() == 0:
            accepting(listener)
        listener.close()
    say("ready")
    sys.stdin.read()


def duplicated(place, count):
    """Asks over descriptors that are duplicates, the first of them closed."""
    connection = connected(place)
    say("ready")
    sys.stdin.readline()
    other = os.dup(connection.fileno())
    connection.close()
    os.dup2(other, 77)
    os.close(other)
    ask(socket.socket(fileno=77), count)
    say("done")


def headless(place, count):
    """The main thread ends; another goes on and asks."""
    import time

    def rest():
        sys.stdin.readline()
        time.sleep(0.2)
        with connected(place) as connection:
            ask(connection, count)
        say("done")
        os._exit(0)

    say("ready")
    threading.Thread(target=rest, daemon=True).start()
    ctypes.CDLL(None).pthread_exit(None)


def handing(place, program, count):
    """Asks COUNT times on a connection, then becomes the parent of another program that asks COUNT times on the same."""
    connection = connected(place)
    say("ready")
    sys.stdin.readline()
    ask(connection, count)
    os.set_inheritable(connection.fileno(), True)
    child = fork()
    if child == 0:
        os.execv("/usr/bin/python3", ["python3", program, "taking", str(connection.fileno()), count])
    os.waitpid(child, 0)
    ask(connection, count)
    say("done")


def taking(descriptor, count):
    ask(socket.socket(fileno=int(descriptor)), count)
    os._exit(0)


def many(folder, first, count):
    """Opens COUNT of each kind of socket and holds them: listeners and connections, bound and connected."""
    held = []
    first, count = int(first), int(count)
    for number in range(count):
        for host in ("127.0.0.1", "::1"):
            listener = bound(f"{host}:{first + number}")
            connection = connected(f"{host}:{first + number}")
            held += [listener, connection, listener.accept()[0]]
            datagrams = bound(f"{host}:{first + number}", "datagram")
            held += [datagrams, connected(f"{host}:{first + number}", "datagram")]
        for path in (f"{folder}/{number}.sock", f"@{folder}/{number}"):
            listener = bound(path)
            connection = connected(path)
            held += [listener, connection, listener.accept()[0]]
    say("ready")
    print(len(held), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*arguments)
