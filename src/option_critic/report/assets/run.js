/* ---- the run that is chosen ---- */
const run = () => DATA.runs[now.run];
const evaluation = () => run().evaluations[now.evaluation];
function drawRun() {
  const t = run().training,
    names = run().labels;
  if (!t) {
    for (const id of ["shares", "durations", "ends"]) nothing(id, "Nothing was logged.");
    return;
  }
  const x = { title: { text: "environment steps" } };
  draw(
    "shares",
    names.map((name, k) => ({
      x: t.steps,
      y: t.shares[k],
      name,
      stackgroup: "one",
      mode: "lines",
      line: { width: 0.5, color: run().colours[k] },
      fillcolor: pale(run().colours[k], 0.8),
    })),
    layout("share of the steps", {
      xaxis: x,
      yaxis: { range: [0, 1] },
      showlegend: true,
      margin: { l: 48, r: 12, t: 40, b: 60 },
    }),
  );
  const line = (y, name, dash) => ({
    x: t.steps,
    y,
    name,
    mode: "lines",
    line: { color: css("--fg"), width: 1.8, dash },
  });
  draw(
    "durations",
    [line(t.duration, "steps")],
    layout("steps between changes of option", { xaxis: x, yaxis: { rangemode: "tozero" }, showlegend: false }),
  );
  draw(
    "ends",
    [
      line(t.ends, "learned ends a decision", "solid"),
      line(t.forced, "forced ends a decision", "dot"),
      line(t.entropy, "entropy of a choice (nats)", "dash"),
    ],
    layout("ends and choices", { xaxis: x, yaxis: { rangemode: "tozero" }, margin: { l: 48, r: 12, t: 40, b: 60 } }),
  );
}
function drawEvaluation() {
  const e = evaluation(),
    names = run().labels;
  if (!e || !e.lengths) nothing("lengths", "No trace of an evaluation is at hand.");
  else {
    const most = e.lengths.flatMap((l) => [...l.ended, ...l.cut]).reduce((a, b) => Math.max(a, b), 1),
      xbins = { start: 0.5, end: most + 0.5, size: Math.max(1, Math.ceil(most / 40)) };
    const traces = names
      .flatMap((name, k) => [
        { type: "histogram", x: e.lengths[k].ended, name, xbins, marker: { color: run().colours[k] } },
        {
          type: "histogram",
          x: e.lengths[k].cut,
          name: name + ", cut short",
          xbins,
          marker: { color: pale(run().colours[k], 0.35) },
        },
      ])
      .filter((t) => t.x.length);
    draw(
      "lengths",
      traces,
      layout("", {
        barmode: "stack",
        xaxis: { title: { text: "steps" } },
        yaxis: { title: { text: "runs" } },
        margin: { l: 48, r: 12, t: 12, b: 70 },
      }),
    );
  }
  if (!e || !e.goals) {
    nothing("goals", "This task has no goals that lie somewhere.");
    return;
  }
  const side = (list, name, symbol, colour) => ({
    x: list.map((g) => g.x),
    y: list.map((g) => g.y),
    customdata: list.map((g) => g.number),
    name: `${name}: ${list.length}`,
    mode: "markers",
    text: list.map((g) => `${g.task && g.task + ", "}episode ${g.number}, height ${g.z.toFixed(0)} cm`),
    hovertemplate: "%{text}<extra></extra>",
    marker: {
      symbol,
      color: colour,
      size: list.map((g) => 7 + Math.max(0, g.z) / 3),
      line: { width: 1, color: css("--bg") },
    },
  });
  const kinds = [
    ["reached and held", "circle", css("--good"), (g) => g.any && g.held],
    ["reached, not held", "diamond", "#e69f00", (g) => g.any && !g.held],
    ["missed", "x", css("--bad"), (g) => !g.any],
  ];
  draw(
    "goals",
    kinds.map(([name, symbol, colour, fits]) => side(e.goals.filter(fits), name, symbol, colour)),
    layout("goals from above (larger: higher)", {
      height: 360,
      xaxis: { title: { text: "x (cm)" } },
      yaxis: { title: { text: "y (cm)" }, scaleanchor: "x" },
      margin: { l: 56, r: 12, t: 40, b: 70 },
    }),
  );
  $("goals").removeAllListeners && $("goals").removeAllListeners("plotly_click");
  $("goals").on("plotly_click", (click) => {
    const i = e.episodes.findIndex((x) => x.number === click.points[0].customdata);
    if (i >= 0) {
      choose(i);
      $("stage").scrollIntoView({ block: "center" });
    }
  });
}
