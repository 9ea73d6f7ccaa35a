"""Two peers that move known bytes in one way of input and output: `ways.py ROLE ARGUMENTS…`.

`server WAY PORT COUNT` and `client WAY PORT COUNT` exchange COUNT requests of 100 bytes and answers of 300 on one TCP
connection, both by the same WAY. The client says `asked` and keeps the connection until a line comes on standard input.
"""

import ctypes
import errno
import mmap
import os
import select
import socket
import struct
import sys

REQUEST = b"x" * 100
ANSWER = b"y" * 300
LIBC = ctypes.CDLL(None, use_errno=True)
MSG_ERRQUEUE = 0x2000
MSG_ZEROCOPY = 0x4000000
SO_ZEROCOPY = 60


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("vectors", ctypes.POINTER(Vector)),
        ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int), ("padding", ctypes.c_uint32), ("length", ctypes.c_uint32),
    ]


def say(word):
    print(word, flush=True)


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class ReadWrite:
    def __init__(self, connection):
        self.connection = connection
        self.descriptor = connection.fileno()

    def put(self, data):
        assert os.write(self.descriptor, data) == len(data)

    def some(self, length):
        return len(os.read(self.descriptor, length))

    def take(self, length):
        while length:
            piece = self.some(length)
            assert piece
            length -= piece


class Vectors(ReadWrite):
    """In turn readv and writev, preadv2 and pwritev2 (system calls 327 and 328, or 286 and 287)."""

    turn = 0

    def put(self, data):
        self.turn += 1
        half = len(data) // 2
        if self.turn % 2:
            assert os.writev(self.descriptor, [data[:half], data[half:]]) == len(data)
        else:
            self.positioned(data, (328, 287))

    def some(self, length):
        if self.turn % 2:
            return os.readv(self.descriptor, [bytearray(1), bytearray(length - 1)] if length > 1 else [bytearray(1)])
        return self.positioned(bytearray(length), (327, 286))

    def positioned(self, data, numbers):
        number = numbers[0] if os.uname().machine == "x86_64" else numbers[1]
        buffer = (ctypes.c_char * len(data)).from_buffer_copy(data)
        vector = Vector(ctypes.addressof(buffer), len(data))
        minus = ctypes.c_long(-1)
        return checked(LIBC.syscall(number, self.descriptor, ctypes.byref(vector), 1, minus, minus, 0))


class SendReceive(ReadWrite):
    turn = 0

    def put(self, data):
        self.turn += 1
        ways = [self.connection.send, lambda data: self.connection.sendto(data, 0, self.connection.getpeername()),
                lambda data: self.connection.sendmsg([data[:50], data[50:]])]
        assert ways[self.turn % 3](data) == len(data)

    def some(self, length):
        if self.turn % 3 == 0:
            return len(self.connection.recv(length))
        if self.turn % 3 == 1:
            return len(self.connection.recvfrom(length)[0])
        return len(self.connection.recvmsg(length)[0])


