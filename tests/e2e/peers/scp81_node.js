// An SCP81 administration server on Node.js: OpenSSL within the program, TLS in memory, bytes moved by libuv.
//
//     node scp81_node.js PORT KEYFILE [--exchanges N] [--script HEX,HEX…] [--chunked] [--ciphers LIST] [--tls 1.2|1.3]
//         [--max-seconds N]
//
// The Next-URI says how many scripts are left, so that a card that resumes on a new connection goes on where it was
// (GPC_SPE_011 §3).
"use strict";

const fs = require("node:fs");
const tls = require("node:tls");
const { parseArgs } = require("node:util");

const PROTOCOL = "globalplatform-remote-admin/1.0";
const COMMAND_TYPE = "application/vnd.globalplatform.card-content-mgt;version=1.0";
const STEP = "/lab/scripts/";
const MOST_REQUEST = 1 << 20;

const { values: chosen, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    exchanges: { type: "string", default: "1" },
    script: { type: "string", default: "80F24002024F0000,80CA006600,00A4040C07A0000000871002" },
    chunked: { type: "boolean", default: false },
    ciphers: { type: "string", default: "PSK-AES128-CBC-SHA256" },
    tls: { type: "string", default: "1.2" },
    "max-seconds": { type: "string", default: "120" },
  },
});
if (positionals.length !== 2) {
  console.error("usage: scp81_node.js PORT KEYFILE [options]");
  process.exit(2);
}
const [port, keyfile] = positionals;

// Keys by identity, which may hold colons.
const keys = new Map();
for (const line of fs.readFileSync(keyfile, "utf8").split("\n").map((line) => line.trim())) {
  if (line && !line.startsWith("#")) {
    const colon = line.lastIndexOf(":");
    keys.set(line.slice(0, colon), Buffer.from(line.slice(colon + 1), "hex"));
  }
}

function length(value) {
  if (value.length < 0x80) return Buffer.from([value.length]);
  if (value.length < 0x100) return Buffer.from([0x81, value.length]);
  return Buffer.from([0x82, value.length >> 8, value.length & 0xff]);
}

// AE 80 {22 length C-APDU}… 00 00 (TS 102 226 §5.2.1).
const apdus = chosen.script.split(",").map((word) => Buffer.from(word, "hex"));
const script = Buffer.concat([
  Buffer.from([0xae, 0x80]),
  ...apdus.flatMap((apdu) => [Buffer.from([0x22]), length(apdu), apdu]),
  Buffer.from([0, 0]),
]);

// Where a chunked body ends; 0 when it is not whole.
function afterChunks(buffer, at) {
  for (;;) {
    const end = buffer.indexOf("\r\n", at);
    if (end < 0) return 0;
    const size = parseInt(buffer.toString("latin1", at, end), 16);
    if (!(size <= MOST_REQUEST)) throw new Error("no chunk size");
    at = end + 2 + size + 2;
    if (at > buffer.length) return 0;
    if (size === 0) return at;
  }
}

// The first request: its URI and where it ends; null when it is not whole.
function request(buffer) {
  if (buffer.length > MOST_REQUEST) throw new Error("the request is too long");
  const end = buffer.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [first, ...lines] = buffer.toString("latin1", 0, end).split("\r\n");
  const [method, uri] = first.split(" ");
  if (method !== "POST") throw new Error(`no POST: ${first}`);
  const headers = new Map(
    lines.map((line) => [line.split(":")[0].trim().toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  if ((headers.get("transfer-encoding") || "").toLowerCase() === "chunked") {
    const size = afterChunks(buffer, end + 4);
    return size ? { uri, size } : null;
  }
  const size = end + 4 + Number(headers.get("content-length") || 0);
  return size <= buffer.length ? { uri, size } : null;
}

// The answer to a request for this URI, and whether it is the last.
function answer(uri) {
  const left = uri.startsWith(STEP) ? Number(uri.slice(STEP.length)) - 1 : Number(chosen.exchanges);
  if (!(left > 0)) return { last: true, bytes: `HTTP/1.1 204 No Content\r\nX-Admin-Protocol: ${PROTOCOL}\r\n\r\n` };
  const head =
    `HTTP/1.1 200 OK\r\nX-Admin-Protocol: ${PROTOCOL}\r\nX-Admin-Next-URI: ${STEP}${left}\r\n` +
    `Content-Type: ${COMMAND_TYPE}\r\nX-Admin-Targeted-Application: //aid/A000000151/000000\r\n`;
  if (!chosen.chunked) {
    return { bytes: Buffer.concat([Buffer.from(`${head}Content-Length: ${script.length}\r\n\r\n`), script]) };
  }
  const pieces = [Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`)];
  for (let at = 0; at < script.length; at += 16) {
    const piece = script.subarray(at, at + 16);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
  }
  pieces.push(Buffer.from("0\r\n\r\n"));
  return { bytes: Buffer.concat(pieces) };
}

const version = `TLSv${chosen.tls}`;
const server = tls.createServer(
  {
    ciphers: chosen.ciphers,
    minVersion: version,
    maxVersion: version,
    pskCallback: (socket, identity) => keys.get(identity) || null,
  },
  (socket) => {
    let buffer = Buffer.alloc(0);
    socket.setNoDelay(true);
    socket.on("data", (data) => {
      try {
        buffer = Buffer.concat([buffer, data]);
        for (let one; (one = request(buffer)); ) {
          buffer = buffer.subarray(one.size);
          const { last, bytes } = answer(one.uri);
          if (last) return socket.end(bytes);
          socket.write(bytes);
        }
      } catch (error) {
        console.error(error.message);
        socket.destroy();
      }
    });
    socket.on("error", (error) => console.error(error.message));
  },
);
server.on("tlsClientError", (error) => console.error(error.message));
server.listen(Number(port), "127.0.0.1", 128, () => console.log(`listening on 127.0.0.1:${server.address().port}`));
setTimeout(() => process.exit(0), Number(chosen["max-seconds"]) * 1000);
