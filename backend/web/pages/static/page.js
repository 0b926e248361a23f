"use strict";
// Live progress, confirmation before each action, and the map of the similarity. Everything else is made on the server.

const page = document.getElementById("page");
// Whole addresses from here on: fetch refuses those with a user and a password, as the page's own may be, and relative ones are read from it.
const whole = (path) => new URL(path, location.origin).href;
const address = whole(location.pathname.replace(/\/$/, ""));
const BUSY_MS = 1000, IDLE_MS = 2500, AWAY_MS = 5000, PATIENCE_MS = 20000;

// ---- times in the reader's own zone ----
function localTimes(root) {
  for (const element of root.querySelectorAll("time[data-local]")) {
    const moment = new Date(element.getAttribute("datetime"));
    if (!Number.isNaN(moment.valueOf())) {
      element.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    }
  }
}

// ---- following the state ----
// What is worth a new page: everything but how far the present step is.
function fingerprint(state) {
  const running = state.running && [state.running.job, state.running.kind];
  return JSON.stringify([state.version, state.round, state.next_tasks, state.labels, state.waiting, state.last_error, state.warnings,
    state.title, state.images, state.defaults, state.skipped, state.held, state.time_saved, state.learning, state.undrawn, running]);
}

let shown = fingerprint(JSON.parse(page.dataset.state));
const originals = new Map([...document.querySelectorAll("[data-live]")].map((section) => [section.id, section.outerHTML]));

function showProgress(running) {
  const bar = document.getElementById("bar");
  if (!bar || !running) return;
  if (running.total) { bar.max = running.total; bar.value = running.done; } else { bar.removeAttribute("value"); }
  const step = document.querySelector("[data-step]");
  const text = running.step || "starting";
  if (step.textContent !== text) document.getElementById("spoken").textContent = text;  // read out once a step, not at every figure
  step.textContent = text;
  document.querySelector("[data-part]").textContent = running.total ? `${running.done} of ${running.total}` : "";
  const left = running.seconds_left;
  document.querySelector("[data-left]").textContent = left === null || left === undefined ? "" : `· about ${duration(left)} left in this step`;
}

function duration(seconds) {
  if (seconds < 100) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const renewed = new Map();  // dialogs as they are now, which take their places when they are opened next: an open one stays as it is

async function look(where, kind) {
  const answer = await fetch(where, { headers: { Accept: kind }, signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.status === 401) throw new Error("this page is not signed in any more; reload it and give the password again");
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).message || `the service answers with ${answer.status}`);
  return answer;
}

async function refresh() {
  const answer = await look(address, "text/html");
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement && document.activeElement.id;
  for (const section of fresh.querySelectorAll("[data-live]")) {
    if (originals.get(section.id) === section.outerHTML) continue;
    originals.set(section.id, section.outerHTML);
    const old = document.getElementById(section.id);
    for (const details of old.querySelectorAll("details[open]")) {
      const again = section.querySelector(`#${details.id}`);
      if (again) again.open = true;
    }
    old.replaceWith(section);
    localTimes(section);
    heatmaps(section);
  }
  for (const dialog of fresh.querySelectorAll("dialog")) renewed.set(dialog.id, dialog);
  document.title = fresh.title;
  document.querySelector("meta[name=csrf-token]").content = fresh.querySelector("meta[name=csrf-token]").content;
  if (focused && document.activeElement.id !== focused) document.getElementById(focused)?.focus();
}

let timer = setTimeout(follow, BUSY_MS);
let seen = new Date(), failures = 0;
const away = document.getElementById("away");

async function follow() {
  let pause = IDLE_MS;
  try {
    if (!document.hidden) {
      const state = await (await look(`${address}/status`, "application/json")).json();
      const found = fingerprint(state);
      if (found !== shown) { await refresh(); shown = found; }
      showProgress(state.running);
      seen = new Date();
      failures = 0;
      away.hidden = true;
      pause = state.running || state.waiting.length ? BUSY_MS : IDLE_MS;
    }
  } catch (error) {
    pause = AWAY_MS;  // the service restarts, or the network is away; the page stays as it is
    if (++failures > 1) {
      const since = seen.toLocaleTimeString(undefined, { timeStyle: "short" });
      const why = error instanceof TypeError || error.name === "TimeoutError" ? "the service does not answer" : error.message;
      const text = `Not connected since ${since}; trying again. What is shown is from then (${why}).`;
      if (away.textContent !== text) away.textContent = text;  // read out once
      away.hidden = false;
    }
  }
  clearTimeout(timer);
  timer = setTimeout(follow, pause);
}

