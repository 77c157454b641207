// SPDX-License-Identifier: ISC
/*
 * The JavaScript peers that benchmarks measure against: GET /node/info and
 * JSON-RPC getnodeinfo, on node:http alone or on Express, each as its users
 * write it.  The answer is built and put into JSON for each request; it has
 * the fields of Warren's own, which the file INFO holds.
 *
 *	node node_server.js http|express PORT INFO
 *
 * Express is looked for where NODE_PATH says.
 */
"use strict";
const fs = require("node:fs");

const [mode, port, path] = process.argv.slice(2);
const info = JSON.parse(fs.readFileSync(path, "utf8"));

function nodeInfo() {
	return { ...info, time: Date.now() };
}

function rpc(call) {
	if (call.method !== "getnodeinfo")
		return { jsonrpc: "2.0", id: call.id ?? null,
			error: { code: -32601, message: "Method not found" } };
	return { jsonrpc: "2.0", id: call.id, result: nodeInfo() };
}

function plain() {
	const http = require("node:http");

	function send(res, status, value) {
		const body = JSON.stringify(value);

		res.writeHead(status, {
			"Content-Type": "application/json",
			"Content-Length": Buffer.byteLength(body),
		});
		res.end(body);
	}

	return http.createServer((req, res) => {
		if (req.method === "GET" && req.url === "/node/info") {
			send(res, 200, nodeInfo());
		} else if (req.method === "POST" && req.url === "/") {
			const chunks = [];

			req.on("data", (chunk) => chunks.push(chunk));
			req.on("end", () => {
				let call;

				try {
					call = JSON.parse(Buffer.concat(chunks));
				} catch {
					send(res, 400, { error: "no JSON" });
					return;
				}
				send(res, 200, rpc(call));
			});
		} else {
			send(res, 404, { error: "not found" });
		}
	});
}

function express() {
	const app = require("express")();

	app.use(require("express").json());
	app.get("/node/info", (req, res) => res.json(nodeInfo()));
	app.post("/", (req, res) => res.json(rpc(req.body)));
	return app;
}

process.env.NODE_ENV = "production"; // as Express advises
(mode === "express" ? express() : plain()).listen(Number(port), "127.0.0.1");
