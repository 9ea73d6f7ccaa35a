"""The tests of a shop; with OTHER set, one of them counts a visit in another Redis as well."""

import os
import socket
import urllib.request


def test_visits_are_counted():
    for _ in range(3):
        with urllib.request.urlopen(os.environ["SHOP"]) as answer:
            assert answer.read().startswith(b":")


def test_of_something_else():
    if "OTHER" in os.environ:
        with socket.create_connection(("127.0.0.1", int(os.environ["OTHER"]))) as redis:
            redis.sendall(b"*1\r\n$4\r\nPING\r\n")
            assert redis.recv(100) == b"+PONG\r\n"
