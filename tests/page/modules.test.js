/** The scripts as files: what is called is imported, and nothing is unused. The bundler refuses forms and cycles. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const ROOT = fileURLToPath(new URL("../../frontends/gradio/static/", import.meta.url));
const START = "main.js";
const IMPORT = /^import \{ ?([^}]*?),?\s?\} from "(\.[^"]+)";$/gms;
const EXPORT = /^export (?:async function|function|class|const) (\w+)/gm;

const files = readdirSync(ROOT, { recursive: true });
const scripts = new Map(
  files.filter((path) => path.endsWith(".js")).map((path) => [path, readFileSync(join(ROOT, path), "utf8")]),
);

/** @returns {{names: string[], from: string}[]} what a script imports, and from which file */
function importsOf(path) {
  return [...scripts.get(path).matchAll(IMPORT)].map(([, names, from]) => ({
    names: names.split(",").map((name) => name.trim()),
    from: normalize(join(dirname(path), from)),
  }));
}

const exportsOf = (path) => [...scripts.get(path).matchAll(EXPORT)].map(([, name]) => name);

test("what another script exports is imported where it is called", () => {
  const exported = new Set([...scripts.keys()].flatMap(exportsOf));
  for (const [path, text] of scripts) {
    const code = text.replace(/\/\*.*?\*\/|"(?:[^"\\]|\\.)*"|\/\/[^\n]*/gs, "");
    const known = new Set([...importsOf(path).flatMap(({ names }) => names), ...exportsOf(path)]);
    for (const [, name] of code.matchAll(/(?:function|class|const|let) (\w+)/g)) known.add(name);
    for (const [, name] of code.matchAll(/[({,]\s*(\w+)(?=\s*[,)}=])/g)) known.add(name); // parameters
    const missing = [...code.matchAll(/(?<![\w.#$])(\w+)\(/g)].map(([, name]) => name);
    assert.deepEqual(
      missing.filter((name) => exported.has(name) && !known.has(name)),
      [],
      path,
    );
  }
});

test("no script is left over", () => {
  const reached = new Set([START]);
  for (const path of reached) for (const { from } of importsOf(path)) reached.add(from);
  assert.deepEqual(
    [...scripts.keys()].filter((path) => !reached.has(path)),
    [],
  );
});

test("everything that is exported is imported somewhere", () => {
  const used = new Set(
    [...scripts.keys()].flatMap((path) =>
      importsOf(path).flatMap(({ names, from }) => names.map((name) => `${from} ${name}`)),
    ),
  );
  const unused = [...scripts.keys()]
    .flatMap((path) => exportsOf(path).map((name) => `${path} ${name}`))
    .filter((one) => !used.has(one));
  assert.deepEqual(unused, []);
});
