// Servers and clients on Node, as tests/live/ends.py has them: `serve CERTIFICATE KIND`, `ask CERTIFICATE KIND URL CONNECTIONS FILE`.
// KIND is `https`, `fetch` or `h2`.
import crypto from "node:crypto";
import fs from "node:fs";
import http2 from "node:http2";
import https from "node:https";
import readline from "node:readline";

process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"; // fetch takes no authority; the certificate is a test's own
process.removeAllListeners("warning");

const digest = (data) => crypto.createHash("sha256").update(data).digest("hex");
const bodyFor = (ident, size) => Buffer.alloc(size, crypto.createHash("sha256").update(ident).digest());
const pairs = (flat) => flat.flatMap((name, at) => (at % 2 ? [] : [[name, flat[at + 1]]]));

function serve(certificate, kind) {
    const pem = fs.readFileSync(certificate);
    const record = [];
    const options = { key: pem, cert: pem };
    const server = kind === "h2" ? http2.createSecureServer(options) : https.createServer(options);
    server.on("request", (request, response) => {
        const pieces = [];
        request.on("data", (piece) => pieces.push(piece)).on("end", () => {
            const [body, id, port] = [Buffer.concat(pieces), request.headers["x-id"] ?? "", request.socket.remotePort];
            const query = new URLSearchParams(request.url.split("?")[1] ?? "");
            const answer = query.has("size") ? bodyFor(`answer ${id}`, Number(query.get("size"))) : body;
            const shown = request.method === "HEAD" ? Buffer.alloc(0) : answer;
            const status = Number(query.get("status") ?? 200);
            response.sendDate = false;
            response.setHeader("X-Id", id);
            response.setHeader("X-Peer-Port", String(port));
            response.setHeader("Set-Cookie", [`one=${id}`, "two=2, still two"]);
            if (query.get("chunked") !== "1") response.setHeader("Content-Length", String(answer.length));
            response.writeHead(status);
            response.write(shown);
            response.end();
            // What Node added itself, too: the head as it was written, where it is kept.
            const said = typeof response._header === "string"
                ? response._header.trim().split("\r\n").slice(1).map((line) => line.split(/: (.*)/s).slice(0, 2))
                : Object.entries(response.getHeaders()).flatMap(([name, values]) => [values].flat().map((value) => [name, String(value)]));
            record.push({
                id, port, method: request.method, target: request.url, request_headers: pairs(request.rawHeaders), request_body: digest(body),
                at: 0, status, response_headers: said, response_body: digest(shown),
            });
        });
    });
    server.keepAliveTimeout = 600000;
    server.listen(0, "127.0.0.1", 128, () => console.log(`https://127.0.0.1:${server.address().port}`));
    process.stdin.resume().on("end", () => process.stdout.write(JSON.stringify(record) + "\n", () => process.exit(0)));
}

function httpsSender(url) {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    return (ask) => new Promise((done, failed) => {
        const request = https.request(url + ask.path, { agent, method: ask.method });
        const lines = {};
        for (const [name, value] of ask.headers) (lines[name.toLowerCase()] ??= [name, []])[1].push(value);
        for (const [name, values] of Object.values(lines)) request.setHeader(name, values);
        if (ask.body && !ask.chunked) request.setHeader("Content-Length", ask.body.length);
        request.on("response", (answer) => answer.resume().on("end", done)).on("error", failed);
        if (ask.body && ask.chunked) request.write(ask.body.subarray(0, 100)), request.end(ask.body.subarray(100));
        else request.end(ask.body ?? undefined);
    });
}

function fetchSender(url) {
    return async (ask) => {
        const body = ask.method === "POST" || ask.method === "PUT" ? ask.body : undefined;
        await (await fetch(url + ask.path, { method: ask.method, headers: ask.headers, body })).arrayBuffer();
    };
}

function http2Sender(url) {
    const session = http2.connect(url);
    return (ask) => new Promise((done, failed) => {
        const headers = { ":method": ask.method, ":path": ask.path };
        for (const [name, value] of ask.headers) (headers[name.toLowerCase()] ??= []).push(value);
        const stream = session.request(headers);
        stream.on("error", failed).on("end", done).resume();
        stream.end(ask.body ?? undefined);
    });
}

async function askAll(kind, url, connections, file) {
    const asks = JSON.parse(fs.readFileSync(file));
    for (const ask of asks) ask.body = ask.body === null ? null : Buffer.from(ask.body, "base64");
    const sender = { https: httpsSender, fetch: fetchSender, h2: http2Sender }[kind];
    const senders = Array.from({ length: connections }, () => sender(url));
    const opening = (number) => ({ method: "GET", path: "/open?size=10", headers: [["X-Id", `open-${number}`]], body: null });
    await Promise.all(senders.map((send, number) => send(opening(number))));
    console.log("open");
    await new Promise((go) => readline.createInterface({ input: process.stdin }).once("line", go));
    await Promise.all(senders.map(async (send, number) => {
        for (let at = number; at < asks.length; at += connections) await send(asks[at]);
    }));
    process.exit(0);
}

const [role, certificate, kind, url, connections, file] = process.argv.slice(2);
if (role === "serve") serve(certificate, kind);
else await askAll(kind, url, Number(connections), file);
