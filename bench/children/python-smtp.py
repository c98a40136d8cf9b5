# Python's smtplib over one connection: port, file, count.
import json
import resource
import smtplib
import sys
import time

port, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
message = open(path, 'rb').read()
client = smtplib.SMTP('127.0.0.1', port, local_hostname='me')
client.ehlo()
started = time.perf_counter()
for _ in range(count):
    client.sendmail('alice@example.org', ['bob@example.com'], message)
seconds = time.perf_counter() - started
client.quit()
small = len(message) < 100_000
print(json.dumps({
    'amount': count if small else count * len(message) / 1e6,
    'seconds': seconds,
    'rssMb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
