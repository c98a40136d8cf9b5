"""imaplib as a peer: port, workload, mailbox, count, message file. Prints one line of JSON."""
import imaplib
import json
import resource
import sys
import time

imaplib._MAXLINE = 10**9
port, workload, mailbox, count, path = sys.argv[1:6]
client = imaplib.IMAP4('127.0.0.1', int(port))
client.login('user', 'pass')
client.select(mailbox)
amount = int(count)
started = time.perf_counter()
if workload == 'envelopes':
    client.fetch('1:*', '(UID FLAGS ENVELOPE)')
elif workload == 'sources':
    client.fetch('1:*', '(UID FLAGS BODY.PEEK[])')
elif workload == 'append':
    message = open(path, 'rb').read()
    for _ in range(amount):
        client.append(mailbox, r'(\Seen)', None, message)
else:
    _, data = client.fetch('1', '(BODY.PEEK[])')
    amount = len(data[0][1]) / 1e6
seconds = time.perf_counter() - started
client.logout()
print(json.dumps({'amount': amount, 'seconds': seconds, 'rssMb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
