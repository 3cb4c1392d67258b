/** Invites and membership: what a bad invite says, and what a good one gives. */
import {
  assert,
  assertEquals,
  assertMatch,
  type Doc,
  type Lab,
  startProvider,
  startRelay,
} from "./lab.ts";
import { e2e } from "./lab/e2e.ts";

e2e("a malformed invite is a usage error", { binary: true }, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  const bad = [
    "",
    "hello",
    "omerta://join/",
    "omerta://join/!!!",
    invite.slice(0, -7),
    `${invite}AAAA`,
    "https://x/y",
  ];
  for (const text of bad) {
    await lab.consumer.fails(["network", "join", "-"], { exit: 2, code: /^(bad-invite|usage)$/ }, {
      stdin: text,
    });
  }
  assertEquals((await lab.consumer.json(["network", "list"])).networks, [], "networks");
});

e2e("an invite is taken from an argument, from stdin and from the environment", {}, async (lab) => {
  const { invite, ready } = await startRelay(lab.relay);
  const id = ready.networks[0].id;
  const byArgument = await lab.consumer.json(["network", "join", invite]);
  assertEquals([byArgument.network.id, byArgument.joined], [id, true], "joined by argument");
  const other = lab.addState(lab.consumer, "c2");
  const byStdin = await other.json(["network", "join", "-"], { stdin: `${invite}\n` });
  assertEquals(byStdin.network.id, id, "joined by stdin");
  const third = lab.addState(lab.consumer, "c3");
  const byEnvironment = await third.json(["network", "list"], { env: { OMERTA_INVITE: invite } });
  assertEquals(byEnvironment.networks.map((one: Doc) => one.id), [id], "joined by environment");
});

e2e("joining a network already joined contacts nobody", {}, async (lab) => {
  const { node, invite } = await startRelay(lab.relay);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  await node.stop();
  const again = await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  assertEquals(again.joined, false, "joined");
  assert(
    (await lab.consumer.run(["network", "join", "-"], { stdin: invite })).ms < 3_000,
    "it waited for somebody",
  );
});

e2e("an expired invite is refused", {}, async (lab) => {
  await startRelay(lab.relay);
  const { invite, expires_at } = await lab.relay.json(["network", "invite", "--expires", "1s"]);
  const ms = Math.max(0, Date.parse(expires_at) - Date.now()) + 50;
  await new Promise((resolve) => setTimeout(resolve, ms)); // the event waited for is the expiry itself
  await lab.consumer.fails(["network", "join", "-"], { exit: 6, code: "invite-expired" }, {
    stdin: invite,
  });
});

e2e(
  "an invite is redeemed as often as it allows, and again by whom it admitted",
  {},
  async (lab) => {
    await startRelay(lab.relay);
    const { invite } = await lab.relay.json(["network", "invite", "--uses", "1"]);
    await lab.consumer.json(["network", "join", "-"], { stdin: invite });
    const other = lab.addState(lab.consumer, "c2");
    await other.fails(["network", "join", "-"], { exit: 6, code: "invite-used-up" }, {
      stdin: invite,
    });
    await lab.consumer.json(["network", "leave", "--yes"]).catch(() =>
      lab.consumer.json(["network", "leave"])
    );
    await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  },
);

e2e("a revoked invite is refused, and listed as revoked", {}, async (lab) => {
  await startRelay(lab.relay);
  const made = await lab.relay.json(["network", "invite"]);
  await lab.relay.json(["network", "revoke", made.invite_id]);
  await lab.consumer.fails(["network", "join", "-"], { exit: 6, code: "invite-revoked" }, {
    stdin: made.invite,
  });
  const { invites } = await lab.relay.json(["network", "invites"]);
  const listed = invites.find((one: Doc) => one.id === made.invite_id);
  const [first] = invites.filter((one: Doc) => one.id !== made.invite_id);
  assertEquals(
    [first.grants, first.uses],
    [["rent", "provide"], null],
    "a new relay's first invite",
  );
  assertEquals([listed.grants, listed.uses], [["rent"], 1], "an invite of no flags");
  assert(
    typeof listed?.revoked_at === "string",
    `not listed as revoked: ${JSON.stringify(invites)}`,
  );
  assert(!JSON.stringify(invites).includes("omerta://"), "the list shows a secret");
});

e2e("an invite of another node at the same address is not redeemed there", {}, async (lab) => {
  const first = await startRelay(lab.relay);
  await first.node.stop();
  const stranger = lab.addState(lab.relay, "r2");
  const args = stranger.isOnLoopback ? ["--advertise", "127.0.0.1"] : [];
  await stranger.node(["relay", "--port", `${first.port}`, ...args]);
  await lab.consumer.fails(["network", "join", "-", "--timeout", "10s"], {
    exit: 5,
    code: "unreachable",
  }, { stdin: first.invite });
  assertEquals((await lab.consumer.json(["network", "list"])).networks, [], "networks");
});

e2e("an admitter that does not answer is unreachable, in time", {}, async (lab) => {
  const { node, invite } = await startRelay(lab.relay);
  await node.stop("SIGKILL");
  const outcome = await lab.consumer.run(["network", "join", "-", "--json"], { stdin: invite });
  assertEquals(outcome.code, 5, `exit status (${outcome.stderr})`);
  assert(outcome.ms < 20_000, `it took ${outcome.ms} ms`);
});

