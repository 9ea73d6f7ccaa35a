"""A small service, and what a test suite does with it.

`serve PORT REDIS...`: answers HTTP at PORT; counts each visit in every Redis. `visit PORT [SECONDS]`: counts one visit itself, later
perhaps. `descend PORT`: has a grandchild do that whose parent is gone by then.
"""

import http.server
import os
import socket
import sys
import time


def count_visit(port):
    with socket.create_connection(("127.0.0.1", int(port))) as redis:
        redis.sendall(b"*2\r\n$4\r\nINCR\r\n$6\r\nvisits\r\n")
        return redis.recv(100)


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"".join(count_visit(port) for port in sys.argv[3:])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(port):
    server = http.server.HTTPServer(("127.0.0.1", int(port)), Shop)
    print("ready", flush=True)
    server.serve_forever()


def visit(port, seconds=0):
    time.sleep(float(seconds))
    count_visit(port)


def descend(port):
    readable, writable = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.3)
            count_visit(port)
            os.write(writable, b"done")
        os._exit(0)
    os.wait()
    os.close(writable)
    os.read(readable, 4)


if __name__ == "__main__":
    role, port, *rest = sys.argv[1:]
    {"serve": lambda: serve(port), "visit": lambda: visit(port, *rest), "descend": lambda: descend(port)}[role]()
