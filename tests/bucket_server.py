"""A bucket of Google Cloud Storage in memory, for tests of gs:// paths.

It is the proxy by which TensorFlow reaches Google, and answers in Google's
place what TensorFlow's file system asks of the JSON interface. All processes
that are started with its `environment` share its files.
"""

import http.server
import json
import pathlib
import ssl
import subprocess
import threading
import time
import urllib.parse

HOSTS = ("www.googleapis.com", "storage.googleapis.com")


class Server(http.server.ThreadingHTTPServer):
    """Serves one bucket until `shutdown`.

    Args:
        directory: gets a certificate.
        seconds: that each answer takes.

    Attributes:
        files: the contents of the bucket by name.
        requests: what was asked, in order.
        refused: whether nobody may read or write.
        environment: variables of processes that are to use it.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, directory, seconds=0.0):
        super().__init__(("127.0.0.1", 0), _Handler)
        key, certificate = _make_certificate(pathlib.Path(directory))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.seconds = seconds
        self.files, self.requests, self.uploads = {}, [], {}
        self.refused = False
        self.environment = {
            "https_proxy": f"http://127.0.0.1:{self.server_port}",
            "CURL_CA_BUNDLE": str(certificate),
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "anyone",
        }
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def keep(self, name, content):
        """Makes a file, or replaces it."""
        self.files[name] = content, int(time.time())


def _make_certificate(directory):
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    names = ",".join(f"DNS:{host}" for host in HOSTS)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
    command += ["-keyout", key, "-out", certificate, "-days", "2"]
    command += ["-subj", f"/CN={HOSTS[0]}"]
    command += ["-addext", f"subjectAltName={names}"]
    subprocess.run(command, check=True, capture_output=True)
    return key, certificate


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        """Answers as the host that was asked for."""
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.context.wrap_socket(
            self.connection, server_side=True
        )
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.close_connection = False

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def answer(self, content=b"", code=200, **headers):
        time.sleep(self.server.seconds)
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", len(content))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def ask(self):
        """Returns the parts of the path after the bucket, and the query."""
        self.server.requests.append(f"{self.command} {self.path}")
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = [urllib.parse.unquote(x) for x in url.path.split("/")[1:]]
        return parts, query, self.read_body()

    def read_body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def do_GET(self):
        files = self.server.files
        match self.ask():
            case _ if self.server.refused:
                self.answer(code=403)
            case ["storage", "v1", "b", "bucket"], _, _:
                self.answer({})
            case ["storage", "v1", "b", "bucket", "o"], query, _:
                self.answer(self.list_files(query))
            case ["storage", "v1", "b", "bucket", "o", name], _, _ if (
                name in files
            ):
                content, number = files[name]
                updated = time.strftime(
                    "%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(number)
                )
                facts = {"size": str(len(content)), "updated": updated}
                self.answer(facts | {"generation": str(number)})
            case ["bucket", *names], _, _ if "/".join(names) in files:
                content, _ = files["/".join(names)]
                first, _, last = self.headers["Range"][6:].partition("-")
                part = content[int(first) : int(last) + 1]
                self.answer(part, 206 if part else 416)
            case _:
                self.answer(code=404)

    def list_files(self, query):
        prefix, mark = query.get("prefix", ""), query.get("delimiter")
        items, folders = [], []
        for name in sorted(
            x for x in self.server.files if x.startswith(prefix)
        ):
            folder, found, _ = name[len(prefix) :].partition(mark or "\0")
            if found:
                folders.append(prefix + folder + found)
            else:
                items.append({"name": name})
        most = int(query.get("maxResults", 10**9))
        return {"items": items[:most], "prefixes": sorted(set(folders))}

    def do_POST(self):
        match self.ask():
            case [*_, "b", "bucket", "o"], {"uploadType": "media"} as query, _:
                self.keep(query["name"], b"")
            case [*_, "b", "bucket", "o"], {"name": name}, _:
                number = str(len(self.server.uploads))
                self.server.uploads[number] = name
                url = f"https://{HOSTS[0]}/session/{number}"
                self.answer(Location=url)
            case [*_, "o", source, "rewriteTo", _, _, _, target], _, _:
                self.server.files[target] = self.server.files[source]
                self.answer({"done": True})
            case _:
                self.answer(code=404)

    def do_PUT(self):
        [_, number], _, body = self.ask()
        self.keep(self.server.uploads[number], body)

    def keep(self, name, content):
        self.server.keep(name, content)
        self.answer()

    def do_DELETE(self):
        [*_, name], _, _ = self.ask()
        found = self.server.files.pop(name, None)
        self.answer(code=404 if found is None else 204)
