/** How a member's certificate is kept fresh. */
import assert from "node:assert/strict";
import { peerKey } from "../../../src/base/mod.ts";
import { generateIdentity, identityFromSeed } from "../../../src/crypto/mod.ts";
import { Networks } from "../../../src/daemon/networks/networks.ts";
import { keepRenewed } from "../../../src/daemon/networks/renewing.ts";
import { issueCertificate, renewalDueMs, verifyCertificate } from "../../../src/membership/mod.ts";
import { settle } from "../fake_time.ts";
import { type Stand, withStand } from "../stand.ts";

/** A plain member, and who admitted it. */
function member(stand: Stand) {
  const networks = new Networks(stand.context, () => null);
  const joined = networks.create("home");
  const { row } = joined;
  assert.ok(row.authoritySeed);
  const authority = identityFromSeed(row.authoritySeed);
  const admitter = generateIdentity(stand.random).identity;
  const issue = () =>
    issueCertificate({
      issuer: authority,
      network: row.id,
      subject: stand.identity.id,
      grants: ["rent"],
      epoch: 1,
      nowMs: stand.wallMs(),
    });
  const certificate = issue();
  const checks = { network: row.id, nowMs: stand.wallMs(), isRevoked: () => false };
  const verified = verifyCertificate(certificate, checks);
  assert.ok(verified.ok);
  Object.assign(joined, {
    row: { ...row, authoritySeed: null, admitter: admitter.id, certificate },
    certificate: verified.value,
    admitter: null,
  });
  stand.answer("renew", () => ({ c: issue(), m: row.name, q: row.epoch, k: row.epochKey }));
  keepRenewed({ ...stand.context, networks });
  /** A session with somebody begins. */
  const up = async (node = admitter.id, renewed = false) => {
    stand.views.emit({ type: "peer-up", peer: peerKey(row.id, node), renewed });
    await settle();
  };
  return { joined, up };
}

Deno.test(
  "a certificate at half of its life is renewed at the admitter, also in a session that lasts",
  withStand(async (stand) => {
    const { joined, up } = member(stand);
    await up();
    assert.deepEqual(stand.called("renew"), [], "it is fresh");
    const { notAfterMs } = joined.certificate;
    stand.wallSkewMs = renewalDueMs(joined.certificate) - stand.wallMs() + 1_000;
    await up(generateIdentity(stand.random).identity.id);
    assert.deepEqual(stand.called("renew"), [], "only who admitted us renews");
    await up(undefined, true);
    assert.equal(stand.called("renew").length, 1);
    assert.ok(joined.certificate.notAfterMs > notAfterMs);
  }),
);
