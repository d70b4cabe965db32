// The page. Rule: whatever a model, a program or a visitor says becomes text (textContent), never markup.

const $ = (id) => document.getElementById(id);

/** Make an element with text or children. */
function make(name, { text, className, children = [], ...attributes } = {}) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const euros = new Intl.NumberFormat("en", { style: "currency", currency: "EUR", maximumFractionDigits: 0 });
const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

function duration(seconds) {
  if (seconds < 0.0995) return `${numbers.format(seconds * 1000)} ms`;
  return seconds < 0.9995 ? `${Math.round(seconds * 1000)} ms` : `${numbers.format(seconds)} s`;
}

function bytes(count) {
  return count >= 2 ** 20 ? `${numbers.format(count / 2 ** 20)} MiB` : `${numbers.format(count / 2 ** 10)} KiB`;
}

// Colours

const themes = ["auto", "light", "dark"];
const told = { auto: ["◐ Auto", "as the system"], light: ["☀ Light", "light"], dark: ["☾ Dark", "dark"] };

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").textContent = told[theme][0];
  $("theme").setAttribute("aria-label", `Colours: ${told[theme][1]}`);
}

function storedTheme() {
  try {
    const theme = localStorage.getItem("theme");
    return themes.includes(theme) ? theme : "auto";
  } catch {
    return "auto"; // storage is switched off
  }
}

let theme = storedTheme();
setTheme(theme);
$("theme").addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  setTheme(theme);
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // it holds until the page is left
  }
});

// Talking to the service

/** Read an answer that is no success as a problem (RFC 9457). */
async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { title: `The service answered ${response.status}`, detail: response.statusText, status: response.status };
  }
}

function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** Yield the events of a stream of server-sent events: [name, data]. */
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        let name = "message";
        const data = [];
        for (const line of block.split("\n")) {
          if (line.startsWith("event: ")) name = line.slice(7);
          else if (line.startsWith("data: ")) data.push(line.slice(6));
        }
        if (data.length) yield [name, JSON.parse(data.join("\n"))];
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // the connection is gone already
  }
}

function showProblem(box, problem) {
  const status = problem.status ? ` (${problem.status})` : "";
  box.replaceChildren(make("strong", { text: `${problem.title ?? "Something went wrong"}${status}` }));
  if (problem.detail) box.append(make("span", { text: problem.detail }));
  if (problem.instance) box.append(make("br"), make("code", { text: problem.instance }));
  box.hidden = false;
}

function setStatus(element, text, busy = false) {
  element.textContent = text;
  element.toggleAttribute("data-busy", busy);
}

// The worker

const LEVELS = ["none", "process", "filtered", "landlocked", "namespaced", "contained"];

function showWorker(card, worker, heading) {
  const reached = LEVELS.indexOf(worker.level);
  const levels = LEVELS.slice(1).map((level, at) =>
    make("span", { title: level, className: at < reached ? "reached" : "" }),
  );
  const standing = worker.layers.filter((layer) => layer.in_force);
  const chips = standing.map((layer) => make("li", { text: layer.name }));
  for (const layer of worker.layers.filter((layer) => layer.wanted && !layer.in_force))
    chips.push(make("li", { text: `${layer.name} is missing`, className: "missing" }));
  const rows = worker.layers.map((layer) =>
    make("tr", {
      children: [
        make("td", { text: layer.name }),
        make("td", { text: layer.in_force ? "in force" : layer.wanted ? "missing" : "not used" }),
        make("td", { text: [layer.value, layer.reason].filter(Boolean).join("; ") }),
      ],
    }),
  );
  const head = ["Layer", "State", "What the host read"].map((text) => make("th", { text, scope: "col" }));
  card.replaceChildren(
    make("header", {
      children: [
        make(heading, { children: ["Worker process ", make("code", { text: worker.pid, "data-pid": worker.pid })] }),
        make("p", { className: "life", text: "alive" }),
      ],
    }),
    make("div", { className: "levels", children: levels, "aria-hidden": "true" }),
    make("p", {
      className: "level",
      children: ["Isolation ", make("b", { text: worker.level, "data-level": worker.level }), `, level ${reached} of ${LEVELS.length - 1}`],
    }),
    make("ul", { className: "chips", children: chips, "aria-label": "Layers in force" }),
    make("details", {
      children: [
        make("summary", { text: `${standing.length} layers in force, and what proves it` }),
        make("div", {
          className: "scroll",
          tabindex: "0",
          role: "region",
          "aria-label": "Layers of isolation",
          children: [
            make("table", {
              children: [
                make("thead", { children: [make("tr", { children: head })] }),
                make("tbody", { children: rows }),
              ],
            }),
          ],
        }),
      ],
    }),
  );
  card.hidden = false;
}

