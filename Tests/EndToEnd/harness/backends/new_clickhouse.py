# Tiangong Deploy
# SPDX-License-Identifier: Apache-2.0
"""What newer ClickHouses say over HTTP and the packaged one does not: a summary, tagged errors, named formats. It answers by
the statement alone, from texts that such servers were seen to send."""

import base64
import http.server
import threading
import urllib.parse

TAG = "rumfyutuqkncbgau"
BROKEN = ("Code: 395. DB::Exception: Value passed to 'throwIf' function is non-zero: while executing 'FUNCTION throwIf'. "
          "(FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 25.11.1.1 (official build))")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(200, b"Ok.\n")

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        self.server.requests.append((text, query, dict(self.headers)))
        expected = "Basic " + base64.b64encode(f"app:{self.server.password}".encode()).decode()
        if self.headers["Authorization"] != expected:
            return self.answer(403, b"Code: 516. DB::Exception: app: Authentication failed: password is incorrect, or there is no "
                               b"user with such name. (AUTHENTICATION_FAILED) (version 25.11.1.1)\n",
                               {"X-ClickHouse-Exception-Code": "516"})
        summary = {"X-ClickHouse-Summary": '{"read_rows":"7","read_bytes":"70","written_rows":"5","written_bytes":"50"}'}
        format = {"X-ClickHouse-Format": query["default_format"]}
        if text.startswith("INSERT"):
            self.answer(200, b"", summary | {"X-ClickHouse-Exception-Tag": TAG})
        elif text.startswith("SELECT throwIf"):
            self.chunks([b"n\nUInt8\n0\n1\n", f"__exception__\r\n{TAG}\r\n{BROKEN}\n262 {TAG}\r\n__exception__\r\n".encode()],
                        format | {"X-ClickHouse-Exception-Tag": TAG}, complete=False)
        elif text.startswith("SELECT marked"):
            self.chunks([b"n\nUInt8\n0\n1\n", f"__exception__\r\n{BROKEN}\n".encode()], format, complete=False)
        elif text.startswith("SELECT broken"):
            self.chunks([b"n\nUInt8\n0\n1\n"], format, complete=False)
        elif text.startswith("SELECT error"):
            row = b"Code: 394. DB::Exception: Query was cancelled. (QUERY_WAS_CANCELLED) (version 25.11.1.1)\n"
            self.chunks([b"exception\nString\n", row], format | {"X-ClickHouse-Exception-Tag": TAG})
        elif text.startswith("SELECT nosuch"):
            self.answer(404, b"Code: 47. DB::Exception: Unknown expression identifier `nosuch` in scope SELECT nosuch. "
                        b"(UNKNOWN_IDENTIFIER) (version 25.11.1.1 (official build))\n", {"X-ClickHouse-Exception-Code": "47"})
        elif text.startswith("SHOW"):
            # A server may have a format of its own for these, whatever is asked for.
            self.chunks([b"CREATE TABLE t\n(\n)\n"], {"X-ClickHouse-Format": "TSVRaw"})
        elif text.startswith("SELECT types"):
            self.chunks([
                b"b\tm\tt\tj\tl\tbig\td\n",
                b"Bool\tMap(String, Array(UInt8))\tTuple(a UInt8, b String)\tJSON\tLowCardinality(Nullable(String))\tInt256\tDateTime64(3)\n",
                b"true\t{'k':[1,2],'l':[]}\t(1,'x\\'y')\t{\"a\":\"\\\\n\"}\t\\N\t"
                + str(2**200).encode() + b"\t2024-02-29 12:34:56.789\n"], format)
        elif text.startswith("SELECT endless"):
            self.chunks([b"n\nString\n"] + [b"x" * (1 << 20)] * 80, format)
        else:
            self.chunks([b"n\nUInt8\n1\n"], format)

    def answer(self, status, body, headers={}):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunks(self, parts, headers, complete=True):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for part in parts:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            if complete:
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.close_connection = True
        except OSError:
            self.close_connection = True


class NewClickHouse(http.server.ThreadingHTTPServer):
    """Keeps what it was asked in `requests`: text, query, headers."""

    daemon_threads = True

    def __init__(self, password):
        super().__init__(("127.0.0.1", 0), Handler)
        self.password = password
        self.requests = []
        self.port = self.server_address[1]
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
