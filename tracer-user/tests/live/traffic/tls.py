"""TLS with another host: `tls.py elsewhere TUNNEL CERTIFICATE KEY`, `tls.py client HOST PORT NAME INSIDE COUNT`.

`elsewhere` is another host, as far as the kernel knows: a server at every address and port behind the tunnel, with a TCP
of its own, since nothing is lost on the way. It answers every question with the same words, leaves after the last, and
agrees to speak what the client prefers of h2 and http/1.1 inside, though it does not. The client wants to reach NAME and
to speak INSIDE, asks COUNT times on one connection, says goodbye when the server has left, and is `done`.
"""

import contextlib
import fcntl
import os
import socket
import ssl
import struct
import sys
import time

INSIDE = ["h2", "http/1.1"]
QUESTION, LAST, ANSWER = b"question\n", b"last\n", b"answer\n"


def say(word):
    print(word, flush=True)


def context(certificate, key):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    made.set_alpn_protocols(INSIDE)
    return made


def client(host, port, name, inside, count):
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols([inside])
    say("ready")
    with socket.create_connection((host, int(port))) as connection:
        with made.wrap_socket(connection, server_hostname=name) as secured:
            assert secured.selected_alpn_protocol() == inside
            for number in range(1, int(count) + 1):
                secured.sendall(LAST if number == int(count) else QUESTION)
                assert secured.recv(4096) == ANSWER
            assert secured.recv(4096) == b""
            # As most libraries do, and a little later than the server left.
            time.sleep(0.05)
            with contextlib.suppress(OSError):
                secured.unwrap()
    say("done")


FIN, SYN, PUSH, ACK, RESET = 1, 2, 8, 16, 4
SEGMENT = 1200


class Peer:
    """One connection of the other host."""

    def __init__(self, made, theirs):
        self.arrived, self.leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.secured = made.wrap_bio(self.arrived, self.leaving, server_side=True)
        self.greeted = self.left = False
        self.next, self.theirs = 1_000, (theirs + 1) & 0xffffffff

    def hear(self, data):
        """What is to be sent after these bytes."""
        self.arrived.write(data)
        try:
            if not self.greeted:
                self.secured.do_handshake()
                self.greeted = True
            while asked := self.secured.read(4096):
                self.secured.write(ANSWER)
                self.left |= asked == LAST
        except ssl.SSLWantReadError:
            pass
        if self.left:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.secured.unwrap()
        return self.leaving.read()


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packet(source, target, ports, peer, flags, data=b""):
    """A segment from `source` to `target`, 20 bytes of IP and of TCP before what it carries."""
    segment = struct.pack("!HHIIBBHHH", *ports, peer.next, peer.theirs, 5 << 4, flags, 65535, 0, 0) + data
    pseudo = source + target + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(segment))
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, socket.IPPROTO_TCP, 0) + source + target
    peer.next = (peer.next + len(data) + bool(flags & (SYN | FIN))) & 0xffffffff
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + segment


def replies(made, peers, data):
    """What the other host sends when it has received this."""
    if data[0] != 0x45 or data[9] != socket.IPPROTO_TCP:
        return
    client, here = data[12:16], data[16:20]
    (theirs, ours, sequence, _, offset, flags) = struct.unpack("!HHIIBB", data[20:34])
    data, place = data[20 + (offset >> 4) * 4 :], (client, theirs, here, ours)

    def reply(flags, data=b""):
        return packet(here, client, (ours, theirs), peers[place], flags, data)

    if flags & SYN:
        peers[place] = Peer(made, sequence)
        yield reply(SYN | ACK)
    elif place in peers and sequence == peers[place].theirs and data:
        peer = peers[place]
        if peer.left:
            # Nobody is there to read it.
            yield reply(RESET)
            return
        peer.theirs = (sequence + len(data)) & 0xffffffff
        answer = peer.hear(data)
        for at in range(0, len(answer), SEGMENT):
            yield reply(ACK | PUSH, answer[at : at + SEGMENT])
        yield reply(ACK | FIN if peer.left else ACK)


def elsewhere(tunnel, certificate, key):
    made, peers = context(certificate, key), {}
    device = os.open("/dev/net/tun", os.O_RDWR)
    # TUNSETIFF with IFF_TUN and IFF_NO_PI (if_tun.h): packets of IP as they are.
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", tunnel.encode(), 0x1001))
    say("ready")
    while True:
        for reply in replies(made, peers, os.read(device, 65536)):
            os.write(device, reply)


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*arguments)
