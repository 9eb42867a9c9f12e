import assert from "node:assert/strict";
import { test } from "node:test";

import { nextAddress, tokenIn } from "../../frontends/login/next_address.js";
import { TEXTS, text } from "../../frontends/login/texts.js";

const BASE = "https://chat.example/below/login";

test("after signing in the page gets the query that it had", () => {
  assert.equal(nextAddress("?next=c%3D01JDC3%26view%3Dfeedback%252Freview"), "./?c=01JDC3&view=feedback%2Freview");
  assert.equal(nextAddress(""), "./");
});

test("no link makes the browser leave the page after signing in", () => {
  const tried = [
    "https://evil.example", "//evil.example", "\\\\evil.example", "javascript:alert(1)", "/../../admin", "../x",
    "?x=//evil.example", "#https://evil.example", "%2F%2Fevil.example", "@evil.example", "\thttps://evil.example",
  ];
  for (const next of tried) {
    const target = new URL(nextAddress(`?next=${encodeURIComponent(next)}`), BASE);
    assert.equal(target.origin + target.pathname, "https://chat.example/below/", next);
  }
});

test("the secret of a link is taken from the fragment, and nothing else is", () => {
  const token = "HBtJZseJ_MerYBgwvPZG3dGMq5j2NGn2vef9auHCw7I";
  assert.equal(tokenIn(`#${token}`), token);
  for (const other of ["", "#", "#short", `#${"x".repeat(101)}`, "#<script>alert(1)</script>xxxxxxxx", "#../../api/users/xxxxxxxxx"]) {
    assert.equal(tokenIn(other), null, other);
  }
});

test("both languages have the same words and fields", () => {
  const fields = (texts) => Object.entries(texts).map(([key, words]) => [key, (words.match(/\{\w+\}/g) ?? []).sort()]);
  assert.deepEqual(fields(TEXTS.en), fields(TEXTS.zh));
  for (const [key, words] of Object.entries(TEXTS.zh)) {
    if (key !== "language") assert.match(words, /[\u4e00-\u9fff]/, key);
  }
});

test("an error without words of its own is told in general ones", () => {
  assert.equal(text("en", "store_busy", {}), TEXTS.en.unknown);
  assert.match(text("zh", "too_many_attempts", { retry_after_s: 42 }), /42/);
});
