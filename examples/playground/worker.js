// The worker that trains the model. It follows demo_core.js in one function, and takes messages {begin}, {run}, {pause}
// and {ask}. While it runs, it lets messages in every tenth of a second.
"use strict";

(async () => {
  const core = await createDemo();
  const call = (name, ...types) => {
    const f = core.cwrap("demo_" + name, "string", types);
    return (...values) => {
      const told = f(...values);
      if (told.startsWith("error: ")) throw new Error(told.slice(7));
      return told;
    };
  };
  const number = "number";
  const begin = call("begin", "string", number, number, number, number, number), step = call("step");
  const look = call("look", number, number), item = call("item", number), answer = call("answer", "string", number);
  const spread = 8, some = 200;
  let how, done, running = false, seconds = 0;

  // Most happens early: a look after each 30th of the run at first, and after each 10th later.
  const isLook = () => {
    const each = Math.max(1, Math.ceil(how.steps / (done * 5 <= how.steps ? 30 : 10)));
    return done === how.steps || done % each === 0;
  };

  // Held-out items, and what the model writes for a few of them: all at both ends of the run, and some on the way.
  function lookAround() {
    const answers = [], items = done === 0 || done === how.steps ? how.heldout : some;
    for (let i = 0; i < spread; ++i) {
      const [prompt, wanted] = item(Math.floor(i * how.heldout / spread)).split("\t");
      answers.push({prompt, wanted, before: answer(prompt, 0), now: answer(prompt, 1)});
    }
    postMessage({looked: {...JSON.parse(look(0, items)), step: done, forwards: done * how.forwards, seconds, answers}});
  }

  function slice() {
    if (!running) return;
    const from = performance.now();
    let last;
    do {
      last = JSON.parse(step());
      done += 1;
    } while (performance.now() - from < 100 && !isLook());
    seconds += (performance.now() - from) / 1000;
    postMessage({stepped: {...last, step: done, forwards: done * how.forwards, seconds}});
    if (isLook()) lookAround();
    if (done === how.steps) {
      running = false;
      postMessage({ended: true});
    }
    setTimeout(slice);
  }

  onmessage = ({data}) => {
    try {
      if (data.begin) {
        const b = data.begin;
        running = false;
        how = JSON.parse(begin(b.method, b.steps, b.queries, b.epsilon, b.rate, b.seed));
        done = seconds = 0;
        postMessage({began: how});
        lookAround();
      }
      if (data.run && !running && done < how.steps) {
        running = true;
        slice();
      }
      if (data.pause) running = false;
      if (data.ask) postMessage({answered: {prompt: data.ask, before: answer(data.ask, 0), now: answer(data.ask, 1)}});
    } catch (wrong) {
      running = false;
      postMessage({wrong: wrong.message});
    }
  };
  postMessage({ready: true});
})();