function workerEnded(card, text) {
  const life = card.querySelector(".life");
  life.classList.add("gone");
  life.textContent = text;
}

// Planning

const trip = { controller: null, answers: new Map(), models: new Set() };

function wishOf(form) {
  const interests = [...form.querySelectorAll("[name=interest]:checked")].map((box) => box.value);
  for (const other of form.others.value.split(",")) if (other.trim()) interests.push(other.trim());
  return {
    destination: form.destination.value.trim(),
    days: Number(form.days.value),
    interests: [...new Set(interests)],
    budget: Number(form.budget.value),
  };
}

function firstMistake(form) {
  let first = null;
  for (const field of [form.destination, form.days, form.budget, form.others]) {
    const wrong = !field.checkValidity() || (field.required && !field.value.trim());
    field.toggleAttribute("aria-invalid", wrong);
    if (wrong) {
      field.setAttribute("aria-invalid", "true");
      first ??= field;
    }
  }
  return first;
}

function startTrip() {
  trip.answers.clear();
  trip.models.clear();
  $("stream").replaceChildren();
  for (const id of ["trip", "stream-card", "trip-worker", "trip-problem", "trip-empty"]) $(id).hidden = true;
  $("stream-card").open = true;
}

/** Bring results into view where they are below the fold. */
function reveal(results) {
  if (results.getBoundingClientRect().top > window.innerHeight * 0.8) results.scrollIntoView({ block: "start" });
}

const tripEvents = {
  worker(worker) {
    showWorker($("trip-worker"), worker, "h2");
    $("stream-card").hidden = false;
    reveal($("trip-results"));
    setStatus($("trip-status"), `Worker ${worker.pid} runs the program.`, true);
  },
  question({ question, label, form }) {
    const state = make("span", { text: "waits for the model" });
    const text = make("p");
    const asked = [...trip.answers.values()].filter((answer) => answer.label === label).length;
    const box = make("article", {
      className: `answer busy${form ? " form" : ""}`,
      children: [make("h3", { children: [asked ? `${label}, asked again: the answer had another form` : label, state] }), text],
    });
    trip.answers.set(question, { label, box, state, text, pieces: 0 });
    $("stream").append(box);
  },
  piece({ question, text }) {
    const answer = trip.answers.get(question);
    answer.pieces += 1;
    answer.state.textContent = "speaks";
    answer.text.append(text);
    answer.text.scrollTop = answer.text.scrollHeight;
  },
  answered({ question, model, tokens }) {
    const answer = trip.answers.get(question);
    answer.box.classList.remove("busy");
    answer.state.textContent = tokens ? `${tokens} tokens` : "done";
    trip.models.add(model);
  },
  trip: showTrip,
  closed({ worker_ended, seconds, usage }) {
    const state = worker_ended ? `gone after ${duration(seconds)}` : "still ending";
    workerEnded($("trip-worker"), state);
    const asked = usage.model_calls === 1 ? "1 question" : `${usage.model_calls} questions`;
    setStatus($("trip-status"), `Done in ${duration(seconds)}, with ${asked} to the model.`);
  },
  error(problem) {
    showProblem($("trip-problem"), problem);
    setStatus($("trip-status"), "There is no plan.");
    workerEnded($("trip-worker"), "ended");
    for (const answer of trip.answers.values()) answer.box.classList.remove("busy");
  },
  done() {},
};

function notesOf(notes) {
  return make("ul", { className: "notes", children: notes.map((text) => make("li", { text })) });
}

function costOf(stop) {
  if (stop.cost === null) return "";
  return stop.cost ? `≈ ${euros.format(stop.cost)}` : "free";
}

