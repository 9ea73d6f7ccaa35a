"""A broker of Kafka on a port of its own choice, which it tells in its first line: librdkafka's mock cluster.

Debian: python3-confluent-kafka brings the library. It has the topics `orders` and `clicks`. An argument is how many
milliseconds it waits before each response.
"""

import ctypes
import signal
import sys

library = ctypes.CDLL("librdkafka.so.1")
pointer, text = ctypes.c_void_p, ctypes.c_char_p
PRODUCER = 0
for name, result, arguments in [
    ("rd_kafka_conf_new", pointer, []),
    ("rd_kafka_new", pointer, [ctypes.c_int, pointer, text, ctypes.c_size_t]),
    ("rd_kafka_mock_cluster_new", pointer, [pointer, ctypes.c_int]),
    ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
    ("rd_kafka_mock_topic_create", ctypes.c_int, [pointer, text, ctypes.c_int, ctypes.c_int]),
    ("rd_kafka_mock_broker_set_rtt", ctypes.c_int, [pointer, ctypes.c_int32, ctypes.c_int]),
]:
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments

reason = ctypes.create_string_buffer(512)
handle = library.rd_kafka_new(PRODUCER, library.rd_kafka_conf_new(), reason, len(reason))
assert handle, reason.value
cluster = library.rd_kafka_mock_cluster_new(handle, 1)
assert cluster
for topic in b"orders", b"clicks":
    assert library.rd_kafka_mock_topic_create(cluster, topic, 1, 1) == 0
for wait in sys.argv[1:]:
    assert library.rd_kafka_mock_broker_set_rtt(cluster, 1, int(wait)) == 0
print(library.rd_kafka_mock_cluster_bootstraps(cluster).decode().rsplit(":", 1)[1], flush=True)
signal.pause()
