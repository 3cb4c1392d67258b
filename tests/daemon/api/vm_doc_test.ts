/** The document of a rented VM. */
import assert from "node:assert/strict";
import type { PathDoc } from "../../../src/api/nouns/mesh.ts";
import { vmDoc } from "../../../src/daemon/api/vm_doc.ts";
import { NO_PATH } from "../../../src/daemon/api/path_doc.ts";
import { hostKeyOf } from "../../../src/daemon/renting/rental_tunnel.ts";
import { timestamp, timestampOrNull } from "../../../src/host/time.ts";
import { dry, ended, evicted, network, rental, reserved } from "../renting/rental_samples.ts";
import { START_MS } from "../stand.ts";

const path: PathDoc = { ...NO_PATH, kind: "direct", address: "192.0.2.1:9000" };

Deno.test("a document tells everything of a VM that is ready", () => {
  const doc = vmDoc(rental, { networkName: "home", path, sshCommand: ["ssh", "box"] });
  assert.deepEqual([doc.id, doc.name, doc.key, doc.state], [rental.id, "box", "build", "ready"]);
  assert.deepEqual([doc.accelerator, doc.isolation], ["kvm", "hardware"]);
  assert.deepEqual(doc.ssh_command, ["ssh", "box"]);
  assert.equal(doc.ssh_host_key, hostKeyOf(rental));
  assert.equal(doc.ready_at, timestamp(START_MS + 500));
  assert.deepEqual([doc.path, doc.timings_ms], [path, rental.timings]);
});

Deno.test("a document says null of what is not known, and never leaves a field out", () => {
  const doc = vmDoc(reserved, { networkName: "home", path: NO_PATH, sshCommand: null });
  assert.deepEqual(
    Object.keys(doc),
    Object.keys(vmDoc(rental, { networkName: "home", path, sshCommand: [] })),
  );
  assert.deepEqual([doc.ssh_address, doc.ssh_user, doc.ssh_host_key, doc.ready_at], [
    null,
    null,
    null,
    null,
  ]);
  assert.ok(Object.values(doc).every((value) => value !== undefined));
});

Deno.test("a document tells lease, life, image and network as they were granted", () => {
  const doc = vmDoc(rental, { networkName: "home", path, sshCommand: null });
  assert.deepEqual(doc.network, { id: network, name: "home" });
  assert.equal(doc.image_digest, `sha256:${"ab".repeat(32)}`);
  assert.deepEqual([doc.egress, doc.confinement, doc.provider_known], [
    "none",
    "namespaces",
    false,
  ]);
  assert.equal(doc.lease_ms, 1_800_000);
  assert.equal(doc.lease_expires_at, timestamp(START_MS + 1_800_000));
  assert.equal(doc.life_ends_at, timestamp(START_MS + 7_200_000));
  assert.equal(doc.end, null);
});

Deno.test("the end of a VM has a word of the closed list, its words, and its time", () => {
  const parts = { networkName: "home", path, sshCommand: null };
  const at = timestamp(START_MS + 9);
  assert.deepEqual(vmDoc(evicted, parts).end, { reason: "evicted", detail: "it is gone", at });
  assert.deepEqual(vmDoc(ended, parts).end, { reason: "lost", detail: "it is gone", at });
});

Deno.test("a dry run has no ssh and no isolation", () => {
  const doc = vmDoc(dry, { networkName: "home", path, sshCommand: ["ssh"] });
  assert.deepEqual([doc.ssh_command, doc.ssh_address, doc.ssh_host_key], [null, null, null]);
  assert.deepEqual([doc.accelerator, doc.isolation, doc.dry_run], [null, null, true]);
});

Deno.test("times are RFC 3339 in UTC, and unknown ones null", () => {
  assert.equal(timestamp(START_MS), "2026-11-20T00:00:00.000Z");
  assert.deepEqual([timestampOrNull(null), timestampOrNull(0)], [null, "1970-01-01T00:00:00.000Z"]);
});