function dayOf(day) {
  const open = day.stops.length === 0;
  const stops = day.stops.map((stop) =>
    make("li", {
      children: [
        make("b", { text: stop.place }),
        make("span", { text: stop.activity }),
        make("em", { text: costOf(stop) }),
      ],
    }),
  );
  const children = [
    make("span", { className: "marker", text: day.number, "aria-hidden": "true" }),
    make("h3", { text: open ? `Day ${day.number} is left open` : `Day ${day.number}` }),
  ];
  if (!open) children.push(make("ul", { className: "stops", children: stops }));
  if (day.notes.length) children.push(notesOf(day.notes));
  if (day.text)
    children.push(
      make("details", {
        children: [make("summary", { text: "The text this was read from" }), make("blockquote", { text: day.text })],
      }),
    );
  return make("li", { className: open ? "open" : "", children });
}

function showTrip(plan) {
  const planned = plan.days.filter((day) => day.stops.length).length;
  const days = plan.days.length === 1 ? "1 day" : `${plan.days.length} days`;
  $("trip-title").textContent = `${days} in ${plan.destination}`;
  const priced = plan.days.some((day) => day.stops.some((stop) => stop.cost !== null));
  $("trip-cost").textContent = priced
    ? `About ${euros.format(plan.cost)} of ${euros.format(plan.budget)}, as the model estimates`
    : planned
      ? "The model gave no costs that could be used"
      : "Nothing of what the model said could be used";
  $("trip-meter").hidden = !priced;
  $("trip-meter").max = Math.max(plan.budget, plan.cost);
  $("trip-meter").high = plan.budget;
  $("trip-meter").value = plan.cost;
  $("trip-notes").replaceChildren(...plan.notes.map((text) => make("li", { text })));
  $("trip-days").replaceChildren(...plan.days.map(dayOf));
  const models = [...trip.models].join(", ") || "a model";
  $("trip-caveat").textContent = `Written by ${models}. The program checked the form of the answers, not their truth.`;
  $("trip").hidden = false;
  $("stream-card").open = false;
  $("trip-title").focus({ preventScroll: true });
}

$("trip-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const mistake = firstMistake(form);
  if (mistake) {
    setStatus($("trip-status"), `Please look at "${mistake.labels[0].firstChild.textContent.trim()}".`);
    mistake.focus();
    return;
  }
  trip.controller?.abort();
  const controller = (trip.controller = new AbortController());
  startTrip();
  $("plan").disabled = true;
  $("stop").disabled = false;
  setStatus($("trip-status"), "A fresh worker is being asked for.", true);
  let last = null;
  try {
    const response = await post("/api/trips/stream", wishOf(form), controller.signal);
    if (response.ok) {
      for await (const [name, data] of eventsOf(response)) {
        last = name;
        tripEvents[name]?.(data);
      }
      if (last !== "done" && last !== "error")
        showProblem($("trip-problem"), { title: "The connection broke off", detail: "The answer is not complete." });
    } else {
      showProblem($("trip-problem"), await problemOf(response));
      setStatus($("trip-status"), "There is no plan.");
    }
  } catch (error) {
    if (controller.signal.aborted) {
      setStatus($("trip-status"), "Stopped. The worker was ended with the connection.");
      if (!$("trip-worker").hidden) workerEnded($("trip-worker"), "stopped");
    } else {
      showProblem($("trip-problem"), { title: "The service cannot be reached", detail: String(error.message) });
      setStatus($("trip-status"), "There is no plan.");
    }
    for (const answer of trip.answers.values()) answer.box.classList.remove("busy");
  } finally {
    $("plan").disabled = false;
    $("stop").disabled = true;
  }
});

$("stop").addEventListener("click", () => trip.controller?.abort());

// Hostile code

let attacks = [];
let trial = null;

const LIMITS = {
  wall_time: ["time", (value) => `${value} s`],
  cpu_time: ["processor time", (value) => `${value} s`],
  memory: ["memory", bytes],
  steps: ["steps", (value) => numbers.format(value)],
  depth: ["depth of calls", (value) => numbers.format(value)],
  output: ["output", bytes],
  asks: ["questions to the host", (value) => numbers.format(value)],
};

