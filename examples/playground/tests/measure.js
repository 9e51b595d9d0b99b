// Trains the demo in the page, and prints what that takes: node measure.js CHROMIUM index.html METHOD [STEPS] [PICTURE]
//
// Seconds are the processor's, of the process that has the page. Looks at held-out items count, too.
"use strict";

const {pathToFileURL} = require("node:url");
const {open} = require("./browser.js");

const [chromium, index, method, most, picture] = process.argv.slice(2);

(async () => {
  const page = await open(chromium, pathToFileURL(index).href + "?function=four&steps=40");
  const text = (id) => page.value(`document.getElementById("${id}").textContent`);
  const usable = () => page.until("!document.getElementById('demo-run').disabled", 300);
  const spent = async () => {
    const {processInfo} = await page.whole("SystemInfo.getProcessInfo");
    return Math.max(...processInfo.filter((p) => p.type === "renderer").map((p) => p.cpuTime));
  };
  try {
    await usable();
    await page.value(`document.getElementById("demo-method").value = "${method}"`);
    await page.value(`document.getElementById("demo-method").dispatchEvent(new Event("change"))`);
    await usable();
    const [from, start] = [await spent(), Date.now()];
    await page.value(`document.getElementById("demo-run").click()`);
    let last = "";
    for (let ended = false; !ended; await new Promise((f) => setTimeout(f, 500))) {
      ended = await page.value("document.body.dataset.trained === 'yes'");
      const now = `${await text("demo-right")} of ${await text("demo-items")}`, step = Number((await text("demo-step")).replace(/,/g, ""));
      if (now !== last || ended || step >= most)
        console.log(`step ${step}: ${now} right, ${(await spent() - from).toFixed(1)} s, ${(Date.now() - start) / 1000} s by the clock`);
      last = now;
      ended ||= step >= most;
    }
    if (picture) for (const scheme of ["light", "dark"]) {
      await page.scheme(scheme);
      await page.picture(`${picture}-${scheme}.png`);
    }
  } finally {
    await page.close();
  }
})();
