"""HTTP/2 by nghttp2: `http2.py server PORT` and `http2.py client PORT CONNECTIONS STREAMS REQUESTS [PATH…]`.

The server is nghttpd, the client h2load with STREAMS requests open at once on each connection: REQUESTS for each path,
one path after the other. It tells what was asked, what was answered and how long that took, as JSON. Needs both (Debian:
nghttp2-server, nghttp2-client).
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

FILES = {"empty.txt": 0, "small.txt": 1_000, "large.bin": 100_000}
PATHS = ["/empty.txt", "/small.txt", "/missing"]
PRCTL = ctypes.CDLL(None).prctl
LISTEN = "0A"


def with_parent():
    """Ends with its parent."""
    PRCTL(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def is_listening(port):
    # A look at the kernel's list: an attempt to connect would be seen.
    with open("/proc/net/tcp") as lines:
        states = [line.split()[1:4] for line in lines]
    return any(local.endswith(f":{port:04X}") and state == LISTEN for local, _, state in states[1:])


def server(port):
    # Beside the script: whoever put it there removes both.
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files")
    os.makedirs(folder, exist_ok=True)
    for name, length in FILES.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(b"y" * length)
    command = ["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", folder, port]
    nghttpd = subprocess.Popen(command, preexec_fn=with_parent)
    while not is_listening(int(port)):
        if nghttpd.poll() is not None:
            sys.exit("nghttpd has ended")
        time.sleep(0.01)
    print("ready", flush=True)
    nghttpd.wait()


def ask(port, connections, streams, requests, path):
    """The status and the microseconds of each request."""
    with tempfile.NamedTemporaryFile("r") as log:
        command = ["h2load", "-n", requests, "-c", connections, "-m", streams, "--log-file", log.name]
        subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], check=True, stdout=subprocess.DEVNULL,
                       preexec_fn=with_parent)
        # A line is when it began, the status and how long it took, in microseconds.
        return [(fields[1], int(fields[2])) for fields in map(str.split, log)]


def client(port, connections, streams, requests, *paths):
    operations, took = {}, []
    for path in paths or PATHS:
        statuses = operations.setdefault("GET " + path, {})
        for status, time_us in ask(port, connections, streams, requests, path):
            statuses[status] = statuses.get(status, 0) + 1
            took.append(time_us)
    took.sort()
    at = lambda share: took[min(len(took) - 1, int(len(took) * share))]
    print(json.dumps({"requests": len(took), "operations": operations, "p50_us": at(0.5), "p99_us": at(0.99)}))


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    {"server": server, "client": client}[role](*arguments)
