/* ---- choices ---- */
function fillList() {
  const e = evaluation();
  $("list").replaceChildren();
  (e ? e.episodes : []).forEach((ep, i) => {
    const b = document.createElement("button");
    b.type = "button";
    b.textContent = ep.number;
    b.className = (ep.missed ? "missed " : "") + (e.videos && e.videos[ep.number] ? "film" : "");
    b.title =
      `episode ${ep.number}${ep.task && ", " + ep.task}: ` +
      (ep.success ? `success at step ${ep.success}` : ep.missed ? "no success" : `return ${ep.return}`);
    b.setAttribute("aria-label", b.title);
    b.onclick = () => choose(i);
    $("list").append(b);
  });
  $("legend").replaceChildren();
  run().options.forEach((name, k) => {
    const s = document.createElement("span"),
      c = document.createElement("i");
    c.style.background = run().colours[k];
    s.append(c, name);
    $("legend").append(s);
  });
  for (const text of [
    "\u25BC learned end",
    "\u2715 forced end",
    ...(e && e.videos && Object.keys(e.videos).length ? ["\u25B6 with video"] : []),
  ]) {
    const b = document.createElement("b");
    b.textContent = text;
    $("legend").append(b);
  }
}
function best(e) {
  if (!e) return 0;
  const filmed = e.episodes.findIndex((x) => e.videos && e.videos[x.number] && e.videos[x.number].why === "median");
  return filmed >= 0 ? filmed : 0;
}
function chooseEvaluation(i) {
  now.evaluation = i;
  fillList();
  drawEvaluation();
  choose(best(evaluation()));
}
function chooseRun(i) {
  now.run = i;
  const s = $("evaluation");
  s.replaceChildren();
  run().evaluations.forEach((e, j) => {
    const o = new Option(
      e.title + (e.total > e.episodes.length ? ` (${e.episodes.length} of ${e.total} shown)` : ""),
      j,
    );
    s.append(o);
  });
  s.disabled = !run().evaluations.length;
  drawRun();
  chooseEvaluation(0);
}
function everything() {
  drawCurves();
  drawRooms();
  drawRun();
  drawEvaluation();
  if (evaluation() && evaluation().episodes.length) drawTimeline();
}
$("line").addEventListener("keydown", (event) => {
  if (!evaluation() || !evaluation().episodes.length) return;
  const size = event.shiftKey ? 10 : 1,
    moves = {
      ArrowLeft: () => moveTo(now.step - size, true),
      ArrowRight: () => moveTo(now.step + size, true),
      Home: () => moveTo(0, true),
      End: () => moveTo(1e9, true),
      ArrowUp: () => choose(now.episode - 1),
      ArrowDown: () => choose(now.episode + 1),
      " ": toggle,
    };
  if (moves[event.key]) {
    event.preventDefault();
    if (event.key !== " ") stop();
    moves[event.key]();
  }
});
$("play").onclick = () => {
  if (evaluation() && evaluation().episodes.length) toggle();
};
$("whole").onclick = () => {
  now.whole = !now.whole;
  $("whole").setAttribute("aria-pressed", String(now.whole));
  if (evaluation() && evaluation().episodes.length) drawTimeline();
};
$("run").onchange = (event) => chooseRun(+event.target.value);
$("evaluation").onchange = (event) => chooseEvaluation(+event.target.value);
const setTheme = (dark) => {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
};
setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
$("theme").onclick = () => {
  setTheme(document.documentElement.dataset.theme !== "dark");
  everything();
};
addEventListener("resize", () => {
  if (evaluation() && evaluation().episodes.length && $("timeline")._fullLayout)
    setTimeout(() => moveTo(now.step, false), 200);
});
DATA.runs.forEach((r, i) => $("run").append(new Option(r.label, i)));
drawCurves();
drawRooms();
chooseRun(0);
document.body.dataset.ready = "yes";
