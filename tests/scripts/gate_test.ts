/** `scripts/test` can fail: a copy of it, with programs in Deno's and Go's place that say what they are told. */
import { strict as assert } from "node:assert";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What the stand-in of a tool does. */
interface Tool {
  readonly says: string;
  readonly status?: number;
  /** It goes on for a minute. */
  readonly hangs?: boolean;
}

interface Verdict {
  readonly status: number;
  readonly closing: string;
  readonly said: string;
}

/** Runs one stage of the gate whose tool behaves as told. */
async function gate(stage: string, tool: Tool, env: Record<string, string> = {}): Promise<Verdict> {
  const place = await Deno.makeTempDir({ prefix: "omgate" });
  try {
    await copyGate(place, tool);
    const { code, stdout, stderr } = await new Deno.Command(`${place}/scripts/test`, {
      args: [stage],
      env: { PATH: Deno.env.get("PATH") ?? "", OMERTA_TEST_STRICT: "", ...env },
      clearEnv: true,
      stdin: "null",
    }).output();
    const [closing, said] = [stdout, stderr].map((part) => new TextDecoder().decode(part).trim());
    return { status: code, closing: closing ?? "", said: said ?? "" };
  } finally {
    await Deno.remove(place, { recursive: true });
  }
}

async function copyGate(place: string, { says, status = 0, hangs = false }: Tool): Promise<void> {
  await Deno.mkdir(`${place}/scripts/lib`, { recursive: true });
  await Deno.mkdir(`${place}/build/tools`, { recursive: true });
  await Deno.mkdir(`${place}/ffi/net`, { recursive: true });
  for (const file of ["scripts/test", "scripts/lib/common.sh"]) {
    await Deno.copyFile(`${ROOT}${file}`, `${place}/${file}`);
  }
  await Deno.writeTextFile(`${place}/says`, says);
  const tool = `#!/bin/sh\ncat "${place}/says"\n${hangs ? "sleep 60\n" : ""}exit ${status}\n`;
  const programs = { "scripts/setup": "#!/bin/sh\n", "scripts/native": "#!/bin/sh\n", tool };
  for (const [name, text] of Object.entries(programs)) {
    await Deno.writeTextFile(`${place}/${name}`, text, { mode: 0o755 });
  }
  const tools = `OMERTA_DENO=${place}/tool\nOMERTA_GO=${place}/tool\n`;
  await Deno.writeTextFile(`${place}/build/tools/env.sh`, tools);
}

const PASSED = "ok | 12 passed (3 steps) | 0 failed (1s)\n";
const SKIP = "skipped: a guest under KVM: kvm: it does not work here\n";
const IGNORED = "ok | 12 passed | 0 failed | 1 ignored (1s)\n";

Deno.test("the gate counts what passed", async () => {
  const { status, closing } = await gate("unit", { says: PASSED });
  assert.deepEqual([status, closing], [0, "12 passed, 0 failed"]);
});

Deno.test("the gate fails where a suite fails, also without a count", async () => {
  const counted = await gate("unit", { says: "FAILED | 11 passed | 1 failed (1s)\n", status: 1 });
  assert.deepEqual([counted.status, counted.closing], [1, "11 passed, 1 failed"]);
  const uncounted = await gate("go", { says: "", status: 2 });
  assert.deepEqual([uncounted.status, uncounted.closing], [1, "0 passed, 1 failed"]);
});

for (const stage of ["unit", "go", "e2e", "fuzz"]) {
  Deno.test(`the gate fails where no test of ${stage} ran`, async () => {
    const { status, closing, said } = await gate(stage, {
      says: "ok | 0 passed | 0 failed (0s)\n",
    });
    assert.deepEqual([status, closing], [1, "0 passed, 1 failed"]);
    assert.match(said, /no test ran/);
  });
}

Deno.test("a stage that is no suite counts as one", async () => {
  assert.equal((await gate("lint", { says: "Checked 300 files\n" })).closing, "1 passed, 0 failed");
});

Deno.test("a skip is told, and passes where nobody is strict", async () => {
  const { status, closing, said } = await gate("unit", { says: SKIP + IGNORED });
  assert.deepEqual([status, closing], [0, "12 passed, 0 failed, 1 skipped"]);
  assert.match(said, /skipped: a guest under KVM: kvm: /);
});

Deno.test("in strict mode a skip fails unless its word is permitted", async () => {
  const strict = { OMERTA_TEST_STRICT: "1" };
  const refused = await gate("unit", { says: SKIP + IGNORED }, strict);
  assert.deepEqual([refused.status, refused.closing], [1, "12 passed, 1 failed, 1 skipped"]);
  assert.match(refused.said, /not permitted: .*kvm/);
  const may = { ...strict, OMERTA_TEST_MAY_SKIP: "cgroup2 kvm" };
  assert.equal((await gate("unit", { says: SKIP + IGNORED }, may)).status, 0);
});

Deno.test("in strict mode a skip that says nothing fails whatever is permitted", async () => {
  const env = { OMERTA_TEST_STRICT: "1", OMERTA_TEST_MAY_SKIP: "kvm root" };
  assert.equal((await gate("unit", { says: IGNORED }, env)).status, 1);
});

Deno.test("a test that was tried again is counted in the closing line", async () => {
  const says = `retried: a VM is requested: a compiled node crashed\n${PASSED}`;
  const { status, closing } = await gate("e2e", { says });
  assert.deepEqual([status, closing], [0, "retried-1: 12 passed, 0 failed"]);
});

Deno.test("the seed of a run is told, and can be given", async () => {
  assert.match((await gate("unit", { says: PASSED })).said, /OMERTA_TEST_SEED=[1-9][0-9]*/);
  const { said } = await gate("unit", { says: PASSED }, { OMERTA_TEST_SEED: "77" });
  assert.match(said, /OMERTA_TEST_SEED=77 /);
});

Deno.test("a stage that hangs ends at its limit, and fails", async () => {
  const limit = { OMERTA_TEST_LIMIT_S: "1" };
  const { status, said } = await gate("unit", { says: "", hangs: true }, limit);
  assert.equal(status, 1);
  assert.match(said, /hung {2}unit: ended after 1 s/);
});

Deno.test("end-to-end tests lean on nothing beside their laboratory: they run without the sources", async () => {
  const folder = `${ROOT}tests/e2e`;
  const files = [...Deno.readDirSync(folder)].filter(({ isFile }) => isFile);
  assert.ok(files.length > 5);
  for (const { name } of files) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    const imports = [...text.matchAll(/^(?:import|export)\b[^;]*?from "([^"]+)"/gm)];
    for (const [, from = ""] of imports) {
      assert.match(from, /^(\.\/|node:)/, `${name} imports ${from}`);
      assert.ok(!/speaker|traitor/.test(from), `${name} imports ${from}, which is of the sources`);
    }
  }
});