e2e("an invite that nobody could reach is not made, and the hint names the relay", {
  plan: { provider: "easy", consumer: "easy" },
}, async (lab) => {
  await lab.consumer.json(["network", "create", "island"]);
  const error = await lab.consumer.fails(["network", "invite"], {
    exit: 6,
    code: "invite-unreachable",
  });
  assertMatch(error.hint, /relay/, "the hint");
});

e2e("an invite goes to a terminal or into JSON, never into a pipe", {}, async (lab) => {
  await startRelay(lab.relay);
  const { invites: before } = await lab.relay.json(["network", "invites"]);
  const outcome = await lab.relay.run(["network", "invite"]);
  assertEquals(outcome.code, 2, `exit status (${outcome.stderr})`);
  assertEquals(outcome.stdout, "", "stdout");
  assertMatch(outcome.stderr, /--json/, "what to do instead");
  const { invites: after } = await lab.relay.json(["network", "invites"]);
  assertEquals(after.length, before.length, "invites");
});

e2e("no log and no process list holds an invite", {}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await startProvider(lab.provider, invite, ["--dry-run"]);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  const secret = invite.slice("omerta://join/".length, -4);
  for (const host of [lab.relay, lab.provider, lab.consumer]) {
    const log = await Deno.readTextFile(`${host.state}/node.log`).catch(() => "");
    assert(!log.includes(secret), `the invite stands in ${host.name}'s node.log`);
    for (const { command } of host.processes()) {
      assert(
        !command.includes(secret),
        `the invite stands in a process of ${host.name}: ${command}`,
      );
    }
  }
});

e2e(
  "grants bind: who may only rent does not lend, until a new invite says more",
  {},
  async (lab) => {
    const { invite } = await startRelay(lab.relay);
    const { invite: rentOnly } = await lab.relay.json(["network", "invite", "--grant", "rent"]);
    await lab.provider.json(["network", "join", "-"], { stdin: rentOnly });
    for (const role of ["provider", "relay"]) {
      await lab.provider.fails([role], { exit: 6, code: "not-allowed" });
    }
    await startProvider(lab.provider, invite, ["--dry-run"]);
    await lab.consumer.json(["network", "join", "-"], { stdin: invite });
    const vm = await lab.consumer.json(["consumer", "request", "--dry-run"]);
    assertEquals(vm.state, "ready", "the VM's state");
  },
);

e2e("leave takes effect in a running node at once", {}, async (lab) => {
  const { invite, ready } = await startRelay(lab.relay);
  const [node] = await lab.consumer.node(["mesh", "run"]);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  assertEquals(
    (await lab.consumer.json(["mesh", "status"])).networks.length,
    1,
    "networks after join",
  );
  await lab.consumer.json(["network", "leave", ready.networks[0].name]);
  assertEquals(
    (await lab.consumer.json(["mesh", "status"])).networks.length,
    0,
    "networks after leave",
  );
  await node.stop();
});

e2e("an exported network lives on elsewhere after its founder is lost", {}, async (lab) => {
  const { node, ready } = await startRelay(lab.relay);
  const exported = await lab.relay.json(["network", "export", ready.networks[0].id]);
  await node.stop();
  const heir = lab.addState(lab.relay, "r2");
  const { network } = await heir.json(["network", "import", "-"], { stdin: exported.export });
  assertEquals(network.id, ready.networks[0].id, "the network's id");
  await heir.json(["mesh", "stop"]);
  const advertise = heir.isOnLoopback ? ["--advertise", "127.0.0.1"] : [];
  await heir.node(["relay", ...advertise]);
  const made = await heir.json(["network", "invite"]);
  const joined = await lab.consumer.json(["network", "join", "-"], { stdin: made.invite });
  assertEquals(joined.network.id, network.id, "the network that was joined");
});

e2e("names with quotes, newlines and YAML in them are refused or stay data", {}, async (lab) => {
  const usage = { exit: 2, code: /^(usage|bad-ssh-key)$/ };
  for (const alias of ["Big", "a b", "a\nb", "'; reboot", "-rf", "é", "a".repeat(33)]) {
    await lab.relay.fails(["mesh", "run", `--alias=${alias}`], usage);
  }
  const hostile = 'x"; echo $(id)\n- yaml: [1';
  const outcome = await lab.relay.run(["network", "create", hostile, "--json"]);
  if (outcome.code === 0) {
    assertEquals(JSON.parse(outcome.stdout).network.name, hostile, "the name");
    const text = await lab.relay.run(["network", "list"]);
    assert(!text.stdout.includes(hostile), "control characters reach the terminal");
  } else {
    assertEquals(outcome.code, 2, `exit status (${outcome.stderr})`);
  }
});

e2e("an unknown peer is not found, an ambiguous one names the candidates", {}, async (lab) => {
  const { invite } = await startRelay(lab.relay);
  await twins(lab, invite);
  await lab.consumer.json(["network", "join", "-"], { stdin: invite });
  await lab.consumer.fails(["mesh", "ping", "nobody", "--count", "1"], {
    exit: 3,
    code: /^(not-found|no-node)$/,
  });
  const error = await lab.consumer.fails(["consumer", "request", "--dry-run", "--peer", "twin"], {
    exit: 3,
    code: "ambiguous",
  });
  assert(JSON.stringify(error).length > 60, "the error names no candidates");
});

/** Two providers of one alias. */
async function twins(lab: Lab, invite: string): Promise<void> {
  await startProvider(lab.provider, invite, ["--dry-run", "--alias", "twin"]);
  await startProvider(lab.addState(lab.provider, "p2"), invite, ["--dry-run", "--alias", "twin"]);
}
