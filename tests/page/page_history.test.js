import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { turn } from "./fakes.js";

/** The browser's history: going takes a moment, as in a browser. */
class FakeHistory {
  entries = [{ address: "/", state: null }];
  at = 0;

  get state() {
    return this.entries[this.at].state;
  }

  get address() {
    return this.entries[this.at].address;
  }

  pushState(state, _, address = this.address) {
    this.entries = [...this.entries.slice(0, this.at + 1), { address, state }];
    this.at += 1;
  }

  go(steps) {
    setImmediate(() => {
      if (!this.entries[this.at + steps]) return;
      this.at += steps;
      globalThis.dispatch();
    });
  }
}

let browser, pageHistory, seen, count = 0;

beforeEach(async () => {
  browser = globalThis.history = new FakeHistory();
  globalThis.matchMedia = () => ({ matches: true });
  globalThis.addEventListener = (_, act) => (globalThis.dispatch = act);
  const module = `../../frontends/gradio/static/page/page_history.js?${(count += 1)}`; // each test loads a page
  ({ pageHistory } = await import(module));
  seen = [];
  pageHistory.listen(() => seen.push(browser.address));
});

/** Open a layer that tells when it closes. */
function layer(name) {
  const close = () => {
    seen.push(`${name} closed`);
    uncover();
  };
  const uncover = pageHistory.cover(close);
  return close;
}

async function go(steps) {
  browser.go(steps);
  for (let moves = 0; moves < 4; moves++) await turn(); // the page may go on by itself
}

test("Back closes the open layers one by one, the upper first, and then leaves the address", async () => {
  pageHistory.push("/a");
  layer("drawer");
  layer("menu");
  await go(-1);
  assert.deepEqual(seen.splice(0), ["menu closed", "/a"]);
  await go(-1);
  assert.deepEqual(seen.splice(0), ["drawer closed", "/a"]);
  await go(-1);
  assert.deepEqual(seen, ["/"]);
});

test("a layer that is closed otherwise takes its entry with it", async () => {
  pageHistory.push("/a");
  layer("drawer")();
  await go(0); // nowhere: only to let time pass
  await go(-1);
  assert.equal(browser.address, "/");
});

test("a layer that another one replaces leaves it the entry", async () => {
  layer("menu")();
  layer("popover");
  await go(0);
  assert.equal(browser.at, 1);
  assert.deepEqual(browser.state, { layers: 1 });
});

test("what a layer opens comes in its place, so that Back goes to what was before", async () => {
  pageHistory.push("/a");
  const close = layer("drawer");
  pageHistory.push("/b");
  close();
  await go(0);
  assert.deepEqual(browser.entries.map(({ address }) => address), ["/", "/a", "/b"]);
  await go(-1);
  assert.equal(seen.at(-1), "/a");
  await go(1);
  assert.equal(seen.at(-1), "/b");
});

test("an address that comes while a layer is open is below it", async () => {
  layer("drawer");
  pageHistory.push("/a");
  await go(0);
  await go(0);
  assert.deepEqual(browser.entries.map(({ address, state }) => [address, state?.layers]), [["/", undefined], ["/a", undefined], ["/a", 1]]);
  await go(-1);
  assert.deepEqual(seen.slice(-2), ["drawer closed", "/a"]);
});

test("Forward to a closed layer does nothing, after a reload too", async () => {
  layer("drawer");
  await go(-1);
  await go(1);
  assert.equal(browser.at, 0);
  browser.at = 1;
  pageHistory.listen(() => {});
  await go(0);
  assert.equal(browser.at, 0);
});

test("on a wide page layers have no entries", () => {
  globalThis.matchMedia = () => ({ matches: false });
  layer("drawer");
  assert.equal(browser.entries.length, 1);
});
