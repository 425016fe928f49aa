"""The weather service: keeps what the nightly job brings, shows it, and shows the notice of the day."""
import http.server
import os
import signal
import sys
import urllib.request

weather = "no weather yet"


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        pages = {"/healthz": lambda: "ok", "/weather": lambda: weather, "/notice": notice, "/site": site}
        page = pages.get(self.path.removeprefix("/python").split("?")[0])
        try:
            self.answer(200, page()) if page else self.answer(404, "no such page")
        except OSError as error:
            self.answer(502, f"{error}")

    def do_PUT(self):
        global weather
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 4096)).decode()
        if self.headers.get("Authorization") != f"Bearer {os.environ['TOKEN']}":
            return self.answer(401, "who are you?")
        weather = body
        self.answer(200, "thanks")

    def answer(self, code, text):
        body = (text + "\n").encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def notice():
    with open("/notice/notice.txt") as file:
        return file.read().strip()


def site():
    with urllib.request.urlopen("http://proguru-high/hello", timeout=5) as answer:
        return answer.read().decode().strip()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Page)
print("listening on 8000", flush=True)
server.serve_forever()