function titleOf(verdict) {
  if (verdict.outcome === "limit") {
    const [name, say] = LIMITS[verdict.limit] ?? [verdict.limit, String];
    return `Stopped at the limit of ${name}: ${say(verdict.limits[verdict.limit])}`;
  }
  if (verdict.outcome === "error") return `Stopped: ${verdict.error}`;
  if (verdict.outcome === "lost") return `The worker is gone: ${verdict.error}`;
  return "Ran to its end, inside its walls";
}

function showVerdict(verdict) {
  const right = verdict.worker_ended && verdict.afterwards.answer === 42;
  $("verdict").dataset.outcome = right ? verdict.outcome : "wrong";
  $("verdict-title").textContent = titleOf(verdict);
  const facts = [["Took", duration(verdict.seconds)]];
  if (verdict.error) facts.push(["Error", verdict.error]);
  if (verdict.result !== null) facts.push(["Result", verdict.result]);
  facts.push(["Worker", verdict.worker_ended ? `${verdict.worker.pid}, ended` : `${verdict.worker.pid}, still ending`, verdict.worker_ended]);
  const after = verdict.afterwards;
  facts.push(["Service", `answers: worker ${after.pid} said ${after.answer} after ${duration(after.seconds)}`, after.answer === 42]);
  $("verdict-facts").replaceChildren(
    ...facts.flatMap(([name, text, good]) => [
      make("dt", { text: name }),
      make("dd", { text, className: good === undefined ? "" : good ? "good" : "bad" }),
    ]),
  );
  $("verdict-error").textContent = verdict.message ?? "";
  $("verdict-output").textContent = verdict.output;
  const more = verdict.output_left_out;
  $("verdict-output-title").textContent = more
    ? `What it printed, without the last ${numbers.format(more)} characters`
    : "What it printed";
  $("verdict-output-box").hidden = !verdict.output;
  $("verdict").hidden = false;
  showWorker($("sandbox-worker"), verdict.worker, "h3");
  workerEnded($("sandbox-worker"), verdict.worker_ended ? "gone" : "still ending");
  reveal($("sandbox-results"));
  $("verdict-title").focus({ preventScroll: true });
}

$("sandbox-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  trial?.abort();
  const controller = (trial = new AbortController());
  for (const id of ["verdict", "sandbox-worker", "sandbox-problem", "sandbox-empty"]) $(id).hidden = true;
  $("run").disabled = true;
  $("sandbox-stop").disabled = false;
  setStatus($("sandbox-status"), "It runs.", true);
  try {
    const response = await post("/api/sandbox", { code: $("code").value }, controller.signal);
    if (response.ok) {
      showVerdict(await response.json());
      setStatus($("sandbox-status"), "");
    } else {
      showProblem($("sandbox-problem"), await problemOf(response));
      setStatus($("sandbox-status"), "It was not run.");
    }
  } catch (error) {
    if (controller.signal.aborted) setStatus($("sandbox-status"), "Stopped.");
    else {
      showProblem($("sandbox-problem"), { title: "The service cannot be reached", detail: String(error.message) });
      setStatus($("sandbox-status"), "");
    }
  } finally {
    $("run").disabled = false;
    $("sandbox-stop").disabled = true;
  }
});

$("sandbox-stop").addEventListener("click", () => trial?.abort());

function pickAttack() {
  const attack = attacks.find((one) => one.name === $("attack").value);
  $("attack-tries").textContent = attack ? attack.tries : "Whatever you like: it is Dana, which reads like Python.";
  $("code").value = attack ? attack.code : "";
}

$("attack").addEventListener("change", pickAttack);

// What the page needs to know at the start

async function begin() {
  try {
    const [prepared, health] = await Promise.all(
      ["/api/attacks", "/api/health"].map(async (path) => {
        const response = await fetch(path);
        if (!response.ok) throw new Error((await problemOf(response)).title);
        return response.json();
      }),
    );
    attacks = prepared;
    $("attack").replaceChildren(
      ...attacks.map((attack) => make("option", { text: attack.title, value: attack.name })),
      make("option", { text: "Your own program", value: "" }),
    );
    pickAttack();
    $("model-note").textContent = health.model
      ? `The model is ${health.model}.`
      : "No model is configured: see the README of this example.";
  } catch (error) {
    showProblem($("trip-problem"), { title: "The service cannot be reached", detail: String(error.message) });
  }
}

begin();
