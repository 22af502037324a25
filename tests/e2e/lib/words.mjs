// What the pages and mails say, by key and language, as the product's own lists have it.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const here = path.dirname(new URL(import.meta.url).pathname);
const lists = {};

function list(lang) {
  const texts = path.join(here, "../../../crates/server/locales");
  const files = [`${lang}.ftl`, ...readdirSync(path.join(texts, lang)).map((file) => `${lang}/${file}`)];
  lists[lang] ??= Object.fromEntries(files.map((file) => readFileSync(path.join(texts, file), "utf8")).join("\n")
    .split("\n").map((line) => line.match(/^([a-z][\w-]*) = (.+)$/)).filter(Boolean).map(([, key, text]) => [key, text]));
  return lists[lang];
}

/** The sentence of a key; `{ $name }` is filled in. */
export function say(lang, key, values = {}) {
  const text = list(lang)[key];
  assert.ok(text, `${lang} has ${key}`);
  return text.replace(/\{ \$(\w+) \}/g, (_, name) => values[name] ?? assert.fail(`${key} needs ${name}`));
}
