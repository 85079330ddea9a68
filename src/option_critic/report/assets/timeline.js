/* ---- one episode: its steps, and the timeline of them ---- */
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
function unpack(e) {
  if (e.unpacked) return e.unpacked;
  const two = (name) => {
    if (!e[name]) return null;
    const [low, high] = e.scale[name],
      raw = new Uint16Array(bytes(e[name]).buffer);
    return Float32Array.from(raw, (v) => low + ((high - low) * v) / 65535);
  };
  return (e.unpacked = {
    option: e.K > 256 ? new Uint16Array(bytes(e.option).buffer) : bytes(e.option),
    flags: bytes(e.flags),
    beta: Float32Array.from(bytes(e.beta), (v) => v / 255),
    q: two("q"),
    reward: two("reward"),
    distance: two("distance"),
  });
}
function episode() {
  const e = evaluation(),
    all = unpack(e),
    n = e.episodes[now.episode].steps;
  const start = e.episodes.slice(0, now.episode).reduce((sum, x) => sum + x.steps, 0),
    cut = (x, k = 1) => x && x.subarray(start * k, (start + n) * k);
  return {
    n,
    ...e.episodes[now.episode],
    option: cut(all.option),
    flags: cut(all.flags),
    beta: cut(all.beta),
    q: cut(all.q, e.K),
    reward: cut(all.reward),
    distance: e.episodes[now.episode].far ? cut(all.distance) : null,
  };
}
const BIT = { ended: 1, forced: 2, near: 4, grasped: 8, lifted: 16, success: 32, decided: 64 };
const shown = (ep) => (now.whole || !ep.success ? ep.n : Math.min(ep.n, ep.success + 40));
const stepsOf = (ep) => Array.from({ length: ep.n }, (_, i) => i + 1);
const marked = (ep, bit, not = 0) => stepsOf(ep).filter((s) => ep.flags[s - 1] & bit && !(ep.flags[s - 1] & not));

/* The running option as bars, a trace each. */
function optionStrip(ep) {
  const { labels, colours } = run();
  const bars = labels.map((name, k) => ({
    type: "bar",
    orientation: "h",
    base: [],
    x: [],
    y: [],
    width: 1,
    name,
    hovertext: [],
    hoverinfo: "text",
    marker: { color: colours[k] },
    showlegend: false,
  }));
  for (let t = 0; t < ep.n;) {
    let end = t + 1;
    while (end < ep.n && ep.option[end] === ep.option[t]) end++;
    const learned = ep.flags[end] & BIT.forced ? "ended by force" : "ended by learning";
    const bar = bars[ep.option[t]];
    bar.base.push(t + 0.5);
    bar.x.push(end - t);
    bar.y.push(0);
    const why = end === ep.n ? "the episode ended" : learned;
    bar.hovertext.push(`<b>${bar.name}</b>, steps ${t + 1} to ${end}<br>${why}`);
    t = end;
  }
  return bars;
}

/* Learned and forced ends, above the strip. */
function endMarks(ep) {
  const ends = (steps, symbol, name) => ({
    x: steps.map((s) => s - 0.5),
    y: steps.map(() => 0.72),
    mode: "markers",
    name,
    hovertemplate: name + ", step %{x:.0f}<extra></extra>",
    marker: { symbol, size: 9, color: css("--fg") },
    showlegend: false,
  });
  return [
    ends(marked(ep, BIT.ended, BIT.forced), "triangle-down", "learned end"),
    ends(marked(ep, BIT.forced), "x", "forced end"),
  ];
}

/* Termination, values, reward and distance under the strip. */
function signals(ep) {
  const x = stepsOf(ep);
  const { labels, colours } = run();
  const line = (y, yaxis, name, color) => ({
    x,
    y: Array.from(y),
    yaxis,
    mode: "lines",
    name,
    line: { color, width: 1.8 },
    hovertemplate: `step %{x}: ${name} %{y:.3g}<extra></extra>`,
    showlegend: false,
  });
  const asked = marked(ep, BIT.decided).filter((s) => s > 1); // an episode's first step ends nothing
  const value = (k) => x.map((s) => ep.q[(s - 1) * labels.length + k]);
  const termination = asked.map((s) => ep.beta[s - 1]);
  const found = [{ ...line(termination, "y2", "termination", css("--fg")), x: asked }];
  labels.forEach((name, k) => found.push(line(value(k), "y3", "value of " + name, colours[k])));
  found.push(line(ep.reward, "y4", "reward", css("--fg")));
  if (ep.distance)
    found.push(
      line(
        ep.distance.map((d) => 100 * d),
        "y5",
        "distance (cm)",
        css("--fg"),
      ),
    );
  return found;
}

/* Rows below each other on one axis, each with its name. */
function timelineRows(ep) {
  const rows = [
    ["option", [0.88, 1], { range: [-0.55, 0.95], showticklabels: false, showgrid: false, zeroline: false }],
    ["termination", [0.68, 0.84], { range: [-0.05, 1.05] }],
    ["values", [0.46, 0.64], {}],
    ["reward", ep.distance ? [0.23, 0.42] : [0, 0.42], {}],
    ["distance (cm)", [0, 0.19], { rangemode: "tozero" }],
  ].slice(0, ep.distance ? 5 : 4);
  const lay = layout("", {
    height: 520,
    barmode: "overlay",
    hovermode: "closest",
    margin: { l: 52, r: 8, t: 46, b: 34 },
    xaxis: { range: [0.5, shown(ep) + 0.5], title: { text: "step" }, anchor: "y" + rows.length },
    shapes: [],
    annotations: [],
  });
  rows.forEach(([text, domain, own], i) => {
    lay["yaxis" + (i ? i + 1 : "")] = { ...layout("").yaxis, domain, nticks: 4, fixedrange: true, ...own };
    const font = { size: 11, color: css("--soft") };
    lay.annotations.push({ ...above("paper", 0, text, font), y: domain[1], xanchor: "left" });
  });
  return lay;
}
const above = (xref, x, text, font) => ({
  text,
  xref,
  yref: "paper",
  x,
  y: 1,
  yanchor: "bottom",
  showarrow: false,
  font,
});

/* Where a phase of the task began: a line through all rows. */
function phaseMarks(ep, lay) {
  const first = ["near", "grasped", "lifted", "success"].map((name) => [name, marked(ep, BIT[name])[0]]);
  const there = first.filter(([, s]) => s && s <= shown(ep)).sort((a, b) => a[1] - b[1]);
  there.forEach(([name, s], i) => {
    const line = { color: css("--soft"), width: 1, dash: "dot" };
    lay.shapes.push({ type: "line", xref: "x", yref: "paper", x0: s, x1: s, y0: 0, y1: 1, line });
    lay.annotations.push({ ...above("x", s, name, { size: 11 }), yshift: 4 + 13 * (i % 3) });
  });
}

function drawTimeline() {
  const ep = episode();
  const host = $("timeline");
  const lay = timelineRows(ep);
  phaseMarks(ep, lay);
  draw("timeline", [...optionStrip(ep), ...endMarks(ep), ...signals(ep)], lay).then(() => moveTo(now.step, false));
  host.onclick = (event) => {
    const full = host._fullLayout;
    const x = event.clientX - host.getBoundingClientRect().left - full.margin.l;
    moveTo(Math.round(full.xaxis.p2d(x)) - 1, true);
  };
}
