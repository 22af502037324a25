// Follows one concert's sale. Without it the page shows how it stood when it was loaded.
(() => {
  "use strict";
  /** Figures come every second; after so long without any something is wrong. */
  const LOST_AFTER_MS = 12_000;
  /** A browser that gave a stream up is helped to a new one, more and more patiently. */
  const AGAIN_MS = [2_000, 30_000];
  /** Who wants little to move gets curves that change so seldom. */
  const CALM_EVERY = 10;

  const sale = document.querySelector("#sale");
  const all = (selector) => sale.querySelectorAll(selector);
  const pause = sale.querySelector("[data-pause]");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let source;
  let again;
  let wait = AGAIN_MS[0];
  let heardAt = performance.now();
  let heard = 0;

  const say = (name, isTrue) => { sale.querySelector(`[data-say="${name}"]`).hidden = !isTrue; };
  const write = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };

  function show({ figures, is_current: isCurrent, curves, rows }) {
    say("stale", !isCurrent);
    for (const element of all("[data-figure]")) write(element, figures[element.dataset.figure]);
    if (calm.matches && heard % CALM_EVERY !== 1) return;
    for (const element of all("[data-curve]")) element.setAttribute("points", curves[element.dataset.curve]);
    const shown = all("[data-rows] tr");
    rows.forEach((row, index) => row.forEach((text, cell) => write(shown[index]?.cells[cell], text)));
  }

  function leave() {
    clearTimeout(again);
    source?.close();
    source = undefined;
  }

  function follow() {
    leave();
    heardAt = performance.now();
    source = new EventSource(sale.dataset.events);
    source.addEventListener("sale", (event) => {
      heardAt = performance.now();
      heard += 1;
      wait = AGAIN_MS[0];
      say("lost", false);
      if (pause.getAttribute("aria-pressed") !== "true") show(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return;
      say("lost", true);
      again = setTimeout(follow, wait);
      wait = Math.min(wait * 2, AGAIN_MS[1]);
    });
  }

  setInterval(() => {
    if (source && performance.now() - heardAt > LOST_AFTER_MS) say("lost", true);
  }, 1_000);
  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(pause.getAttribute("aria-pressed") !== "true"));
  });
  // Nobody looks at a page behind others, and each stream takes a place.
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
  pause.hidden = false;
  sale.querySelector("[data-refresh]").hidden = true;
  if (!document.hidden) follow();
})();
