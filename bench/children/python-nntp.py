# Python's nntplib: port, 'over' or 'article', count, lines.
import json
import resource
import sys
import time
import warnings

warnings.simplefilter('ignore')
import nntplib

client = nntplib.NNTP('127.0.0.1', int(sys.argv[1]))
client.group('misc.test')
count = int(sys.argv[3])
amount = 0
started = time.perf_counter()
if sys.argv[2] == 'over':
    for _ in range(count):
        amount += len(client.over((1, int(sys.argv[4])))[1])
else:
    for number in range(count):
        client.article(number + 1)
    amount = count
seconds = time.perf_counter() - started
print(json.dumps({'amount': amount, 'seconds': seconds, 'rssMb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
