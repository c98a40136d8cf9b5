# Python's ftplib: port, mode, count or bytes.
import ftplib
import io
import json
import resource
import sys
import time

port, mode, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
client = ftplib.FTP()
client.connect('127.0.0.1', port)
client.login()


class Zeros:
    def __init__(self, left):
        self.left = left
        self.bytes = bytes(1 << 18)

    def read(self, size):
        size = min(size, self.left, len(self.bytes))
        self.left -= size
        return self.bytes[:size]


received = 0


def sink(chunk):
    global received
    received += len(chunk)


amount = count
started = time.perf_counter()
if mode == 'down':
    client.retrbinary('RETR big.bin', sink, 1 << 18)
    amount = received / 1e6
elif mode == 'up':
    client.storbinary('STOR up/big.bin', Zeros(count), 1 << 18)
    amount = count / 1e6
elif mode == 'small-up':
    for index in range(count):
        client.storbinary('STOR up/s%d.txt' % index, io.BytesIO(b'a' * 1024))
elif mode == 'small-down':
    for index in range(count):
        client.retrbinary('RETR up/s%d.txt' % index, sink)
elif mode == 'list':
    lines = []
    client.retrlines('LIST list', lines.append)
    amount = len(lines)
seconds = time.perf_counter() - started
client.quit()
print(json.dumps({'amount': amount, 'seconds': seconds, 'rssMb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
