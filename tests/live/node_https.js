// An HTTPS server and its clients in one process: `node node_https.js CERTIFICATE COUNT`. Writes a line when its connections are
// open, waits for one, then asks COUNT times with https.request on kept connections, and a tenth as often with fetch.
"use strict";
const https = require("https");
const fs = require("fs");

const [certificate, count] = [fs.readFileSync(process.argv[2]), Number(process.argv[3])];
const CONNECTIONS = 50;
const SIZES = [0, 10, 3000, 40000];
const numberOf = (name) => Number(name.slice(name.lastIndexOf("-") + 1));
const bodyOf = (name) => Buffer.alloc(SIZES[numberOf(name) % SIZES.length], name);
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"; // fetch takes no authority; the certificate is a test's own
process.removeAllListeners("warning");

const server = https.createServer({ key: certificate, cert: certificate }, (request, response) => {
    request.resume().on("end", () => {
        const name = request.headers["x-id"];
        response.writeHead(200, { "X-Id": name, "X-Peer-Port": request.socket.remotePort });
        response.end(bodyOf(`answer-${name}`));
    });
});
server.keepAliveTimeout = 60000;

server.listen(0, "127.0.0.1", async () => {
    const url = `https://127.0.0.1:${server.address().port}`;
    const agents = Array.from({ length: CONNECTIONS }, () => new https.Agent({ keepAlive: true, maxSockets: 1 }));
    const ask = (name) => new Promise((done, failed) => {
        const number = numberOf(name);
        const body = number % 3 ? bodyOf(name) : Buffer.alloc(0);
        const headers = { "X-Id": name, "Content-Length": body.length };
        const options = { agent: agents[number % CONNECTIONS], method: number % 3 ? "POST" : "GET", headers };
        https.request(`${url}/${name}`, options, (answer) => answer.resume().on("end", done)).on("error", failed).end(body);
    });
    const askAll = (prefix, times) => Promise.all(Array.from({ length: times }, (_, number) => ask(`${prefix}-${number}`)));
    await askAll("open", CONNECTIONS);
    console.log("open");
    process.stdin.once("data", async () => {
        await askAll("node", count);
        for (let number = 0; number < count / 10; number++)
            await (await fetch(`${url}/fetch-${number}`, { headers: { "X-Id": `fetch-${number}` } })).arrayBuffer();
        process.exit(0);
    });
});
