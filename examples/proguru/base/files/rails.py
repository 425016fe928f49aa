"""The web application: greets, and shows the weather that its neighbour has."""
import http.server
import os
import signal
import sys
import urllib.request


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        pages = {"/up": lambda: "up", "/hello": hello, "/weather": weather, "/secret": secret}
        page = pages.get(self.path.split("?")[0])
        try:
            self.answer(200, page()) if page else self.answer(404, "no such page")
        except OSError as error:
            self.answer(502, f"{error}")

    def answer(self, code, text):
        body = (text + "\n").encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def hello():
    return f"{os.environ['GREETING']} from {os.environ['POD']}"


def weather():
    with urllib.request.urlopen("http://python/python/weather", timeout=5) as answer:
        return answer.read().decode().strip()


def secret():
    with open("/secrets/SECRET_KEY_BASE") as file:
        return f"the file and the variable agree: {file.read() == os.environ['SECRET_KEY_BASE']}"


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = http.server.ThreadingHTTPServer(("0.0.0.0", 3000), Page)
open("/tmp/booted", "w").close()
print("listening on 3000", flush=True)
server.serve_forever()
