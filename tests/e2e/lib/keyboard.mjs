// Moving about by keyboard alone, as somebody without a mouse does.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

/** No page of the shop has more stops than this before the one that matters. */
const STOPS_MAX = 60;

/** Presses Tab until the element that `selector` names has the focus; every stop must be seen. */
export async function tabTo(page, selector) {
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    await page.keyboard.press("Tab");
    const focus = await settled(page, selector);
    assert.ok(focus.isSeen, `the focus can be seen on ${focus.element}`);
    if (focus.isThere) return;
  }
  assert.fail(`${selector} isn't reached by ${STOPS_MAX} times Tab`);
}

/** The page scrolls softly to the focus, so it may come into view a moment later. */
async function settled(page, selector) {
  for (let look = 0; look < 20; look += 1) {
    const focus = await page.evaluate(describeFocus, selector);
    if (focus.isSeen) return focus;
    await sleep(50);
  }
  return page.evaluate(describeFocus, selector);
}

// Runs inside the page.
function describeFocus(selector) {
  const element = document.activeElement;
  const marked = [element, element.closest(".card")].filter(Boolean).some((one) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  });
  const { bottom, top } = element.getBoundingClientRect();
  return {
    element: element.outerHTML.slice(0, 80),
    isThere: element.matches(selector),
    isSeen: element === document.body || (marked && bottom > 0 && top < innerHeight),
  };
}
