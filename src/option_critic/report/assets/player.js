/* ---- the moment that is chosen, and the video of it ---- */
function moveTo(step, seek) {
  const ep = episode(),
    host = $("timeline");
  now.step = Math.max(0, Math.min(ep.n - 1, step));
  const full = host._fullLayout,
    x = full.xaxis.d2p(now.step + 1) + full.margin.l;
  const cursor = $("cursor"),
    outside = x < full.margin.l - 1 || x > full.width - full.margin.r + 1;
  Object.assign(cursor.style, {
    left: x - 1 + "px",
    top: full.margin.t - 10 + "px",
    height: full.height - full.margin.t - full.margin.b + 10 + "px",
    display: outside ? "none" : "block",
  });
  const t = now.step,
    f = ep.flags[t],
    name = run().options[ep.option[t]];
  const before = t > 0 ? run().options[ep.option[t - 1]] : "",
    how = f & BIT.forced ? "by force" : f & BIT.ended ? "by learning" : "",
    why = before && how ? `; ${before} ended ${how}${before === name ? " and was chosen again" : ""}` : "";
  const asked = f & BIT.decided ? `termination ${ep.beta[t].toFixed(2)}` : "the action is held";
  const mark = document.createElement("i");
  mark.style.background = run().colours[ep.option[t]];
  $("readout").replaceChildren(
    mark,
    `step ${t + 1} of ${ep.n}: ${name}, ${asked}, reward ${ep.reward[t].toFixed(2)}${ep.distance ? `, ${(100 * ep.distance[t]).toFixed(1)} cm from the goal` : ""}${why}`,
  );
  const slider = $("line");
  slider.setAttribute("aria-valuenow", t + 1);
  slider.setAttribute("aria-valuemax", ep.n);
  slider.setAttribute("aria-valuetext", `step ${t + 1}, ${name}`);
  const video = $("video");
  if (seek && film())
    video.currentTime = Math.min((t + 0.5) / film().fps, Math.max(0, film().frames - 0.5) / film().fps);
}
const film = () => evaluation()?.videos?.[evaluation().episodes[now.episode].number];
function choose(i) {
  const e = evaluation();
  if (!e || !e.episodes.length) {
    stop();
    $("list").replaceChildren();
    nothing(
      "timeline",
      "No trace of an evaluation is at hand: option-critic evaluate RUN, then write this page again.",
    );
    $("timeline").style.height = "auto";
    $("cursor").style.display = "none";
    $("readout").textContent = $("chosen").textContent = "";
    $("stage").className = "alone";
    $("no-video").textContent = "";
    return;
  }
  stop();
  now.episode = Math.max(0, Math.min(e.episodes.length - 1, i));
  now.step = 0;
  const ep = e.episodes[now.episode],
    video = $("video"),
    source = film();
  [...$("list").children].forEach((b, j) => b.setAttribute("aria-pressed", String(j === now.episode)));
  $("chosen").textContent =
    `Episode ${ep.number} of ${e.total}${ep.task && ", " + ep.task}: ` +
    (ep.success
      ? `first success at step ${ep.success}${ep.held === false ? ", not held to the end" : ""}`
      : ep.missed
        ? "no success"
        : `${ep.steps} steps`) +
    `, return ${ep.return.toLocaleString("en")}.`;
  $("stage").className = source ? "" : "alone";
  if (source) {
    if (video.getAttribute("src") !== source.src) video.src = source.src;
    video.currentTime = 0.5 / source.fps;
  } else {
    video.removeAttribute("src");
    video.load();
  }
  const filmed = Object.keys(e.videos || {});
  $("no-video").textContent = source
    ? source.note
    : filmed.length
      ? `No video of this episode; there are some of ${filmed.join(", ")}.`
      : "This run has no video: option-critic report RUN --videos.";
  $("timeline").style.height = "";
  drawTimeline();
}
function stop() {
  now.playing = false;
  $("video").pause();
  $("play").textContent = "play";
}
function toggle() {
  if (now.playing) {
    stop();
    return;
  }
  const ep = episode(),
    source = film(),
    last = source ? source.frames : shown(ep);
  if (now.step >= last - 1) moveTo(0, true);
  now.playing = true;
  $("play").textContent = "pause";
  const begin = performance.now(),
    from = now.step;
  if (source) $("video").play().catch(stop);
  const tick = () => {
    if (!now.playing) return;
    const step = source
      ? Math.floor($("video").currentTime * source.fps + 1e-3)
      : from + Math.floor((performance.now() - begin) / 50);
    if (step !== now.step) moveTo(Math.min(step, last - 1), false);
    if (source ? $("video").ended : step >= last - 1) {
      stop();
      return;
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}
