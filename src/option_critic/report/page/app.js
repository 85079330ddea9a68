"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const GROUP_DASH = ["solid", "dash", "dot", "dashdot"], GROUPS = ["#0b6e99", "#c26a00", "#7a4fa3", "#3d7a2a", "#a33b4b", "#5b6570"];
const now = { run: 0, evaluation: 0, episode: 0, step: 0, whole: false, playing: false };

/* ---- look ---- */
function layout(title, more = {}) {
  const axis = { gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--line"), automargin: true };
  const merged = { ...more, xaxis: { ...axis, ...(more.xaxis || {}) }, yaxis: { ...axis, ...(more.yaxis || {}) } };
  return { title: { text: title, font: { size: 15 }, x: 0, xref: "paper", xanchor: "left" }, height: 300,
    margin: { l: 48, r: 12, t: 40, b: 40 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: css("--fg"), size: 12, family: "system-ui, DejaVu Sans, sans-serif" },
    hoverlabel: { bgcolor: css("--panel"), bordercolor: css("--line"), font: { color: css("--fg") } },
    legend: { orientation: "h", traceorder: "normal", yref: "container", y: 0, yanchor: "bottom" }, ...merged };
}
const OPTIONS = { responsive: true, displayModeBar: false, displaylogo: false };
const draw = (id, traces, lay) => Plotly.react($(id), traces, lay, OPTIONS);
function nothing(id, why) { Plotly.purge($(id)); $(id).innerHTML = ""; const p = document.createElement("p"); p.className = "note"; p.textContent = why; $(id).append(p); $(id).style.minHeight = 0; }
const pale = (hex, alpha) => `rgba(${[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(",")},${alpha})`;

/* ---- charts that need no choice ---- */
function drawCurves() {
  const first = Object.keys(DATA.curves.success).length ? ["success", "success in training, last 128 episodes"] : ["length", "steps of an episode in training"];
  for (const [where, [name, label]] of Object.entries({ first, second: ["return", "return of an episode in training"] })) {
    const found = Object.entries(DATA.curves[name]), traces = [];
    if (!found.length) { nothing("curve-" + where, "Nothing was logged."); continue; }
    found.forEach(([group, c], g) => {
      const colour = GROUPS[g % GROUPS.length], legendgroup = group, base = { hoverinfo: "skip", showlegend: false, legendgroup };
      if (Object.keys(c.seeds).length > 1) {
        traces.push({ ...base, x: c.steps, y: c.low, mode: "lines", line: { width: 0 } });
        traces.push({ ...base, x: c.steps, y: c.high, mode: "lines", line: { width: 0 }, fill: "tonexty", fillcolor: pale(colour, 0.16) });
        for (const y of Object.values(c.seeds)) traces.push({ ...base, x: c.steps, y, mode: "lines", line: { width: 1, color: pale(colour, 0.45) } });
      }
      traces.push({ x: c.steps, y: c.median, mode: "lines", name: group, legendgroup, line: { width: 3, color: colour, dash: GROUP_DASH[g % 4] } });
    });
    draw("curve-" + where, traces, layout(label, { xaxis: { title: { text: "environment steps" } }, yaxis: name === "success" ? { range: [-0.02, 1.03] } : {}, showlegend: found.length > 1, margin: { l: 48, r: 12, t: 40, b: 60 } }));
  }
}
function drawRooms() {
  if (!DATA.rooms) return;
  const host = $("room-maps"); host.innerHTML = "";
  for (const room of DATA.rooms) {
    const head = document.createElement("h3"); head.textContent = room.run; host.append(head);
    const div = document.createElement("div"); host.append(div);
    const kinds = ["occupancy", "termination", "initiation"].filter((what) => room[what].length), K = room.options.length, traces = [], annotations = [], shapes = [], lay = { grid: { rows: kinds.length, columns: K, pattern: "independent", xgap: 0.06, ygap: 0.12 } };
    kinds.forEach((what, r) => room.options.forEach((name, k) => {
      const n = r * K + k + 1, suffix = n === 1 ? "" : n;
      traces.push({ type: "heatmap", z: room[what][k], zmin: 0, zmax: 1, xaxis: "x" + suffix, yaxis: "y" + suffix, showscale: false,
        colorscale: [[0, css("--panel")], [1, room.colours[k]]], hoverongaps: false, hovertemplate: `${name}, ${what} %{z:.2f}<extra></extra>` });
      traces.push({ x: [room.goal[1]], y: [room.goal[0]], mode: "markers", marker: { symbol: "star", size: 11, color: css("--fg") }, xaxis: "x" + suffix, yaxis: "y" + suffix, showlegend: false, hovertemplate: "goal<extra></extra>" });
      lay["xaxis" + suffix] = { visible: false, constrain: "domain" };
      lay["yaxis" + suffix] = { visible: false, autorange: "reversed", scaleanchor: "x" + suffix };
      annotations.push({ text: r === 0 ? `<b>${name}</b><br>${what}` : what, xref: `x${suffix} domain`, yref: `y${suffix} domain`, x: 0.5, y: 1.02, yanchor: "bottom", showarrow: false });
    }));
    const base = layout("", {});
    Plotly.newPlot(div, traces, { ...base, ...lay, annotations, shapes, showlegend: false, height: 760, margin: { l: 8, r: 8, t: 50, b: 8 } }, OPTIONS);
  }
}

/* ---- the run that is chosen ---- */
const run = () => DATA.runs[now.run];
const evaluation = () => run().evaluations[now.evaluation];
function drawRun() {
  const t = run().training, names = run().options;
  if (!t) { for (const id of ["shares", "durations", "ends"]) nothing(id, "Nothing was logged."); return; }
  const x = { title: { text: "environment steps" } };
  draw("shares", names.map((name, k) => ({ x: t.steps, y: t.shares[name], name, stackgroup: "one", mode: "lines", line: { width: 0.5, color: run().colours[k] }, fillcolor: pale(run().colours[k], 0.8) })),
    layout("share of the steps", { xaxis: x, yaxis: { range: [0, 1] }, showlegend: true, margin: { l: 48, r: 12, t: 40, b: 60 } }));
  const line = (y, name, dash) => ({ x: t.steps, y, name, mode: "lines", line: { color: css("--fg"), width: 1.8, dash } });
  draw("durations", [line(t.duration, "steps")], layout("steps between changes of option", { xaxis: x, yaxis: { rangemode: "tozero" }, showlegend: false }));
  draw("ends", [line(t.ends, "learned ends a step", "solid"), line(t.forced, "forced ends a step", "dot"), line(t.entropy, "entropy of a choice (nats)", "dash")],
    layout("ends and choices", { xaxis: x, yaxis: { rangemode: "tozero" }, margin: { l: 48, r: 12, t: 40, b: 60 } }));
}
function drawEvaluation() {
  const e = evaluation(), names = run().options;
  if (!e || !e.lengths) nothing("lengths", "No trace of an evaluation is at hand.");
  else {
    const most = Math.max(1, ...Object.values(e.lengths).flatMap((l) => [...l.ended, ...l.cut])), xbins = { start: 0.5, end: most + 0.5, size: Math.max(1, Math.ceil(most / 40)) };
    const traces = names.flatMap((name, k) => [
      { type: "histogram", x: e.lengths[name].ended, name, xbins, marker: { color: run().colours[k] } },
      { type: "histogram", x: e.lengths[name].cut, name: name + ", cut short", xbins, marker: { color: pale(run().colours[k], 0.35) } }]).filter((t) => t.x.length);
    draw("lengths", traces, layout("", { barmode: "stack", xaxis: { title: { text: "steps" } }, yaxis: { title: { text: "runs" } }, margin: { l: 48, r: 12, t: 12, b: 70 } }));
  }
  if (!e || !e.goals) { nothing("goals", "This task has no goals that lie somewhere."); return; }
  const side = (list, name, symbol, colour) => ({ x: list.map((g) => g.x), y: list.map((g) => g.y), customdata: list.map((g) => g.number), name: `${name}: ${list.length}`, mode: "markers", text: list.map((g) => `episode ${g.number}, height ${g.z.toFixed(0)} cm`),
    hovertemplate: "%{text}<extra></extra>", marker: { symbol, color: colour, size: list.map((g) => 7 + Math.max(0, g.z) / 3), line: { width: 1, color: css("--bg") } } });
  const kinds = [["reached and held", "circle", css("--good"), (g) => g.any && g.held], ["reached, not held", "diamond", "#e69f00", (g) => g.any && !g.held], ["missed", "x", css("--bad"), (g) => !g.any]];
  draw("goals", kinds.map(([name, symbol, colour, fits]) => side(e.goals.filter(fits), name, symbol, colour)),
    layout("goals from above (larger: higher)", { height: 360, xaxis: { title: { text: "x (cm)" } }, yaxis: { title: { text: "y (cm)" }, scaleanchor: "x" }, margin: { l: 56, r: 12, t: 40, b: 70 } }));
  $("goals").removeAllListeners && $("goals").removeAllListeners("plotly_click");
  $("goals").on("plotly_click", (click) => { const i = e.episodes.findIndex((x) => x.number === click.points[0].customdata); if (i >= 0) { choose(i); $("stage").scrollIntoView({ block: "center" }); } });
}

/* ---- one episode ---- */
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
function unpack(e) {
  if (e.unpacked) return e.unpacked;
  const two = (name) => { if (!e[name]) return null; const [low, high] = e.scale[name], raw = new Uint16Array(bytes(e[name]).buffer); return Float32Array.from(raw, (v) => low + (high - low) * v / 65535); };
  return (e.unpacked = { option: bytes(e.option), flags: bytes(e.flags), beta: Float32Array.from(bytes(e.beta), (v) => v / 255), q: two("q"), reward: two("reward"), distance: two("distance") });
}
function episode() {
  const e = evaluation(), all = unpack(e), n = e.episodes[now.episode].steps;
  const start = e.episodes.slice(0, now.episode).reduce((sum, x) => sum + x.steps, 0), cut = (x, k = 1) => x && x.subarray(start * k, (start + n) * k);
  return { n, ...e.episodes[now.episode], option: cut(all.option), flags: cut(all.flags), beta: cut(all.beta), q: cut(all.q, e.K), reward: cut(all.reward), distance: cut(all.distance) };
}
const BIT = { ended: 1, forced: 2, near: 4, grasped: 8, lifted: 16, success: 32 };
const shown = (ep) => (now.whole || !ep.success ? ep.n : Math.min(ep.n, ep.success + 40));
function drawTimeline() {
  const ep = episode(), names = run().options, colours = run().colours, steps = Array.from({ length: ep.n }, (_, i) => i + 1), traces = [];
  const bars = names.map(() => ({ base: [], x: [], text: [] }));
  for (let t = 0; t < ep.n;) {
    let end = t + 1;
    while (end < ep.n && ep.option[end] === ep.option[t]) end++;
    const why = end === ep.n ? "the episode ended" : ep.flags[end] & BIT.forced ? "ended by force" : "ended by learning", bar = bars[ep.option[t]];
    bar.base.push(t + 0.5); bar.x.push(end - t); bar.text.push(`<b>${names[ep.option[t]]}</b>, steps ${t + 1} to ${end}<br>${why}`);
    t = end;
  }
  bars.forEach((bar, k) => traces.push({ type: "bar", orientation: "h", base: bar.base, x: bar.x, y: bar.x.map(() => 0), width: 1, name: names[k], hovertext: bar.text, hoverinfo: "text", marker: { color: colours[k] }, showlegend: false }));
  const at = (bit, not = 0) => steps.filter((s) => ep.flags[s - 1] & bit && !(ep.flags[s - 1] & not));
  const ends = (list, symbol, name) => ({ x: list.map((s) => s - 0.5), y: list.map(() => 0.72), mode: "markers", name, hovertemplate: name + ", step %{x:.0f}<extra></extra>", marker: { symbol, size: 9, color: css("--fg") }, showlegend: false });
  traces.push(ends(at(BIT.ended, BIT.forced), "triangle-down", "learned end"), ends(at(BIT.forced), "x", "forced end"));
  const line = (y, axis, name, colour, width = 1.8) => ({ x: steps, y: Array.from(y), yaxis: axis, mode: "lines", name, line: { color: colour, width }, hovertemplate: `step %{x}: ${name} %{y:.3g}<extra></extra>`, showlegend: false });
  traces.push(line(Array.from(ep.beta, (b, t) => (t ? b : null)), "y2", "termination", css("--fg")));
  names.forEach((name, k) => traces.push(line(steps.map((s) => ep.q[(s - 1) * names.length + k]), "y3", "value of " + name, colours[k])));
  traces.push(line(ep.reward, "y4", "reward", css("--fg")));
  if (ep.distance) traces.push(line(Array.from(ep.distance, (d) => 100 * d), "y5", "distance (cm)", css("--fg")));
  const rows = [["option", [0.88, 1]], ["termination", [0.68, 0.84]], ["values", [0.46, 0.64]], ["reward", ep.distance ? [0.23, 0.42] : [0, 0.42]], ["distance (cm)", [0, 0.19]]].slice(0, ep.distance ? 5 : 4);
  const lay = layout("", { height: 520, barmode: "overlay", hovermode: "closest", margin: { l: 52, r: 8, t: 46, b: 34 },
    xaxis: { range: [0.5, shown(ep) + 0.5], title: { text: "step" }, anchor: "y" + (rows.length === 1 ? "" : rows.length) }, shapes: [], annotations: [] });
  rows.forEach(([name, domain], i) => {
    const key = "yaxis" + (i ? i + 1 : "");
    lay[key] = { ...layout("").yaxis, domain, nticks: 4, fixedrange: true, ...(i === 0 ? { range: [-0.55, 0.95], showticklabels: false, showgrid: false, zeroline: false } : {}), ...(i === 1 ? { range: [-0.05, 1.05] } : {}), ...(i === 4 ? { rangemode: "tozero" } : {}) };
    lay.annotations.push({ text: name, xref: "paper", yref: "paper", x: 0, y: domain[1], xanchor: "left", yanchor: "bottom", showarrow: false, font: { size: 11, color: css("--soft") } });
  });
  const marks = ["near", "grasped", "lifted", "success"].map((name) => [name, at(BIT[name])[0]]).filter(([, s]) => s && s <= shown(ep)).sort((a, b) => a[1] - b[1]);
  marks.forEach(([name, s], i) => {
    lay.shapes.push({ type: "line", xref: "x", yref: "paper", x0: s, x1: s, y0: 0, y1: 1, line: { color: css("--soft"), width: 1, dash: "dot" } });
    lay.annotations.push({ text: name, xref: "x", yref: "paper", x: s, y: 1, yanchor: "bottom", yshift: 4 + 13 * (i % 3), showarrow: false, font: { size: 11 } });
  });
  draw("timeline", traces, lay).then(() => moveTo(now.step, false));
  const host = $("timeline");
  host.onclick = (event) => {
    const axis = host._fullLayout.xaxis, box = host.getBoundingClientRect();
    moveTo(Math.round(axis.p2d(event.clientX - box.left - host._fullLayout.margin.l)) - 1, true);
  };
}
function moveTo(step, seek) {
  const ep = episode(), host = $("timeline");
  now.step = Math.max(0, Math.min(ep.n - 1, step));
  const full = host._fullLayout, x = full.xaxis.d2p(now.step + 1) + full.margin.l;
  const cursor = $("cursor"), outside = x < full.margin.l - 1 || x > full.width - full.margin.r + 1;
  Object.assign(cursor.style, { left: x - 1 + "px", top: full.margin.t - 10 + "px", height: full.height - full.margin.t - full.margin.b + 10 + "px", display: outside ? "none" : "block" });
  const t = now.step, f = ep.flags[t], name = run().options[ep.option[t]];
  const why = f & BIT.forced ? "; an option ended here by force" : f & BIT.ended ? "; an option ended here by learning" : "";
  $("readout").innerHTML = `<i style="background:${run().colours[ep.option[t]]}"></i>`;
  $("readout").append(`step ${t + 1} of ${ep.n}: ${name}, termination ${ep.beta[t].toFixed(2)}, reward ${ep.reward[t].toFixed(2)}${ep.distance ? `, ${(100 * ep.distance[t]).toFixed(1)} cm from the goal` : ""}${why}`);
  const slider = $("line"); slider.setAttribute("aria-valuenow", t + 1); slider.setAttribute("aria-valuemax", ep.n); slider.setAttribute("aria-valuetext", `step ${t + 1}, ${name}`);
  const video = $("video");
  if (seek && film()) video.currentTime = Math.min((t + 0.5) / film().fps, Math.max(0, film().frames - 0.5) / film().fps);
}
const film = () => evaluation()?.videos?.[evaluation().episodes[now.episode].number];
function choose(i) {
  const e = evaluation();
  if (!e || !e.episodes.length) { stop(); $("list").innerHTML = ""; nothing("timeline", "No trace of an evaluation is at hand: option-critic evaluate RUN, then write this page again."); $("timeline").style.height = "auto"; $("cursor").style.display = "none"; $("readout").textContent = $("chosen").textContent = ""; $("stage").className = "alone"; $("no-video").textContent = ""; return; }
  stop();
  now.episode = Math.max(0, Math.min(e.episodes.length - 1, i)); now.step = 0;
  const ep = e.episodes[now.episode], video = $("video"), source = film();
  [...$("list").children].forEach((b, j) => b.setAttribute("aria-pressed", String(j === now.episode)));
  $("chosen").textContent = `Episode ${ep.number} of ${e.total}: ` + (ep.success ? `first success at step ${ep.success}${ep.held === false ? ", not held to the end" : ""}` : ep.held === undefined || ep.held === null ? `${ep.steps} steps` : "no success") + `, return ${ep.return.toLocaleString("en")}.`;
  $("stage").className = source ? "" : "alone";
  if (source) { if (video.getAttribute("src") !== source.src) video.src = source.src; video.currentTime = 0.5 / source.fps; } else { video.removeAttribute("src"); video.load(); }
  const filmed = Object.keys(e.videos || {});
  $("no-video").textContent = source ? source.note : filmed.length ? `No video of this episode; there are some of ${filmed.join(", ")}.` : "This run has no video: option-critic report RUN --videos.";
  $("timeline").style.height = ""; drawTimeline();
}
function stop() { now.playing = false; $("video").pause(); $("play").textContent = "play"; }
function toggle() {
  if (now.playing) { stop(); return; }
  const ep = episode(), source = film(), last = source ? source.frames : shown(ep);
  if (now.step >= last - 1) moveTo(0, true);
  now.playing = true; $("play").textContent = "pause";
  const begin = performance.now(), from = now.step;
  if (source) $("video").play().catch(stop);
  const tick = () => {
    if (!now.playing) return;
    const step = source ? Math.floor($("video").currentTime * source.fps + 1e-3) : from + Math.floor((performance.now() - begin) / 50);
    if (step !== now.step) moveTo(Math.min(step, last - 1), false);
    if (source ? $("video").ended : step >= last - 1) { stop(); return; }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

/* ---- choices ---- */
function fillList() {
  const e = evaluation(); $("list").innerHTML = "";
  (e ? e.episodes : []).forEach((ep, i) => {
    const b = document.createElement("button"); b.type = "button"; b.textContent = ep.number;
    const missed = ep.held !== undefined && ep.held !== null && !ep.success;
    b.className = (missed ? "missed " : "") + (e.videos && e.videos[ep.number] ? "film" : "");
    b.title = `episode ${ep.number}: ` + (ep.success ? `success at step ${ep.success}` : missed ? "no success" : `return ${ep.return}`);
    b.setAttribute("aria-label", b.title); b.onclick = () => choose(i); $("list").append(b);
  });
  $("legend").innerHTML = "";
  run().options.forEach((name, k) => { const s = document.createElement("span"), c = document.createElement("i"); c.style.background = run().colours[k]; s.append(c, name); $("legend").append(s); });
  for (const text of ["\u25BC learned end", "\u2715 forced end", ...(e && e.videos && Object.keys(e.videos).length ? ["\u25B6 with video"] : [])]) { const b = document.createElement("b"); b.textContent = text; $("legend").append(b); }
}
function best(e) { if (!e) return 0; const filmed = e.episodes.findIndex((x) => e.videos && e.videos[x.number] && e.videos[x.number].why === "median"); return filmed >= 0 ? filmed : 0; }
function chooseEvaluation(i) { now.evaluation = i; fillList(); drawEvaluation(); choose(best(evaluation())); }
function chooseRun(i) {
  now.run = i; const s = $("evaluation"); s.innerHTML = "";
  run().evaluations.forEach((e, j) => { const o = new Option(e.title + (e.total > e.episodes.length ? ` (${e.episodes.length} of ${e.total} shown)` : ""), j); s.append(o); });
  s.disabled = !run().evaluations.length; drawRun(); chooseEvaluation(0);
}
function everything() { drawCurves(); drawRooms(); drawRun(); drawEvaluation(); if (evaluation() && evaluation().episodes.length) drawTimeline(); }
$("line").addEventListener("keydown", (event) => {
  if (!evaluation() || !evaluation().episodes.length) return;
  const size = event.shiftKey ? 10 : 1, moves = { ArrowLeft: () => moveTo(now.step - size, true), ArrowRight: () => moveTo(now.step + size, true), Home: () => moveTo(0, true), End: () => moveTo(1e9, true),
    ArrowUp: () => choose(now.episode - 1), ArrowDown: () => choose(now.episode + 1), " ": toggle };
  if (moves[event.key]) { event.preventDefault(); if (event.key !== " ") stop(); moves[event.key](); }
});
$("play").onclick = () => { if (evaluation() && evaluation().episodes.length) toggle(); };
$("whole").onclick = () => { now.whole = !now.whole; $("whole").setAttribute("aria-pressed", String(now.whole)); if (evaluation() && evaluation().episodes.length) drawTimeline(); };
$("run").onchange = (event) => chooseRun(+event.target.value);
$("evaluation").onchange = (event) => chooseEvaluation(+event.target.value);
const setTheme = (dark) => { document.documentElement.dataset.theme = dark ? "dark" : "light"; };
setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
$("theme").onclick = () => { setTheme(document.documentElement.dataset.theme !== "dark"); everything(); };
addEventListener("resize", () => { if (evaluation() && evaluation().episodes.length && $("timeline")._fullLayout) setTimeout(() => moveTo(now.step, false), 200); });
DATA.runs.forEach((r, i) => $("run").append(new Option(r.label, i)));
drawCurves(); drawRooms(); chooseRun(0);
document.body.dataset.ready = "yes";
