import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { watchDay } from "../../frontends/gradio/static/page/new_day.js";

process.env.TZ = "Asia/Shanghai";

test("each local day that begins is told once, also after the computer slept", () => {
  mock.timers.enable({ apis: ["setInterval", "Date"], now: new Date("2026-03-01T23:58:00+08:00") });
  let days = 0;
  watchDay(() => (days += 1));
  mock.timers.tick(60_000);
  assert.equal(days, 0);
  mock.timers.tick(120_000);
  assert.equal(days, 1);
  mock.timers.tick(3_600_000);
  assert.equal(days, 1);
  mock.timers.setTime(new Date("2026-03-05T09:00:00+08:00").getTime());
  mock.timers.tick(30_000);
  assert.equal(days, 2);
  mock.timers.reset();
});
