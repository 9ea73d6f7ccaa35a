"""Requests whose client measures by itself how long each takes: `clocks.py ask PROTOCOL PORT REQUESTS RATE [SCRIPT]`.

Fifty connections (`connections.py`) make REQUESTS requests each, RATE a second, never two at once on one
of them, and one thread serves them all. SCRIPT is what an application server is to run. At the end comes one
line of JSON: requests by operation and status, and how long each took that was answered, in milliseconds.

`clocks.py reply PORT` serves the requests of NATS on `svc.time`, and `clocks.py resolve PORT` queries of DNS; both wait
before they answer, as the servers between them and the client cannot.
"""

import collections
import gc
import heapq
import json
import random
import select
import socket
import struct
import sys

from connections import ELSE, PROTOCOLS, Nats, clock, milliseconds, operations

CONNECTIONS = 50
WAIT_NS = 10_000_000


def ask(protocol, port, requests, rate, *more):
    requests, rate = int(requests), float(rate)
    connections = [PROTOCOLS[protocol](int(port), number, *more) for number in range(CONNECTIONS)]
    by_descriptor, epoll = {}, select.epoll()
    for connection in connections:
        by_descriptor[connection.socket.fileno()] = connection
        epoll.register(connection.socket, select.EPOLLIN)
    # Whoever collects garbage does nothing else.
    gc.disable()
    # Each at times of its own, or they wait for each other here.
    chance = random.Random(0)
    span = 1e9 / rate
    due = [(clock() + span * chance.random(), connection.number) for connection in connections]
    heapq.heapify(due)
    left = CONNECTIONS
    while left:
        while due and due[0][0] <= clock():
            connections[heapq.heappop(due)[1]].next()
        # It waits for whole milliseconds, and never too short.
        for descriptor, _ in epoll.poll(max(0, due[0][0] - clock()) / 1e9 if due else -1):
            connection = by_descriptor[descriptor]
            if not connection.receive():
                continue
            if connection.turn == requests:
                left -= 1
                continue
            heapq.heappush(due, (connection.began + span * (0.5 + chance.random()), connection.number))
    for connection in connections:
        connection.socket.close()
    print(json.dumps({"operations": operations, "milliseconds": milliseconds}), flush=True)


def answer_later(readable, receive):
    """Does what `receive` gives, each a while after it came."""
    waiting = collections.deque()
    while True:
        left = max(0, waiting[0][0] - clock()) / 1e9 if waiting else None
        if select.select([readable], [], [], left)[0]:
            waiting.extend((clock() + WAIT_NS, answer) for answer in receive())
        while waiting and waiting[0][0] <= clock():
            waiting.popleft()[1]()


class Service(Nats):
    """One that waits for requests in place of responses."""

    def subscribe(self):
        self.answers = []
        self.tell(b"SUB svc.time 1\r\n", "SUB svc.time")

    def hear(self, frame):
        words = frame.split()
        if words[0] != b"MSG":
            return super().hear(frame)
        self.answers.append(lambda: self.socket.sendall(b"PUB %s 3\r\nyes\r\n" % words[3]))
        return ELSE

    def take(self):
        self.receive()
        answers, self.answers = self.answers, []
        return answers


def reply(port):
    service = Service(int(port), 0)
    print("ready", flush=True)
    answer_later(service.socket, service.take)


def resolve(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", int(port)))

    def receive():
        query, client = sock.recvfrom(2000)
        end = query.index(b"\0", 12) + 5
        # One answer that points to the name in the question, and is not to be kept.
        answer = query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + query[12:end]
        answer += struct.pack(">HHHIHI", 0xC00C, 1, 1, 0, 4, 0x0A000001)
        yield lambda: sock.sendto(answer, client)

    print("ready", flush=True)
    answer_later(sock, receive)


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*arguments)
