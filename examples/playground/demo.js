// The second part of the page: the demo's model, which a worker trains.
"use strict";

const help = {
  observed: "Directions made from what a forward shows: two forwards of 16 examples a step.",
  prge: "Gaussian directions, 2q candidates in one forward. As sh cmake/demo.sh, which takes 20 times the forwards.",
};

(() => {
  const worker = new Worker(URL.createObjectURL(new Blob(["(", workerProgram.toString(), ")()"], {type: "text/javascript"})));
  const fields = {steps: "steps", queries: "queries", epsilon: "epsilon", rate: "rate"};
  let looks = [], running = false;

  function draw() {
    const points = (of) => looks.map((l) => [l.forwards, of(l)]);
    const highest = Math.max(0.05, ...looks.map((l) => l.loss));
    const right = ticks(highest, 5).map((v) => [v, v.toFixed(2)]);
    curves(find("progress"), [
      {points: points((l) => l.loss), colour: colour("cool"), width: 1.5, dots: 2, right: true},
      {points: points((l) => 100 * l.right / l.items), colour: colour("accent"), width: 2.5, dots: 3.5},
    ], {
      range: [0, 100], left: [0, 20, 40, 60, 80, 100].map((v) => [v, v + " %"]), rangeRight: [0, highest], right,
      least: 100, below: "forwards of 16 examples", above: "exact match", aboveRight: "nats a token",
    });
  }

  function begin(numbers) {
    const of = (id) => numbers ? Number(find("demo-" + id).value) : 0;
    running = false;
    looks = [];
    delete document.body.dataset.trained;
    find("demo-run").disabled = find("demo-reset").disabled = true;
    find("demo-step").textContent = find("demo-forwards").textContent = "0";
    find("demo-right").textContent = find("demo-speed").textContent = "–";
    worker.postMessage({begin: {method: find("demo-method").value, steps: of("steps"), queries: of("queries"),
                                epsilon: of("epsilon"), rate: of("rate"), seed: Number(find("demo-seed").value)}});
    draw();
  }

  function cells(row, texts) {
    row.replaceChildren(...texts.map(([text, kind]) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      cell.className = kind;
      return cell;
    }));
    return row;
  }

  const on = {
    ready: () => begin(false),
    began: (how) => {
      for (const [id, name] of Object.entries(fields)) find("demo-" + id).value = Number(how[name].toPrecision(3));
      find("demo-help").textContent = help[find("demo-method").value];
      find("model-lead").textContent = `A Llama of ${grouped(how.parameters)} parameters writes dates, times and sums the ` +
          `American way. From 400 examples it learns the British way, by training ${grouped(how.trained)} numbers of a ` +
          "LoRA-FA adapter: the task of sh cmake/demo.sh.";
    },
    looked: (l) => {
      looks.push(l);
      find("demo-right").textContent = grouped(l.right);
      find("demo-items").textContent = grouped(l.items);
      find("progress").dataset.loss = l.loss;
      find("samples").tBodies[0].replaceChildren(...l.answers.map((a) => cells(document.createElement("tr"), [
        [a.prompt, ""], [a.wanted, ""], [a.before, "pretrained"], [a.now, a.now === a.wanted ? "right" : ""]])));
      for (const id of ["demo-run", "demo-reset", "answer-it"]) find(id).disabled = false;
      find("demo-run").textContent = running ? "Pause" : "Train";
      draw();
    },
    stepped: (s) => {
      find("demo-step").textContent = grouped(s.step);
      find("demo-forwards").textContent = grouped(s.forwards);
      find("demo-speed").textContent = shown(s.step / s.seconds);
    },
    ended: () => {
      running = false;
      find("demo-run").textContent = "Train";
      find("demo-run").disabled = true;
      document.body.dataset.trained = "yes";
    },
    answered: (a) => find("answer").textContent = `${a.now} (as pretrained: ${a.before})`,
    wrong: (message) => {
      find("demo-help").textContent = message;
      find("demo-reset").disabled = false;
    },
  };
  worker.onmessage = ({data}) => Object.entries(data).forEach(([name, value]) => on[name](value));
  worker.onerror = (event) => on.wrong(event.message);

  find("demo-run").addEventListener("click", () => {
    running = !running;
    find("demo-run").textContent = running ? "Pause" : "Train";
    worker.postMessage(running ? {run: true} : {pause: true});
  });
  find("demo-reset").addEventListener("click", () => begin(true));
  find("demo-method").addEventListener("change", () => begin(false));
  for (const id of [...Object.keys(fields), "seed"]) find("demo-" + id).addEventListener("change", () => begin(true));
  find("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    worker.postMessage({ask: find("prompt").value});
  });
  new ResizeObserver(draw).observe(find("progress"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
