/**
 * What of this system decides whether KVM works and how well QEMU can be confined, apart from trying:
 * the device and our right to it, the modules' parameters, the switches of user namespaces.
 *
 * @module
 */
import { bootId } from "../system.ts";

const DEVICE = "/dev/kvm";
const MODULES = ["kvm", "kvm_intel", "kvm_amd"];
/** What keeps ordinary users from namespaces of their own, by the value that does. */
const SWITCHES = {
  "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
  "/proc/sys/kernel/unprivileged_userns_clone": "0",
  "/proc/sys/user/max_user_namespaces": "0",
} as const;

/** The device and who we are to it. */
export interface KvmAccess {
  /** `null`: there is no such device. */
  readonly device: { readonly mode: number; readonly uid: number; readonly gid: number } | null;
  readonly uid: number;
  readonly groups: readonly number[];
  /** The name of the device's group; `null` where it has none. */
  readonly groupName: string | null;
  /** Our name, or our number where we have none. */
  readonly userName: string;
}

/** Looks at the device. */
export function kvmAccess(): KvmAccess {
  const info = statOrNull(DEVICE);
  const uid = Deno.uid() ?? 0;
  const device = info === null
    ? null
    : { mode: (info.mode ?? 0) & 0o777, uid: info.uid ?? 0, gid: info.gid ?? 0 };
  return {
    device,
    uid,
    groups: ownGroups(),
    groupName: device === null ? null : nameOf("/etc/group", device.gid),
    userName: nameOf("/etc/passwd", uid) ?? String(uid),
  };
}

/**
 * What a person can do so that KVM can be opened; `null` where it can be, or nothing is known to help.
 */
export function kvmRemedy(access: KvmAccess): string | null {
  const { device, uid, groups, groupName, userName } = access;
  if (device === null) {
    return "switch virtualisation on in the machine's firmware, and load kvm_intel or kvm_amd";
  }
  const isOpen = uid === 0 || (device.mode & 0o006) === 0o006 ||
    device.uid === uid || groups.includes(device.gid) && (device.mode & 0o060) === 0o060;
  if (isOpen) return null;
  const isForGroup = device.gid !== 0 && (device.mode & 0o060) === 0o060;
  return isForGroup
    ? `add ${userName} to group ${groupName ?? device.gid} (usermod -aG ${
      groupName ?? device.gid
    } ${userName}), then log in anew and start the provider again`
    : `let the user ${userName} read and write ${DEVICE}: it has mode ${
      device.mode.toString(8).padStart(4, "0")
    }`;
}

/** A text that changes whenever another verdict could come out. */
export function kvmCircumstances(): string {
  const info = statOrNull(DEVICE);
  const { uid, groups } = kvmAccess();
  const device = info === null ? "none" : [info.dev, info.ino, info.mode, info.uid, info.gid];
  const switches = Object.keys(SWITCHES).map(readOrEmpty);
  return JSON.stringify([bootId(), device, uid, groups, moduleParameters(), switches]);
}

/** The switch that keeps ordinary users from user namespaces, and its remedy; `null`: none does. */
export function userNamespaceRemedy(): string | null {
  for (const [path, value] of Object.entries(SWITCHES)) {
    if (readOrEmpty(path) !== value) continue;
    const name = path.slice("/proc/sys/".length).replaceAll("/", ".");
    return name === "user.max_user_namespaces"
      ? `allow user namespaces (sysctl -w ${name}=10000)`
      : `allow user namespaces to ordinary users (sysctl -w ${name}=${value === "1" ? 0 : 1})`;
  }
  return null;
}

function moduleParameters(): string[] {
  return MODULES.flatMap((module) => {
    const folder = `/sys/module/${module}/parameters`;
    try {
      const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
      return names.map((name) => `${module}.${name}=${readOrEmpty(`${folder}/${name}`)}`);
    } catch {
      return []; // the module is not there
    }
  });
}

/** Our groups. Source: proc(5), `Groups` of `status`. */
function ownGroups(): number[] {
  const [, groups = ""] = /^Groups:\t(.*)$/m.exec(readOrEmpty("/proc/self/status")) ?? [];
  const own = [Deno.gid() ?? 0, ...groups.split(" ").filter((text) => text !== "").map(Number)];
  return [...new Set(own)].sort((a, b) => a - b);
}

function nameOf(file: string, id: number): string | null {
  const line = readOrEmpty(file).split("\n").find((text) => text.split(":")[2] === String(id));
  return line?.split(":")[0] ?? null;
}

function statOrNull(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch {
    return null; // what cannot be looked at cannot be used
  }
}

function readOrEmpty(path: string): string {
  try {
    return Deno.readTextFileSync(path).trimEnd();
  } catch {
    return ""; // this system has no such switch
  }
}
