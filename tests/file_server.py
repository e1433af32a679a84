"""A server of the files of a directory, for what is downloaded."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def serving(directory):
    """Serves a directory.

    Yields:
        Its address, and the class that answers: its `cut` is where the bodies
        of answers begin, and its `asked` the paths so far.
    """

    class Handler(http.server.SimpleHTTPRequestHandler):
        cut = 0

        def __init__(self, *args):
            super().__init__(*args, directory=str(directory))

        def do_GET(self):
            Handler.asked.append(self.path)
            super().do_GET()

        def copyfile(self, source, outputfile):
            outputfile.write(source.read()[Handler.cut :])

        def log_message(self, *args):
            pass

    Handler.asked = []
    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://localhost:{server.server_port}/", Handler
        server.shutdown()
