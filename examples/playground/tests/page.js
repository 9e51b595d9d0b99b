// Uses the page as people do, in headless Chromium, and compares with what this machine comes to:
//
//     node page.js CHROMIUM index.html RECORD TASK [PICTURE]
//
// With PICTURE, leaves pictures of it at PICTURE-light.png and PICTURE-dark.png.
"use strict";

const {execFileSync} = require("node:child_process");
const {pathToFileURL} = require("node:url");
const {open} = require("./browser.js");

const [chromium, index, record, task, picture] = process.argv.slice(2);
const address = pathToFileURL(index).href;
const lines = execFileSync(record, [task], {encoding: "utf8"}).split("\n").map((line) => line.split(" "));

let failed = 0;
function expect(holds, what) {
  if (!holds) failed += 1;
  console.log((holds ? "ok: " : "FAILED: ") + what);
}

(async () => {
  const page = await open(chromium, address);
  const text = (id) => page.value(`document.getElementById("${id}").textContent`);
  const click = (id) => page.value(`document.getElementById("${id}").click()`);
  const choose = (id, value) => page.value(`{
    const one = document.getElementById("${id}");
    one.value = "${value}";
    one.dispatchEvent(new Event("change"));
    one.dispatchEvent(new Event("input"));
  }`);
  const at = async () => (await page.value("document.getElementById('map').dataset.at")).split(" ").map(Number);
  const usable = () => page.until("document.getElementById('map').dataset.at");
  try {
    // Each function by each of three methods, a step at a time.
    const runs = lines.filter(([kind, , method]) => kind === "run" && ["prge", "spsa", "zo_conservative"].includes(method));
    for (const [, name, method, , x, y, , evaluations] of runs.filter((_, i) => i % 2 === 0)) {
      await page.go(`${address}?function=${name}`);
      await usable();
      await choose("method", method);
      for (let i = 0; i < 50; ++i) await click("step");
      const [px, py] = await at();
      expect(px === Number(x) && py === Number(y), `${name} by ${method} ends at ${px}, ${py}; here at ${x}, ${y}`);
      expect(await text("forwards") === evaluations, `${evaluations} forwards`);
    }

    await page.go(`${address}?function=valley`);
    await usable();
    const start = await at();
    await click("run");
    await page.until("Number(document.getElementById('steps').textContent) > 20");
    await click("run");
    expect(await text("run") === "Run", "the run pauses");
    expect((await at()).some((v, i) => v !== start[i]), "and has moved");
    await click("reset");
    expect((await at()).every((v, i) => v === start[i]), "it begins again where it began");
    await click("minimize");
    expect(Number(await text("loss")) < 1, `minimize comes to ${await text("loss")}`);
    expect((await text("why")).startsWith("ended after"), "and says why it ended");
    await choose("estimator", "one_sided");
    expect((await text("program")).includes("zoft::one_sided{"), "the program follows what is chosen");
    expect(await page.value("document.getElementById('method').value") === "", "which is no published method");
    await page.value("document.getElementById('map').dispatchEvent(new MouseEvent('click', {clientX: 200, clientY: 400}))");
    expect((await at()).some((v, i) => v !== start[i]), "a click chooses the start");

    // The demo, for 20 steps: what it comes to is what the program comes to.
    const demo = (when) => lines.find(([kind, name]) => kind === "demo" && name === when);
    await page.until("!document.getElementById('demo-run').disabled", 300);
    const loss = async () => Number(await page.value("document.getElementById('progress').dataset.loss"));
    expect(await loss() === Number(demo("before")[2]), `the demo begins at ${await loss()}`);
    await choose("demo-steps", 20);
    await page.until("!document.getElementById('demo-run').disabled", 300);
    await click("demo-run");
    await page.until("document.body.dataset.trained === 'yes'", 500);
    expect(await loss() === Number(demo("observed")[2]), `and ends at ${await loss()}, here at ${demo("observed")[2]}`);
    expect(await text("demo-right") === demo("observed")[3], `${await text("demo-right")} answers are right`);
    await choose("prompt", "Tue 08:15");
    await click("answer-it");
    await page.until("document.getElementById('answer').textContent !== ''");
    console.log(await text("answer"));

    expect(page.complaints.length === 0, `nothing is complained of ${page.complaints.join("; ")}`);
    const outside = page.asked.filter((url) => !/^(file|data|blob):/.test(url));
    expect(outside.length === 0 && page.asked.length > 5, `the network is not asked for anything ${outside.join(", ")}`);
    if (picture) for (const scheme of ["light", "dark"]) {
      await page.scheme(scheme);
      await page.picture(`${picture}-${scheme}.png`);
    }
  } finally {
    await page.close();
  }
  process.exit(failed > 0 ? 1 : 0);
})();
