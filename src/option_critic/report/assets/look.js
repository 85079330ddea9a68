"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const GROUP_DASH = ["solid", "dash", "dot", "dashdot"],
  GROUPS = ["#0b6e99", "#c26a00", "#7a4fa3", "#3d7a2a", "#a33b4b", "#5b6570"];
const now = { run: 0, evaluation: 0, episode: 0, step: 0, whole: false, playing: false };

/* ---- look ---- */
function layout(title, more = {}) {
  const axis = { gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--line"), automargin: true };
  const merged = { ...more, xaxis: { ...axis, ...(more.xaxis || {}) }, yaxis: { ...axis, ...(more.yaxis || {}) } };
  return {
    title: { text: title, font: { size: 15 }, x: 0, xref: "paper", xanchor: "left" },
    height: 300,
    margin: { l: 48, r: 12, t: 40, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: css("--fg"), size: 12, family: "system-ui, DejaVu Sans, sans-serif" },
    hoverlabel: { bgcolor: css("--panel"), bordercolor: css("--line"), font: { color: css("--fg") } },
    legend: { orientation: "h", traceorder: "normal", yref: "container", y: 0, yanchor: "bottom" },
    ...merged,
  };
}
const OPTIONS = { responsive: true, displayModeBar: false, displaylogo: false };
const draw = (id, traces, lay) => Plotly.react($(id), traces, lay, OPTIONS);
function nothing(id, why) {
  Plotly.purge($(id));
  $(id).replaceChildren();
  const p = document.createElement("p");
  p.className = "note";
  p.textContent = why;
  $(id).append(p);
  $(id).style.minHeight = 0;
}
const pale = (hex, alpha) => `rgba(${[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(",")},${alpha})`;
