"""Starts programs that end at once: `pids.py ROLE ROUNDS PROGRAM PORT [PROGRAM PORT]…`.

Each role prints `ready`, waits for a line on standard input, starts each program ROUNDS times with its port as the last
argument, and prints `done`, then what its own line of documentation says.
"""

import collections
import ctypes
import os
import sys
import time

CLONE3 = 435
LIBC = ctypes.CDLL(None, use_errno=True)
SIGCHLD = 17


def say(word):
    print(word, flush=True)


def begin(rounds, words):
    """All programs with their ports, in turn, ROUNDS times, once the test lets it go."""
    say("ready")
    sys.stdin.readline()
    return list(zip(words[::2], words[1::2])) * int(rounds)


def end(pid):
    _, status = os.waitpid(pid, 0)
    if status:
        sys.exit(f"a program ended with {status}")


def fork_as(wanted):
    """As fork(2), but the child has the pid WANTED (clone3(2), set_tid)."""
    pids = (ctypes.c_int * 1)(wanted)
    # flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup
    arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, SIGCHLD, 0, 0, 0, ctypes.addressof(pids), 1, 0)
    pid = LIBC.syscall(CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))
    if pid < 0:
        raise OSError(ctypes.get_errno(), f"clone3 with pid {wanted}")
    return pid


def reusing(rounds, *words):
    """One after the other, all with one pid; prints that pid and the longest time between two of them, in microseconds."""
    todo = begin(rounds, words)
    wanted = os.fork()
    if wanted == 0:
        os._exit(0)
    end(wanted)
    longest, ended = 0, None
    for program, port in todo:
        if fork_as(wanted) == 0:
            os.execv(program, [program, port])
        if ended is not None:
            longest = max(longest, time.monotonic_ns() - ended)
        end(wanted)
        ended = time.monotonic_ns()
    say("done")
    say(f"{wanted} {longest // 1000}")


def storming(rounds, *words):
    """Several at a time, among processes that only begin and end; prints how many processes there were."""
    running, forks = collections.deque(), 0
    for program, port in begin(rounds, words):
        running.append(os.posix_spawn(program, [program, port], {}))
        for _ in range(4):
            idle = os.fork()
            if idle == 0:
                os._exit(0)
            running.append(idle)
        forks += 5
        while len(running) > 20:
            end(running.popleft())
    while running:
        end(running.popleft())
    say("done")
    say(str(forks))


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*arguments)