class Several(ReadWrite):
    """sendmmsg of two messages, recvmmsg into two."""

    def messages(self, pieces):
        self.buffers = [(ctypes.c_char * len(piece)).from_buffer_copy(piece) for piece in pieces]
        self.vectors = [Vector(ctypes.addressof(buffer), len(buffer)) for buffer in self.buffers]
        messages = (Message * len(pieces))()
        for message, vector in zip(messages, self.vectors):
            message.vectors = ctypes.pointer(vector)
            message.count = 1
        return messages

    def put(self, data):
        messages = self.messages([data[:40], data[40:]])
        assert checked(LIBC.sendmmsg(self.descriptor, messages, 2, 0)) == 2

    def some(self, length):
        messages = self.messages([bytes(max(length // 2, 1)), bytes(length)])
        # MSG_WAITFORONE: what is there, at least one.
        count = checked(LIBC.recvmmsg(self.descriptor, messages, 1, 0x10000, None))
        return sum(messages[number].length for number in range(count))


class SendFile(ReadWrite):
    def put(self, data):
        with open("/proc/self/exe", "rb") as file:
            sent = 0
            while sent < len(data):
                sent += os.sendfile(self.descriptor, file.fileno(), 0, len(data) - sent)


class Splice(ReadWrite):
    def __init__(self, connection):
        super().__init__(connection)
        self.out, self.into = os.pipe()

    def put(self, data):
        os.write(self.into, data)
        assert os.splice(self.out, self.descriptor, len(data)) == len(data)

    def some(self, length):
        moved = os.splice(self.descriptor, self.into, length)
        os.read(self.out, moved)
        return moved


class Peek(ReadWrite):
    """Looks before it takes; takes requests whole, and lets the kernel throw answers away."""

    def take(self, length):
        assert self.connection.recv(length, socket.MSG_PEEK)
        self.connection.recv(length, socket.MSG_PEEK | socket.MSG_TRUNC)
        if length == len(REQUEST):
            assert len(self.connection.recv(length, socket.MSG_WAITALL)) == length
        else:
            while length:
                length -= checked(LIBC.recv(self.descriptor, None, length, socket.MSG_TRUNC))


class NonBlocking(ReadWrite):
    """Edge-triggered: reads until there is nothing more."""

    def __init__(self, connection):
        super().__init__(connection)
        connection.setblocking(False)
        self.poll = select.epoll()
        self.poll.register(connection, select.EPOLLIN | select.EPOLLET)

    def take(self, length):
        while length:
            try:
                length -= len(self.connection.recv(7))
            except BlockingIOError:
                self.poll.poll(10)


class ZeroCopy(ReadWrite):
    def __init__(self, connection):
        super().__init__(connection)
        connection.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
        self.page = mmap.mmap(-1, 4096)

    def put(self, data):
        self.page[:len(data)] = data
        assert self.connection.send(memoryview(self.page)[:len(data)], MSG_ZEROCOPY) == len(data)
        # The kernel tells on the error queue that it needs the page no more; that is no data.
        while True:
            try:
                self.connection.recvmsg(1, 256, MSG_ERRQUEUE)
                return
            except BlockingIOError:
                select.select([], [], [self.connection], 0.01)


class Positioned(ReadWrite):
    """pread and pwrite fail on a socket."""

    def put(self, data):
        self.refused(lambda: os.pwrite(self.descriptor, data, 0))
        super().put(data)

    def some(self, length):
        self.refused(lambda: os.pread(self.descriptor, length, 0))
        return super().some(length)

    def refused(self, call):
        try:
            call()
        except OSError as error:
            assert error.errno == errno.ESPIPE
        else:
            sys.exit("the kernel has taken a position on a socket")


class Ring(ReadWrite):
    """io_uring (io_uring(7)), one operation at a time: SEND and RECV, WRITE and READ in turn."""

    READ, WRITE, SEND, RECV = 22, 23, 26, 27
    SETUP, ENTER = 425, 426
    WAIT = 1
    turn = 0

    def __init__(self, connection):
        super().__init__(connection)
        parameters = (ctypes.c_char * 120)()
        self.ring = checked(LIBC.syscall(self.SETUP, 4, ctypes.byref(parameters)))
        words = struct.unpack("30I", parameters.raw)
        self.submit, self.complete = words[10:20], words[20:30]
        size = max(self.submit[6] + words[0] * 4, self.complete[5] + words[1] * 16)
        self.rings = mmap.mmap(self.ring, size, offset=0)
        self.entries = mmap.mmap(self.ring, words[0] * 64, offset=0x10000000)

    def word(self, at):
        return struct.unpack_from("I", self.rings, at)[0]

    def operate(self, operation, buffer, length):
        tail = self.word(self.submit[1])
        index = tail & self.word(self.submit[2])
        entry = struct.pack("BBHiQQIIQQQQ", operation, 0, 0, self.descriptor, 2**64 - 1 if operation < 24 else 0,
                            ctypes.addressof(buffer), length, 0, 7, 0, 0, 0)
        self.entries[index * 64:index * 64 + 64] = entry
        struct.pack_into("I", self.rings, self.submit[6] + index * 4, index)
        struct.pack_into("I", self.rings, self.submit[1], tail + 1)
        checked(LIBC.syscall(self.ENTER, self.ring, 1, 1, self.WAIT, None, 0))
        head = self.word(self.complete[0])
        place = self.complete[5] + (head & self.word(self.complete[2])) * 16
        result = struct.unpack_from("i", self.rings, place + 8)[0]
        struct.pack_into("I", self.rings, self.complete[0], head + 1)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def put(self, data):
        self.turn += 1
        buffer = (ctypes.c_char * len(data)).from_buffer_copy(data)
        assert self.operate(self.SEND if self.turn % 2 else self.WRITE, buffer, len(data)) == len(data)

    def some(self, length):
        buffer = (ctypes.c_char * length)()
        return self.operate(self.RECV if self.turn % 2 else self.READ, buffer, length)


WAYS = {
    "read-write": ReadWrite, "readv-writev": Vectors, "send-recv": SendReceive, "mmsg": Several,
    "sendfile": SendFile, "splice": Splice, "peek": Peek, "nonblocking": NonBlocking, "zerocopy": ZeroCopy,
    "pread": Positioned, "io_uring": Ring,
}


def server(way, port, count):
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        say("ready")
        connection, _ = listener.accept()
        peer = WAYS[way](connection)
        for _ in range(int(count)):
            peer.take(len(REQUEST))
            peer.put(ANSWER)
        sys.stdin.read()


def client(way, port, count):
    say("ready")
    connection = socket.create_connection(("127.0.0.1", int(port)))
    peer = WAYS[way](connection)
    for _ in range(int(count)):
        peer.put(REQUEST)
        peer.take(len(ANSWER))
    say("asked")
    sys.stdin.readline()


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*arguments)
