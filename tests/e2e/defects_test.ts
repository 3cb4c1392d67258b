/** What every end-to-end test looks for in the logs of its nodes is found there. */
import { assertEquals, defectsIn } from "./lab.ts";

const DEFECTS = {
  "consumer/s/node.log": "2026-11-21T10:00:00Z error a defect of omerta in a timer error=boom",
  "consumer/s/node.log.1": "2026-11-21T10:00:00Z error a defect of omerta in the background",
  "relay/log": "omerta: This is a defect of omerta: please report it.",
  "provider/log": "panic: runtime error: invalid memory address or nil pointer dereference",
  "provider/s/node.log": "fatal error: concurrent map writes",
};

Deno.test("a defect is found in every log of a lab, rotated ones too", async () => {
  const place = await Deno.makeTempDir({ prefix: "omlogs" });
  try {
    for (const [path, line] of Object.entries(DEFECTS)) {
      await Deno.mkdir(`${place}/${path.replace(/\/[^/]*$/, "")}`, { recursive: true });
      await Deno.writeTextFile(`${place}/${path}`, `all is well\n${line}\nand goes on\n`);
    }
    await Deno.writeTextFile(`${place}/relay/notes`, "a defect of omerta\n");
    const expected = Object.entries(DEFECTS).map(([path, line]) => `${place}/${path}: ${line}`);
    assertEquals(defectsIn(place).sort(), expected.sort(), "what was found");
  } finally {
    await Deno.remove(place, { recursive: true });
  }
});
