"""HTTP requests for a web server before a FastCGI application: `fastcgi.py PORT ROUNDS CONNECTIONS`.

Each connection asks for every path ROUNDS times, one after the other. At the end comes one line of JSON: requests by
operation and status.
"""

import collections
import http.client
import json
import sys
import threading

PATHS = ["/users/{}", "/missing", "/broken", "/busy", "/orders"]
NAMES = {"/users/{}": "/users/{id}"}


def talk(port, number, rounds, told):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for turn in range(rounds):
        for path in PATHS:
            method = "POST" if path == "/orders" else "GET"
            body = b"x" * 100 if method == "POST" else None
            connection.request(method, path.format(1000 * number + turn), body)
            response = connection.getresponse()
            response.read()
            told.append((f"{method} {NAMES.get(path, path)}", str(response.status)))
    connection.close()


def main(port, rounds, connections):
    told = []
    tasks = [(port, number, rounds, told) for number in range(connections)]
    threads = [threading.Thread(target=talk, args=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == rounds * connections * len(PATHS)
    operations = collections.defaultdict(collections.Counter)
    for operation, status in told:
        operations[operation][status] += 1
    print(json.dumps({"operations": operations}), flush=True)


main(*map(int, sys.argv[1:]))