// ---- actions: asked, sent, and followed to their end ----
const outcome = document.getElementById("outcome");
let asked = 0;

function tell(text, kind) {
  outcome.hidden = false;
  outcome.className = `outcome ${kind}`;
  const line = document.createElement("span");
  line.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button quiet small";
  close.textContent = "Close";
  close.addEventListener("click", () => { outcome.hidden = true; });
  outcome.replaceChildren(line, close);
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (!opener) return;
  const name = `dialog-${opener.dataset.dialog}`;
  if (renewed.has(name)) document.getElementById(name).replaceWith(renewed.get(name));
  renewed.delete(name);
  const dialog = document.getElementById(name);
  dialog.querySelector("form").reset();
  if (opener.dataset.version) {
    dialog.querySelector("[name=version]").value = opener.dataset.version;
    dialog.querySelector("[data-version-name]").textContent = opener.dataset.version;
    dialog.querySelector("h2").textContent = `${opener.textContent} to ${opener.dataset.version}?`;
  }
  // The opener may be renewed meanwhile, and the focus with it.
  dialog.addEventListener("close", () => { if (!opener.isConnected) document.getElementById(opener.id)?.focus(); }, { once: true });
  dialog.showModal();
});

document.addEventListener("submit", (event) => {
  if (event.submitter && event.submitter.value === "yes") act(event.target);
});
// Enter in a field means the button that acts, not the first one.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("dialog input, dialog select")) return;
  event.preventDefault();
  event.target.form.requestSubmit(event.target.form.querySelector("[value=yes]"));
});

async function act(form) {
  const mine = ++asked;
  const body = {};
  for (const [name, value] of new FormData(form)) {
    if (value !== "") body[name] = name === "budget" ? Number(value) : value;
  }
  tell("Sending …", "");
  try {
    const token = document.querySelector("meta[name=csrf-token]").content;
    const answer = await fetch(whole(form.dataset.action), {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": token },
      body: JSON.stringify(body),
    });
    const content = await answer.json();
    if (!answer.ok) { tell(content.message || `Refused (${answer.status}).`, "failed"); return; }
    follow();
    if (content.jobs) { tell(content.jobs.length ? form.dataset.done : "Nothing was running or waiting.", "finished"); return; }
    tell(form.dataset.done, "");
    watch(content.job, form.dataset.done, mine);
  } catch (error) {
    tell("The service does not answer; nothing is known to have changed. Try again in a moment.", "failed");
  }
}

async function watch(job, text, mine) {
  const words = { finished: "Done", failed: "Failed", cancelled: "Cancelled" };
  while (mine === asked) {
    try {
      const answer = await fetch(`${address}/jobs/${encodeURIComponent(job)}`, { headers: { Accept: "application/json" } });
      const look = await answer.json();
      if (mine !== asked) return;
      if (answer.status === 404) { tell(look.message, "failed"); return; }
      if (words[look.state]) {
        tell(`${words[look.state]}${look.message ? `: ${look.message}` : "."}`, look.state);
        shown = "";  // what it has made may stand in no figure of the state
        follow();
        return;
      }
      if (answer.ok) tell(`${text} ${look.state === "queued" ? "It waits for a worker." : "It is running."}`, "");
    } catch (error) {
      // the service restarts; the job goes on
    }
    await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
  }
}

// ---- the map of the similarity ----
function heatmaps(root) {
  for (const element of root.querySelectorAll("[data-heatmap]")) drawHeatmap(element);
}

