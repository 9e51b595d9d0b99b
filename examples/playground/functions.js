// The first part of the page: runs on functions of two numbers.
"use strict";

const find = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);

// Resolved when the first part can be used.
const functionsReady = (async () => {
  const core = await createFunctions();
  const call = (name, types, result = "string") => {
    const f = core.cwrap("functions_" + name, result, types);
    return (...values) => {
      const told = f(...values);
      if (typeof told === "string" && told.startsWith("error: ")) throw new Error(told.slice(7).replace(/^zoft: /, ""));
      return told;
    };
  };
  const text = "string", number = "number";
  const grid = call("grid", [text, number], number), state = call("state", [], number);
  const begin = call("begin", [text, text, text, text, ...Array(7).fill(number)]);
  const set = call("set", [number, number]), step = call("step", []);
  const tune = call("tune", [number]), minimize = call("minimize", [number]);
  const all = JSON.parse(call("catalogue", [])());
  const numbers = (pointer, count) => core.HEAPF64.slice(pointer / 8, pointer / 8 + count);

  const rows = 280, levels = 16, keptRuns = 3, mostProbes = 400;
  const pictures = {};
  let landscape, start, run, earlier = [], running = false, painted = null;

  // What the sliders say. They are logarithmic, but for q; the lowest noise is none.
  const round = (value) => Number(value.toPrecision(2));
  const chosen = {epsilon: 0.1, rate: 1e-3, noise: 0};
  const place = (id, value) => {
    chosen[id] = value;
    find(id).value = value > 0 ? Math.log10(value) : find(id).min;
    find(id + "-value").textContent = value > 0 ? shown(value) : "none";
  };
  for (const id of ["epsilon", "rate", "noise"])
    find(id).addEventListener("input", () => {
      const none = id === "noise" && find(id).value === find(id).min;
      place(id, none ? 0 : round(10 ** find(id).value));
      if (id === "noise") restart();
      else show(() => set(chosen.epsilon, chosen.rate));
    });

  // Whatever f says is the program; whatever it throws is shown in its place.
  function show(f) {
    const program = find("program");
    try {
      const told = f();
      if (told !== undefined) {
        const x = `std::vector<double> x{${start.map(shown).join(", ")}};`;
        program.textContent = `${x}\n${told.replace(/, (?=zoft::)/g, ",\n                   ")}\n` +
            "tuner.step(std::span(x), f);    // double f(std::span<const double>)";
      }
      program.classList.remove("wrong");
      return true;
    } catch (wrong) {
      program.textContent = wrong.message;
      program.classList.add("wrong");
      running = false;
      return false;
    }
  }

  function options(id, list) {
    find(id).replaceChildren(...list.map((one) => new Option(one.name, one.name)));
    find(id).addEventListener("change", () => changed());
  }
  const helpOf = (id, list) => find(id + "-help").textContent = list.find((one) => one.name === find(id).value).help;

  // θ, loss, forwards, ε, η, and what was probed.
  function look() {
    const count = numbers(state(), 7)[6], s = numbers(state(), 7 + 3 * count), probes = [];
    for (let i = 7; i < s.length; i += 3) probes.push([s[i], s[i + 1], s[i + 2]]);
    return {at: [s[0], s[1]], loss: s[2], forwards: s[3], epsilon: s[4], rate: s[5], probes};
  }

  // A run from the start. Rates are measured unless they are to be kept.
  function restart(measured = false) {
    if (run && run.path.length > 1) earlier = [run, ...earlier].slice(0, keptRuns);
    running = false;
    const value = (id) => find(id).value;
    const ok = show(() => {
      const made = () => begin(landscape.name, value("sampler"), value("estimator"), value("optimizer"),
                               Number(value("queries")), chosen.epsilon, chosen.rate, Number(value("seed")), ...start, chosen.noise);
      made();
      if (measured) {
        find("why").textContent = tune(measured === "rate" ? 1 : 0);
        const found = look();
        place("epsilon", measured === "rate" ? chosen.epsilon : found.epsilon);
        place("rate", Number(found.rate.toPrecision(3)));
      }
      return made();
    });
    run = {path: [start], losses: [[0, landscape.value]], probes: [], last: null, steps: 0, refused: 0};
    if (ok) run.losses = [[0, look().loss]];
    draw();
  }

  function changed(byMethod = false) {
    const estimator = find("estimator").value;
    const one = estimator === "residual" || estimator === "greedy";
    const least = estimator === "leave_one_out" || estimator === "normalised" ? 2 : 1;
    find("queries").disabled = one;
    find("queries").min = least;
    if (one) find("queries").value = 1;
    if (Number(find("queries").value) < least) find("queries").value = 4;
    find("queries-value").textContent = find("queries").value;
    if (estimator === "greedy") find("optimizer").value = "sgd";
    for (const o of find("optimizer").options) o.disabled = estimator === "greedy" && o.value !== "sgd";
    const q = Number(find("queries").value);
    const is = all.methods.find((m) => ["sampler", "estimator", "optimizer"].every((p) => m[p] === find(p).value) &&
                                       (m.queries === 0 || m.queries === q));
    find("method").value = is ? is.name : "";
    helpOf("sampler", all.samplers);
    helpOf("estimator", all.estimators);
    helpOf("optimizer", all.optimizers);
    restart("rate");
  }

  function choose(name) {
    landscape = all.functions.find((f) => f.name === name) || all.functions[0];
    for (const b of find("function").children) b.setAttribute("aria-pressed", b.value === landscape.name);
    find("formula").textContent = "f(x, y) = " + landscape.formula;
    find("about").textContent = landscape.about;
    start = landscape.start;
    pictures[landscape.name] ||= contours(numbers(grid(landscape.name, rows), rows * rows), rows, landscape.least, levels);
    painted = null;
    run = null;
    earlier = [];
    place("epsilon", landscape.epsilon);
    changed();
  }

  function advance() {
    const before = run.path[run.path.length - 1];
    return show(() => {
      const status = step(), now = look();
      run.steps += 1;
      run.refused += status === "not_finite";
      run.last = {from: before, probes: now.probes};
      run.probes = run.probes.concat(now.probes).slice(-mostProbes);
      run.path.push(now.at);
      run.losses.push([now.forwards, now.loss]);
    });
  }

  function animate() {
    if (!running) return;
    if (advance()) requestAnimationFrame(animate);
    draw();
  }

  function draw() {
    find("run").textContent = running ? "Pause" : "Run";
    find("steps").textContent = grouped(run.steps);
    find("forwards").textContent = grouped(run.losses[run.losses.length - 1][0]);
    find("loss").textContent = shown(run.losses[run.losses.length - 1][1]);
    find("refused").textContent = grouped(run.refused);
    find("map").dataset.at = run.path[run.path.length - 1].join(" ");
    drawMap();
    drawCurve();
  }

  function drawMap() {
    const {context, width} = prepared(find("map")), ratio = window.devicePixelRatio || 1;
    if (width === 0) return;  // before the page is laid out
    if (!painted || painted.width !== Math.floor(width * ratio)) painted = ground(pictures[landscape.name], width, ratio);
    context.drawImage(painted, 0, 0, width, width);
    const [x0, y0] = landscape.lower, [x1, y1] = landscape.upper;
    const on = ([x, y]) => [(x - x0) / (x1 - x0) * width, (y1 - y) / (y1 - y0) * width];
    const dot = (at, radius) => {
      context.beginPath();
      context.arc(...on(at), radius, 0, 7);
      context.fill();
    };
    const line = (points) => {
      context.beginPath();
      points.forEach((p, i) => context[i ? "lineTo" : "moveTo"](...on(p)));
      context.stroke();
    };
    context.lineJoin = context.lineCap = "round";
    context.strokeStyle = colour("text");
    context.lineWidth = 1.5;
    for (const m of landscape.minima) {
      const [x, y] = on(m);
      context.save();
      context.translate(x, y);
      context.rotate(Math.PI / 4);
      context.strokeRect(-4, -4, 8, 8);
      context.restore();
    }
    context.fillStyle = context.strokeStyle = colour("cool");
    context.globalAlpha = 0.3;
    for (const p of run.probes) dot(p, 1.6);
    context.globalAlpha = 1;
    if (run.last && run.last.probes.length <= 40)
      for (const p of run.last.probes) {
        context.lineWidth = 1.2;
        line([run.last.from, p]);
        dot(p, 3);
      }
    context.strokeStyle = context.fillStyle = colour("accent");
    context.lineWidth = 2;
    line(run.path);
    if (run.path.length < 120) for (const p of run.path) dot(p, 2.2);
    context.lineWidth = 2;
    context.fillStyle = colour("page");
    dot(run.path[run.path.length - 1], 5);
    context.stroke();
  }

  function drawCurve() {
    const least = 1e-6, depth = ([x, loss]) => [x, Math.log10(Math.min(1e9, Math.max(least, loss - landscape.least)) || 1e9)];
    const lines = earlier.map((r, i) => ({points: r.losses.map(depth), colour: colour("quiet") + ["a0", "70", "48"][i], width: 1.2}));
    lines.push({points: run.losses.map(depth), colour: colour("accent"), width: 2});
    const heights = lines.flatMap((l) => l.points.map((p) => p[1])).filter(Number.isFinite);
    const from = Math.floor(Math.min(...heights, -1)), to = Math.min(5, Math.ceil(Math.max(...heights, 1)));
    const left = [], each = to - from > 5 ? 2 : 1;
    for (let p = to; p >= from; p -= each) left.push([p, p === 0 ? "1" : p === 1 ? "10" : "10" + superscript(String(p))]);
    curves(find("curve"), lines, {range: [from, to], left, least: 100, below: "forwards", above: "loss above the least" +
        (earlier.length ? "; earlier runs in grey" : "")});
  }

  find("function").replaceChildren(...all.functions.map((f) => {
    const b = document.createElement("button");
    b.value = f.name;
    b.textContent = f.title;
    b.addEventListener("click", () => choose(f.name));
    return b;
  }));
  options("sampler", all.samplers);
  options("estimator", all.estimators);
  options("optimizer", all.optimizers);
  find("method").replaceChildren(...all.methods.map((m) => new Option(m.name, m.name)), new Option("of your own", ""));
  find("method").addEventListener("change", () => {
    const m = all.methods.find((one) => one.name === find("method").value);
    if (!m) return;
    for (const p of ["sampler", "estimator", "optimizer"]) find(p).value = m[p];
    find("queries").value = m.queries || 4;
    changed();
  });
  find("queries").addEventListener("input", () => changed());
  find("seed").addEventListener("input", () => restart());
  find("run").addEventListener("click", () => {
    running = !running;
    if (running) animate();
    draw();
  });
  find("step").addEventListener("click", () => {
    running = false;
    advance();
    draw();
  });
  find("reset").addEventListener("click", () => restart());
  find("tune").addEventListener("click", () => restart("both"));
  find("minimize").addEventListener("click", () => {
    restart();
    show(() => {
      const why = minimize(2000), {at, loss, probes, forwards} = look();
      let best = [...start, run.losses[0][1]];
      probes.forEach((p, i) => {
        if (p[2] < best[2]) {
          best = p;
          run.path.push([p[0], p[1]]);
          run.losses.push([i + 1, p[2]]);
        }
      });
      run.path.push(at);
      run.losses.push([forwards, loss]);
      run.probes = probes;
      find("why").textContent = why;
      find("report").open = true;
      return undefined;
    });
    find("program").textContent = `std::vector<double> x{${start.map(shown).join(", ")}};\n` +
        "const zoft::report r = zoft::minimize(std::span(x), f, {.evaluations = 2000});";
    draw();
  });
  find("map").addEventListener("click", (event) => {
    const box = find("map").getBoundingClientRect(), [x0, y0] = landscape.lower, [x1, y1] = landscape.upper;
    start = [x0 + (x1 - x0) * (event.clientX - box.left) / box.width, y1 - (y1 - y0) * (event.clientY - box.top) / box.height]
        .map((v) => Number(v.toFixed(2)));
    restart("rate");
  });
  find("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(find("program").textContent);
    find("copy").textContent = "Copied";
    setTimeout(() => find("copy").textContent = "Copy", 1500);
  });
  const again = () => {
    painted = null;
    draw();
  };
  new ResizeObserver(again).observe(find("map"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);

  place("noise", 0);
  for (const p of ["sampler", "estimator", "optimizer", "queries", "seed"]) if (asked.has(p)) find(p).value = asked.get(p);
  if (!asked.has("queries")) find("queries").value = 4;
  choose(asked.get("function") || "valley");
  for (let i = 0; i < Number(asked.get("steps")); ++i) advance();
  draw();
})();
