/** Who may open the device, and what helps who may not. */
import assert from "node:assert/strict";
import {
  type KvmAccess,
  kvmAccess,
  kvmCircumstances,
  kvmRemedy,
} from "../../../src/host/vm/kvm.ts";

const ANN: KvmAccess = {
  device: { mode: 0o660, uid: 0, gid: 108 },
  uid: 1_000,
  groups: [1_000, 27],
  groupName: "kvm",
  userName: "ann",
};

const CASES: readonly (readonly [string, Partial<KvmAccess>, RegExp | null])[] = [
  ["is not in the group", {}, /^add ann to group kvm \(usermod -aG kvm ann\)/],
  ["is in the group", { groups: [1_000, 108] }, null],
  ["is root", { uid: 0 }, null],
  ["owns the device", { device: { mode: 0o600, uid: 1_000, gid: 0 } }, null],
  ["meets a device for all", { device: { mode: 0o666, uid: 0, gid: 108 } }, null],
  ["meets a device of root's alone", { device: { mode: 0o600, uid: 0, gid: 0 } }, /has mode 0600/],
  ["meets a group without a name", { groupName: null }, /to group 108/],
  ["has no device", { device: null }, /firmware/],
];

for (const [what, changes, remedy] of CASES) {
  Deno.test(`kvmRemedy() for a user who ${what}`, () => {
    const told = kvmRemedy({ ...ANN, ...changes });
    if (remedy === null) assert.equal(told, null);
    else assert.match(told ?? "nothing", remedy);
  });
}

Deno.test("the circumstances of this system can be told, and stay the same", () => {
  assert.equal(kvmCircumstances(), kvmCircumstances());
  assert.ok(kvmCircumstances().includes(JSON.stringify(kvmAccess().groups)));
});
