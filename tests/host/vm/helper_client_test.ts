/** What a node makes of a helper that says strange things, or nothing. */
import assert from "node:assert/strict";
import {
  connectHelper,
  isHelperAlive,
  parseAnswer,
  parseExit,
  parseStatus,
  parseVerdict,
  readHelperExit,
} from "../../../src/host/vm/helper.ts";
import { inDirectory } from "../scratch.ts";

const STATUS = {
  ok: true,
  state: "ready",
  pid: 10,
  qemu_pid: 11,
  trouble: null,
  lease_left_ms: 1,
  life_left_ms: 2,
  boot_ms: null,
  accel: "tcg",
  level: "namespaces",
  missing: ["landlock"],
  landlock_abi: 0,
  attached: false,
  dropped: { ipv6: 3 },
  frames: { in: 4, out: 5 },
  qemu: "7.2.22",
  console_tail: "OMERTA-READY\r\n",
};

/** Serves one connection with the given pieces, then closes. */
async function withServer(
  dir: string,
  pieces: readonly string[],
  test: () => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ transport: "unix", path: `${dir}/ctl.sock` });
  const served = (async () => {
    const connection = await listener.accept();
    await connection.read(new Uint8Array(256));
    for (const piece of pieces) await connection.write(new TextEncoder().encode(piece));
    connection.close();
  })();
  try {
    await test();
    await served;
  } finally {
    listener.close();
  }
}

Deno.test("a status is read whole", () => {
  const status = parseStatus(parseAnswer(JSON.stringify(STATUS)));
  assert.equal(status.qemuPid, 11);
  assert.equal(status.bootMs, null);
  assert.deepEqual(status.missing, ["landlock"]);
  assert.deepEqual(status.dropped, { ipv6: 3 });
  assert.deepEqual(status.frames, { in: 4, out: 5 });
});

Deno.test("a status with any field missing or of another kind is refused", () => {
  for (const name of Object.keys(STATUS)) {
    if (name === "ok" || name === "attached") continue; // anything but true is false
    for (const value of [undefined, {}, [1], -1, "strange"]) {
      if (typeof value === "string" && ["qemu", "console_tail"].includes(name)) continue;
      if (name === "dropped" && JSON.stringify(value) === "{}") continue;
      const line = JSON.stringify({ ...STATUS, [name]: value });
      assert.throws(() => parseStatus(parseAnswer(line)), { code: "vm-failed" }, line);
    }
  }
});

Deno.test("an answer that is no object is refused", () => {
  for (const line of ["", "ok", "[]", "null", "1", '{"ok":', '{"ok":false}']) {
    assert.throws(() => parseStatus(parseAnswer(line)), { code: "vm-failed" }, line);
  }
});

Deno.test("a failure keeps its code if it is one of ours, else it is vm-failed", () => {
  const failure = (code: string) => JSON.stringify({ ok: false, code, message: "no" });
  assert.throws(() => parseAnswer(failure("disk-full")), { code: "disk-full", message: "no" });
  assert.throws(() => parseAnswer(failure("strange")), { code: "vm-failed", message: "no" });
});

Deno.test("a verdict and an end are read strictly", () => {
  const verdict = {
    accel: "tcg",
    reason: "r",
    boot_ms: null,
    qemu: "7",
    tsc_khz: 1,
    level: "full",
  };
  assert.equal(parseVerdict({ ...verdict, missing: [], landlock_abi: 7 }).tscKhz, 1);
  assert.throws(() => parseVerdict(verdict), { code: "vm-failed" });
  assert.equal(parseExit('{"reason":"lease","detail":"d"}').reason, "lease");
  assert.throws(() => parseExit('{"reason":"boredom","detail":"d"}'), { code: "vm-failed" });
});

Deno.test(
  "connectHelper() says not-found where no helper is",
  inDirectory(async (dir) => {
    await assert.rejects(connectHelper(dir), { code: "not-found" });
    assert.equal(await isHelperAlive(dir), false);
    assert.equal(await readHelperExit(dir), undefined);
  }),
);

Deno.test(
  "an answer in pieces is put together",
  inDirectory(async (dir) => {
    const line = `${JSON.stringify(STATUS)}\n`;
    await withServer(dir, [line.slice(0, 9), line.slice(9)], async () => {
      const client = await connectHelper(dir);
      assert.equal((await client.status()).pid, 10);
      client.close();
    });
  }),
);

Deno.test(
  "a helper that hangs up fails the call, and ends a stop that it cannot answer",
  inDirectory(async (dir) => {
    await withServer(dir, [], async () => {
      const client = await connectHelper(dir);
      await assert.rejects(client.status(), { code: "vm-failed" });
      client.close();
      await assert.rejects(client.status(), { code: "vm-failed" });
    });
    await withServer(dir, [], async () => {
      const client = await connectHelper(dir);
      await client.stop();
      client.close();
    });
  }),
);

Deno.test(
  "a line without end is cut off",
  inDirectory(async (dir) => {
    await withServer(dir, ["x".repeat(30_000), "x".repeat(30_000)], async () => {
      const client = await connectHelper(dir);
      await assert.rejects(client.status(), { code: "vm-failed" });
      client.close();
    });
  }),
);

Deno.test(
  "no more than a few requests of one connection wait for a helper that is silent",
  inDirectory(async (dir) => {
    const listener = Deno.listen({ transport: "unix", path: `${dir}/ctl.sock` });
    const client = await connectHelper(dir);
    const asked = Array.from({ length: 100 }, () => client.renew(1_000));
    const refused = asked.slice(32).map((request) =>
      assert.rejects(request, { code: "vm-failed", message: /Too much is asked/ })
    );
    await Promise.all(refused);
    const waiting = asked.slice(0, 32).map((request) =>
      assert.rejects(request, { code: "vm-failed" })
    );
    client.close();
    listener.close();
    await Promise.all(waiting);
  }),
);

Deno.test(
  "a helper that is given up while it is asked was not late, and has stopped",
  inDirectory(async (dir) => {
    const listener = Deno.listen({ transport: "unix", path: `${dir}/ctl.sock` });
    for (const ask of ["stop", "status"] as const) {
      const helper = await connectHelper(dir);
      const served = await listener.accept();
      const answer = helper[ask]().then(() => "done", (error) => error.message);
      await served.read(new Uint8Array(256));
      helper.close();
      const closed = "The VM's helper closed the connection";
      assert.equal(await answer, ask === "stop" ? "done" : closed);
      served.close();
    }
    listener.close();
  }),
);

Deno.test(
  "a helper that is gone before it is asked to stop has stopped",
  inDirectory(async (dir) => {
    const listener = Deno.listen({ transport: "unix", path: `${dir}/ctl.sock` });
    const [helper, served] = await Promise.all([connectHelper(dir), listener.accept()]);
    served.close();
    await helper.stop();
    await assert.rejects(helper.status(), { code: "not-found" });
    helper.close();
    listener.close();
  }),
);
