/** The log: one line per event, no secrets, no topology, bounded. */
import assert from "node:assert/strict";
import {
  createLog,
  LOG_LEVELS,
  type LogLevel,
  openLogFile,
  redactAddresses,
  redactSecrets,
} from "../../src/host/log.ts";
import { inDirectory } from "./scratch.ts";

const NOW = Date.UTC(2026, 10, 20, 22, 34, 30, 123);

function collect(level: LogLevel) {
  const lines: string[] = [];
  const log = createLog({ level, nowMs: () => NOW, write: (line) => lines.push(line) });
  return { log, lines };
}

Deno.test("a line has time, level, message and fields", () => {
  const { log, lines } = collect("info");
  log.info("joined a network", { name: "my home", members: 3, relay: null, alias: "a" });
  assert.deepEqual(lines, [
    '2026-11-20T22:34:30.123Z info  joined a network name="my home" members=3 relay=null alias=a',
  ]);
});

Deno.test("a level shows itself and what matters more", () => {
  for (const [depth, level] of LOG_LEVELS.entries()) {
    const { log, lines } = collect(level);
    for (const each of LOG_LEVELS) log[each]("x");
    assert.equal(lines.length, depth + 1);
  }
});

Deno.test("an error is shown with its stack, on one line", () => {
  const { log, lines } = collect("error");
  log.error("defect", { error: new Error("two\nlines") });
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^[^\n]*two\\nlines[^\n]*log_test\.ts[^\n]*$/);
});

Deno.test("control characters of strangers are escaped", () => {
  const { log, lines } = collect("error");
  log.error("a\n\x1b[31m\x9b\u2028b gpj.\u202eexe");
  assert.match(lines[0] ?? "", / a\\u000a\\u001b\[31m\\u009b\\u2028b gpj\.\\u202eexe$/);
});

const SECRETS = {
  "an invite": "joining omerta://join/AbC-_9xyz now",
  "an exported network": "bad: omerta://network/AbC-_9xyz.",
  "a key in hex": `seed ${"0af9".repeat(16)}`,
  "a WireGuard key": `key=${"Ab1+".repeat(10)}abc=`,
  "a private key block":
    "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
} as const;

for (const [what, text] of Object.entries(SECRETS)) {
  Deno.test(`redactSecrets() hides ${what}`, () => {
    const shown = redactSecrets(text);
    assert.match(shown, /\[secret\]/);
    assert.doesNotMatch(shown, /AbC-_9xyz|0af9|Ab1\+|abc/);
  });
}

Deno.test("redactSecrets() leaves node ids, short hashes and versions", () => {
  const text = `${"a2".repeat(26)} ${"0a".repeat(6)} 7.2.22 vm abcdefgh22345672`;
  assert.equal(redactSecrets(text), text);
});

Deno.test("redactSecrets() leaves the names of images and programs, and no other hex", () => {
  const hash = "0af9".repeat(16);
  const text =
    `/s/images/${hash} is damaged: put aside as /s/images/${hash}.corrupt; /s/bin/${hash}/x`;
  assert.equal(redactSecrets(text), text);
  for (const before of ["/s/keys/", "/s/myimages/", "images ", "images/a/"]) {
    assert.equal(redactSecrets(`${before}${hash}`), `${before}[secret]`);
  }
});

const ADDRESSES = [
  ["from 192.0.2.7:9000", "from [address]:9000"],
  ["from [2001:db8::1]:9000", "from [[address]]:9000"],
  ["at fe80::fc:ff:fe00:1 up", "at [address] up"],
  ["at 2001:db8:0:0:0:0:0:1", "at [address]"],
  ["at 127.0.0.1:80, 0.0.0.0, ::1, :: and [::]:9000", null],
  ["at 22:34:30, version 7.2.22, a::b::c of Rust", null],
] as const;

for (const [text, want] of ADDRESSES) {
  Deno.test(`redactAddresses() of: ${text}`, () => {
    assert.equal(redactAddresses(text), want ?? text);
  });
}

Deno.test("addresses are shown at level debug only, secrets never", () => {
  for (const level of ["info", "debug"] as const) {
    const { log, lines } = collect(level);
    log.info("from 192.0.2.7", { invite: "omerta://join/abc" });
    assert.equal(lines[0]?.includes("192.0.2.7"), level === "debug");
    assert.doesNotMatch(lines[0] ?? "", /abc/);
  }
});

Deno.test(
  "a log file is private, appended to, and rotated",
  inDirectory((dir) => {
    const path = `${dir}/node.log`;
    for (const line of ["one", "two"]) {
      const log = openLogFile(path, 8);
      log.write(line);
      log.close();
    }
    assert.equal(Deno.readTextFileSync(path), "one\ntwo\n");
    assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
    const log = openLogFile(path, 8);
    log.write("three");
    log.close();
    assert.equal(Deno.readTextFileSync(path), "three\n");
    assert.equal(Deno.readTextFileSync(`${path}.1`), "one\ntwo\n");
    assert.equal((Deno.statSync(`${path}.1`).mode ?? 0) & 0o777, 0o600);
  }),
);

Deno.test(
  "a log never holds more than its limit and its last line, however much is written",
  inDirectory((dir) => {
    const path = `${dir}/node.log`;
    const logs = [openLogFile(path, 1000), openLogFile(path, 1000)]; // two writers of one file
    for (let i = 0; i < 500; i++) {
      logs[i % 2]?.write(`line ${i}`.padEnd(90, "."));
      assert.ok(Deno.statSync(path).size <= 1000);
    }
    for (const log of logs) log.close();
    assert.match(Deno.readTextFileSync(path), /line 499\.*\n$/);
    assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name).sort(), [
      "node.log",
      "node.log.1",
    ]);
  }),
);

Deno.test(
  "what others append to a rotated log lands in the new one",
  inDirectory((dir) => {
    const path = `${dir}/node.log`;
    const log = openLogFile(path, 4);
    using child = Deno.openSync(path, { append: true });
    log.write("before");
    log.write("after");
    child.writeSync(new TextEncoder().encode("crash\n"));
    log.close();
    assert.equal(Deno.readTextFileSync(path), "after\ncrash\n");
  }),
);
