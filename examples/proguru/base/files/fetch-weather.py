"""The nightly job: brings the weather to the service. A failure ends it with an error, and the Job tries again."""
import datetime
import os
import urllib.request

now = datetime.datetime.now(datetime.timezone.utc)
request = urllib.request.Request(
    "http://python/python/weather",
    data=f"fair, as of {now:%Y-%m-%d %H:%M} UTC".encode(),
    headers={"Authorization": f"Bearer {os.environ['TOKEN']}"},
    method="PUT",
)
with urllib.request.urlopen(request, timeout=10) as answer:
    print(answer.status, answer.read().decode().strip(), flush=True)