async function drawHeatmap(element) {
  const cell = element.querySelector(".cell");
  let map;
  try {
    const answer = await fetch(whole(element.dataset.heatmap));
    map = await answer.json();
    if (!answer.ok) throw new Error(map.message);
  } catch (error) {
    cell.textContent = `The map cannot be shown: ${error.message}`;
    return;
  }
  const size = map.groups.length, grouped = map.low !== undefined;
  const canvas = element.querySelector("canvas"), context = canvas.getContext("2d");
  const trained = new Set(map.trained), labelled = new Set(map.labelled);
  let cursor = null;

  const call = (task) => (map.names || {})[task] || `task ${task}`;
  const name = (group) => group.slice(0, 3).map(call).join(", ") + (group.length > 3 ? ` and ${group.length - 3} more` : "");
  const hundredths = (value) => (value / 100).toFixed(2);

  function say() {
    const [row, column] = cursor;
    const from = map.groups[row], to = map.groups[column];
    if (row === column && !grouped) { cell.textContent = `${name(from)} with itself: 1 by definition.`; return; }
    let text = `Trained on ${name(from)}, predicts ${name(to)}: ${hundredths(map.values[row][column])}`;
    if (grouped) text += `, the mean over their pairs (${hundredths(map.low[row][column])} to ${hundredths(map.high[row][column])})`;
    else if (trained.has(from[0])) text += " (measured)";
    else if (trained.has(to[0])) text += " (measured in the other direction)";
    else text += " (estimated by way of a third image)";
    cell.textContent = `${text}.`;
  }

  function colours() {
    const style = getComputedStyle(document.documentElement);
    return [0, 1, 2, 3, 4].map((stop) => [1, 3, 5].map((at) => parseInt(style.getPropertyValue(`--ramp-${stop}`).trim().slice(at, at + 2), 16)));
  }

  function paint() {
    const width = canvas.clientWidth, scale = window.devicePixelRatio || 1;
    const style = getComputedStyle(document.documentElement), stops = colours();
    const margin = size > 1 ? Math.min(56, 14 + 8 * Math.max(...map.groups.map((group) => group[0].length))) : 40;
    const step = (width - margin) / size;
    canvas.style.height = `${width}px`;
    canvas.width = canvas.height = Math.round(width * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const at = Math.min(map.values[row][column] / 25, 3.9999), low = Math.floor(at), part = at - low;
        const mixed = stops[low].map((value, index) => Math.round(value + (stops[low + 1][index] - value) * part));
        context.fillStyle = `rgb(${mixed.join(" ")})`;
        // Whole device pixels, so that no seams show between cells.
        const x = Math.round((margin + column * step) * scale) / scale, y = Math.round((margin + row * step) * scale) / scale;
        const right = Math.round((margin + (column + 1) * step) * scale) / scale, bottom = Math.round((margin + (row + 1) * step) * scale) / scale;
        context.fillRect(x, y, right - x, bottom - y);
      }
    }
    const font = getComputedStyle(document.body).fontFamily;
    context.textBaseline = "middle";
    const every = Math.max(1, Math.ceil(13 / step));
    for (let index = 0; index < size; index += every) {
      const group = map.groups[index], centre = margin + (index + 0.5) * step;
      context.font = `${group.some((id) => trained.has(id)) ? "700 " : ""}11px ${font}`;
      context.fillStyle = style.getPropertyValue(group.some((id) => labelled.has(id)) ? "--accent" : "--muted");
      const label = group.length > 1 ? `${group[0]}…` : group[0];
      context.textAlign = "right";
      context.fillText(label, margin - 6, centre, margin - 8);
      context.save();
      context.translate(centre, margin - 6);
      context.rotate(-Math.PI / 2);
      context.textAlign = "left";
      context.fillText(label, 0, 0, margin - 8);
      context.restore();
    }
    if (cursor) {
      context.strokeStyle = style.getPropertyValue("--cursor");
      context.lineWidth = 2;
      const side = Math.max(step, 4);
      context.strokeRect(margin + cursor[1] * step - (side - step) / 2, margin + cursor[0] * step - (side - step) / 2, side, side);
    }
    canvas.dataset.margin = margin;
  }

  function move(row, column) {
    cursor = [Math.max(0, Math.min(size - 1, row)), Math.max(0, Math.min(size - 1, column))];
    say();
    paint();
  }

  canvas.addEventListener("pointermove", (event) => point(event));
  canvas.addEventListener("pointerdown", (event) => point(event));
  function point(event) {
    const box = canvas.getBoundingClientRect(), margin = Number(canvas.dataset.margin), step = (box.width - margin) / size;
    const row = Math.floor((event.clientY - box.top - margin) / step), column = Math.floor((event.clientX - box.left - margin) / step);
    if (row >= 0 && column >= 0 && row < size && column < size && (!cursor || cursor[0] !== row || cursor[1] !== column)) move(row, column);
  }
  canvas.addEventListener("focus", () => { if (!cursor && canvas.matches(":focus-visible")) move(0, Math.min(1, size - 1)); });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!way) return;
    event.preventDefault();
    const [row, column] = cursor || [0, 0];
    move(row + way[0], column + way[1]);
  });

  const groupSize = map.groups[0].length;
  element.querySelector("[data-heatmap-note]").textContent =
    (grouped ? `${map.count} images are too many to show one by one: each row and column is a group of about ${groupSize} images alike, each cell the mean over their pairs. ` : "") +
    `Bold: a network was trained on ${grouped ? "one of them" : "the image"} alone, so the row is measured; the rest is estimated. Coloured: ${grouped ? "one is" : ""} labelled. ` +
    "Where the strategy trusts some masks less, its discount is included.";
  paint();
  new ResizeObserver(paint).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

localTimes(document);
heatmaps(document);
document.addEventListener("visibilitychange", () => { if (!document.hidden) follow(); });
