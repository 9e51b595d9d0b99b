// Drives headless Chromium by its DevTools protocol, over a pipe.
"use strict";

const {spawn} = require("node:child_process");
const {mkdtempSync, rmSync, writeFileSync} = require("node:fs");
const {tmpdir} = require("node:os");
const {join} = require("node:path");

// A page of that address. Nothing outside the machine can be reached from it.
async function open(program, url, {width = 1180, height = 900} = {}) {
  const folder = mkdtempSync(join(tmpdir(), "zoft-chromium-"));
  const child = spawn(program, ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe",
    "--user-data-dir=" + folder, "about:blank"], {stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"]});
  const [, , , to, from] = child.stdio;
  const waiting = new Map(), complaints = [], asked = [];
  let last = 0, left = "", session;
  child.on("exit", () => waiting.forEach(({reject}) => reject(new Error("chromium ended"))));
  from.on("data", (bytes) => {
    const messages = (left + bytes).split("\0");
    left = messages.pop();
    for (const message of messages.map((m) => JSON.parse(m))) {
      const waits = waiting.get(message.id);
      waiting.delete(message.id);
      if (waits) waits[message.error ? "reject" : "resolve"](message.error ? new Error(message.error.message) : message.result);
      const {method, params} = message;
      if (method === "Runtime.exceptionThrown") complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      if (method === "Log.entryAdded" && params.entry.level === "error") complaints.push(params.entry.text);
      if (method === "Network.requestWillBeSent") asked.push(params.request.url);
    }
  });
  const call = (sessionId, method, params) => new Promise((resolve, reject) => {
    waiting.set(++last, {resolve, reject});
    to.write(JSON.stringify({id: last, method, params, sessionId}) + "\0");
  });
  const send = (method, params = {}) => call(session, method, params);

  const {targetId} = await send("Target.createTarget", {url: "about:blank"});
  session = (await send("Target.attachToTarget", {targetId, flatten: true})).sessionId;
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(domain + ".enable");
  await send("Emulation.setDeviceMetricsOverride", {width, height, deviceScaleFactor: 1, mobile: false});

  const page = {
    complaints,  // what the page threw, or Chromium logged as an error
    asked,       // the addresses that the page asked for
    send,
    whole: (method) => call(undefined, method, {}),  // of the browser, not of the page
    async go(address) {
      await send("Page.navigate", {url: address});
      await page.until("document.readyState === 'complete'");
    },
    // The value of an expression of JavaScript; promises are waited for.
    async value(expression) {
      const r = await send("Runtime.evaluate", {expression, awaitPromise: true, returnByValue: true});
      if (r.exceptionDetails) throw new Error(`${expression}: ${r.exceptionDetails.exception?.description ?? r.exceptionDetails.text}`);
      return r.result.value;
    },
    // Waits until an expression is true.
    async until(expression, seconds = 60) {
      for (const end = Date.now() + 1000 * seconds; Date.now() < end; await new Promise((f) => setTimeout(f, 50)))
        if (await page.value(`Boolean(${expression})`)) return;
      throw new Error(`after ${seconds} s there is no ${expression}`);
    },
    async scheme(name) {
      await send("Emulation.setEmulatedMedia", {features: [{name: "prefers-color-scheme", value: name}]});
      await page.value("new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))");
    },
    async picture(path) {
      const {cssContentSize: {width: w, height: h}} = await send("Page.getLayoutMetrics");
      const clip = {x: 0, y: 0, width: w, height: h, scale: 1};
      const {data} = await send("Page.captureScreenshot", {clip, captureBeyondViewport: true});
      writeFileSync(path, Buffer.from(data, "base64"));
    },
    close() {
      child.kill();
      return new Promise((resolve) => child.once("exit", () => {
        rmSync(folder, {recursive: true, force: true, maxRetries: 10});
        resolve();
      }));
    },
  };
  await page.go(url);
  return page;
}

module.exports = {open};
