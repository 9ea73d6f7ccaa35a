"""Queries for a DNS server: `dns.py PORT REQUESTS CONNECTIONS [udp]`.

CONNECTIONS connections send REQUESTS queries one after the other; ids are random. Over UDP, two at once; half of the
sockets are connected. At the end comes one line of JSON: requests by operation and status.
"""

import collections
import json
import socket
import struct
import sys
import threading

# Beside this file stands nothing that is called `dns`; the folder of the script comes first all the same.
sys.path.pop(0)

import dns.flags
import dns.message
import dns.opcode
import dns.rcode

QUESTIONS = [
    ("db.example.com", "A"),
    ("db.example.com", "AAAA"),
    ("nobody.example.com", "A"),
    ("_http._tcp.example.com", "SRV"),
    ("elsewhere.test", "A"),
]


def take(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        assert more, "the server closed"
        data += more
    return data


def talk(port, number, share, told):
    connection = socket.create_connection(("127.0.0.1", port))
    for turn in range(share):
        name, kind = QUESTIONS[(number + turn) % len(QUESTIONS)]
        query = dns.message.make_query(name, kind, use_edns=turn % 2 == 0)
        data = query.to_wire()
        connection.sendall(struct.pack("!H", len(data)) + data)
        (length,) = struct.unpack("!H", take(connection, 2))
        answer = dns.message.from_wire(take(connection, length))
        assert query.is_response(answer)
        told.append((f"{kind} {name}", dns.rcode.to_text(answer.rcode())))
    connection.close()


def ask(port, number, share, told):
    """As `talk`, over UDP."""
    place = ("127.0.0.1", port)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(10)
    if number % 2:
        sock.connect(place)
    turn = 0
    while turn < share:
        queries = {}
        for turn in range(turn, min(turn + 2, share)):
            name, kind = QUESTIONS[(number + turn) % len(QUESTIONS)]
            query = dns.message.make_query(name, kind, use_edns=turn % 2 == 0)
            while query.id in queries:
                query.id = (query.id + 1) % 0x10000
            queries[query.id] = (query, f"{kind} {name}")
            sock.send(query.to_wire()) if number % 2 else sock.sendto(query.to_wire(), place)
        turn += 1
        while queries:
            answer = dns.message.from_wire(sock.recv(2000))
            query, operation = queries.pop(answer.id)
            assert query.is_response(answer)
            told.append((operation, dns.rcode.to_text(answer.rcode())))
    sock.close()


def main(port, requests, connections, transport="tcp"):
    told = []
    shares = [requests // connections + (number < requests % connections) for number in range(connections)]
    tasks = [(port, number, share, told) for number, share in enumerate(shares)]
    threads = [threading.Thread(target=ask if transport == "udp" else talk, args=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == requests
    operations = collections.defaultdict(collections.Counter)
    for operation, status in told:
        operations[operation][status] += 1
    print(json.dumps({"operations": operations}), flush=True)


main(*map(int, sys.argv[1:4]), *sys.argv[4:])
