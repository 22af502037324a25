// What holds on every page, whatever it shows.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";

const AXE = {
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  resultTypes: ["violations"],
  // Style sheets are read from the page; fetching them once more only costs time.
  preload: false,
};

let axeSource;

/** Puts axe into the page's context; to be called before the page is opened. */
export async function bringAxe(context) {
  axeSource ??= await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await context.addInitScript({ content: axeSource });
}

/** Everything that axe finds, one line each. */
export async function askAxe(page) {
  const { violations } = await page.evaluate((options) => globalThis.axe.run(document, options), AXE);
  return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `axe ${id}: ${help}: ${node.target.join(" ")} (${node.any.map((check) => check.message).join("; ")})`));
}

/** Everything that is wrong with the page's outline, sizes and type, one line each. */
export function measure(page, { lang }) {
  return page.evaluate(inspect, { lang });
}

// Runs inside the page.
function inspect({ lang }) {
  const findings = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const say = (element) => `${element.localName}${element.className ? `.${[...element.classList].join(".")}` : ""} “${(element.textContent || element.name || "").trim().slice(0, 40)}”`;
  const root = document.documentElement;

  if (root.lang !== lang) findings.push(`html lang is ${root.lang}`);
  if (all("h1").length !== 1) findings.push(`${all("h1").length} h1`);
  if (!document.title.endsWith("– Stagedoor") || document.title.length < 15) findings.push(`title: ${document.title}`);

  if (root.scrollWidth > root.clientWidth) {
    const wide = all("body *").filter((element) => element.getBoundingClientRect().right > root.clientWidth + 0.5);
    findings.push(`scrolls sideways, ${root.scrollWidth} > ${root.clientWidth}: ${wide.slice(0, 3).map(say).join(", ")}`);
  }

  const isShown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true });
  for (const element of all("a, button, input:not([type=hidden]), select, summary").filter(isShown)) {
    // All of a card is its link, and all of a label ticks the box in it.
    const { width, height } = (element.closest(".card, label") ?? element).getBoundingClientRect();
    if (width < 43.99 || height < 43.99) findings.push(`target ${width.toFixed(1)} × ${height.toFixed(1)}: ${say(element)}`);
  }

  // Chromium gives a select its own line height, whatever a style sheet says.
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())
    || element.matches("input:not([type=hidden])");
  for (const element of all("body, body *").filter((element) => !element.closest("svg, script, noscript, select") && hasText(element))) {
    const { fontSize, lineHeight, letterSpacing, fontFamily } = getComputedStyle(element);
    const ratio = parseFloat(lineHeight) / parseFloat(fontSize);
    if (!(ratio >= 1.599)) findings.push(`line height ${lineHeight} of ${fontSize}: ${say(element)}`);
    if (!["normal", "0px"].includes(letterSpacing)) findings.push(`letter-spacing ${letterSpacing}: ${say(element)}`);
    if (!/system-ui|ui-monospace/.test(fontFamily)) findings.push(`font ${fontFamily}: ${say(element)}`);
  }
  return findings;
}

/** The head of a page: who may find it, and in which languages it is there. */
export async function checkHead(page, { lang, base, isPublic }) {
  const head = await page.evaluate(() => ({
    robots: document.querySelector("meta[name=robots]")?.content,
    description: document.querySelector("meta[name=description]")?.content,
    canonical: document.querySelector("link[rel=canonical]")?.href,
    alternates: Object.fromEntries([...document.querySelectorAll("link[rel=alternate]")].map((link) => [link.hreflang, link.href])),
    structured: [...document.querySelectorAll("script[type='application/ld+json']")].map((script) => script.textContent),
    path: location.pathname,
  }));
  for (const text of head.structured) JSON.parse(text);
  if (!isPublic) {
    assert.equal(head.robots, "noindex");
    assert.equal(head.canonical, undefined);
    return;
  }
  const path = head.path.replace(/\/hold$/, "").slice(3);
  assert.equal(head.robots, undefined);
  assert.ok(head.description.length > 20, "a description for search engines");
  assert.equal(head.canonical, `${base}/${lang}${path}`);
  assert.deepEqual(head.alternates, { en: `${base}/en${path}`, th: `${base}/th${path}`, "x-default": `${base}/en${path}` });
}

/** The headers of a page. */
export function checkHeaders(response, { isPublic }) {
  const headers = response.headers();
  const policy = headers["content-security-policy"] ?? "";
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
    assert.ok(policy.includes(rule), `Content-Security-Policy has ${rule}: ${policy}`);
  }
  assert.ok(!policy.includes("unsafe"), policy);
  assert.match(headers["content-type"], /^text\/html; charset=utf-8$/i);
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["referrer-policy"], "same-origin");
  assert.match(headers["x-request-id"], /./);
  if (!isPublic) assert.equal(headers["cache-control"], "no-store");
}
