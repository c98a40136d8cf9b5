# Python's poplib: port, count.
import json
import poplib
import resource
import sys
import time

client = poplib.POP3('127.0.0.1', int(sys.argv[1]))
client.user('user')
client.pass_('pass')
count = int(sys.argv[2])
started = time.perf_counter()
for number in range(count):
    client.retr(number + 1)
seconds = time.perf_counter() - started
client.quit()
print(json.dumps({'amount': count, 'seconds': seconds, 'rssMb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
