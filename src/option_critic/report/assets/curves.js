/* ---- charts that need no choice ---- */
function drawCurves() {
  const first = Object.keys({ ...DATA.curves.success, ...DATA.judged.success }).length
    ? ["success", "any-step success in recent training episodes"]
    : ["length", "steps of an episode in training"];
  for (const [where, [name, label]] of Object.entries({
    first,
    second: ["return", "return of an episode in training"],
  })) {
    const found = Object.entries(DATA.curves[name]),
      judged = Object.values(DATA.judged[name]),
      traces = [],
      // success-only rewards have an axis of their own beside official ones
      paid = name === "return" && found.some(([, c]) => c.success_only),
      both = paid && (judged.length || found.some(([, c]) => !c.success_only)),
      alone = "steps in success (success-only reward) of an episode in training",
      beside = { overlaying: "y", side: "right", tickmode: "auto", showgrid: false, automargin: true };
    if (!found.length && !judged.length) {
      nothing("curve-" + where, "Nothing was logged.");
      continue;
    }
    found.forEach(([, c]) => {
      const colour = GROUPS[c.number % GROUPS.length],
        legendgroup = c.label,
        yaxis = both && c.success_only ? "y2" : "y",
        base = { hoverinfo: "skip", showlegend: false, legendgroup, yaxis };
      if (Object.keys(c.seeds).length > 1) {
        traces.push({ ...base, x: c.steps, y: c.low, mode: "lines", line: { width: 0 } });
        traces.push({
          ...base,
          x: c.steps,
          y: c.high,
          mode: "lines",
          line: { width: 0 },
          fill: "tonexty",
          fillcolor: pale(colour, 0.16),
        });
        for (const y of Object.values(c.seeds))
          traces.push({ ...base, x: c.steps, y, mode: "lines", line: { width: 1, color: pale(colour, 0.45) } });
      }
      traces.push({
        x: c.steps,
        y: c.median,
        mode: "lines",
        name: c.label + (name === "return" && c.success_only ? ", success-only reward" : ""),
        legendgroup,
        yaxis,
        line: { width: 3, color: colour, dash: GROUP_DASH[c.number % 4] },
      });
    });
    for (const c of judged) {
      const colour = GROUPS[c.number % GROUPS.length],
        legendgroup = c.label,
        marker = { symbol: "diamond", size: 8, color: colour },
        seeds = Object.values(c.seeds);
      for (const y of seeds.length > 1 ? seeds : [])
        traces.push({
          x: c.steps,
          y,
          mode: "markers",
          hoverinfo: "skip",
          showlegend: false,
          legendgroup,
          marker: { ...marker, size: 5, color: pale(colour, 0.45) },
        });
      traces.push({
        x: c.steps,
        y: c.median,
        mode: "lines+markers",
        name: c.label + (paid ? ", judged (official reward)" : ", judged"),
        legendgroup,
        marker,
        line: { width: 1, color: colour, dash: "dot" },
      });
    }
    draw(
      "curve-" + where,
      traces,
      layout(paid && !both ? alone : label, {
        xaxis: { title: { text: "environment steps" } },
        yaxis: name === "success" ? { range: [-0.02, 1.03] } : {},
        ...(both ? { yaxis2: { ...beside, title: { text: "steps in success" } } } : {}),
        showlegend: found.length + judged.length > 1,
        margin: { l: 48, r: both ? 56 : 12, t: 40, b: 60 },
      }),
    );
  }
}
function drawRooms() {
  if (!DATA.rooms) return;
  const host = $("room-maps");
  host.replaceChildren();
  for (const room of DATA.rooms) {
    const head = document.createElement("h3");
    head.textContent = room.run;
    host.append(head);
    const div = document.createElement("div");
    host.append(div);
    const kinds = ["occupancy", "termination", "initiation"].filter((what) => room[what].length),
      K = room.labels.length,
      traces = [],
      annotations = [],
      shapes = [],
      lay = { grid: { rows: kinds.length, columns: K, pattern: "independent", xgap: 0.06, ygap: 0.12 } };
    kinds.forEach((what, r) =>
      room.labels.forEach((name, k) => {
        const n = r * K + k + 1,
          suffix = n === 1 ? "" : n;
        traces.push({
          type: "heatmap",
          z: room[what][k],
          zmin: 0,
          zmax: 1,
          xaxis: "x" + suffix,
          yaxis: "y" + suffix,
          showscale: false,
          colorscale: [
            [0, css("--panel")],
            [1, room.colours[k]],
          ],
          hoverongaps: false,
          hovertemplate: `${name}, ${what} %{z:.2f}<extra></extra>`,
        });
        traces.push({
          x: [room.goal[1]],
          y: [room.goal[0]],
          mode: "markers",
          marker: { symbol: "star", size: 11, color: css("--fg") },
          xaxis: "x" + suffix,
          yaxis: "y" + suffix,
          showlegend: false,
          hovertemplate: "goal<extra></extra>",
        });
        lay["xaxis" + suffix] = { visible: false, constrain: "domain" };
        lay["yaxis" + suffix] = { visible: false, autorange: "reversed", scaleanchor: "x" + suffix };
        annotations.push({
          text: r === 0 ? `<b>${name}</b><br>${what}` : what,
          xref: `x${suffix} domain`,
          yref: `y${suffix} domain`,
          x: 0.5,
          y: 1.02,
          yanchor: "bottom",
          showarrow: false,
        });
      }),
    );
    const base = layout("", {});
    Plotly.newPlot(
      div,
      traces,
      { ...base, ...lay, annotations, shapes, showlegend: false, height: 760, margin: { l: 8, r: 8, t: 50, b: 8 } },
      OPTIONS,
    );
  }
}
