/**
 * `HOST:PORT` as an invite carries it: an address, or a name that the joiner looks up. Strict, lower
 * case, no user part, no zone.
 *
 * @module
 */
import { addressScope, formatAddress, parseAddress } from "../wire/mod.ts";

/** The longest text: a name of 253 characters (RFC 1035 §2.3.4), a colon, five digits. */
export const HOST_PORT_CHARS_MAX = 259;

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const NAME_PORT = new RegExp(`^((?:${LABEL}\\.)*${LABEL}):([1-9][0-9]{0,4})$`);

/** Whether `text` is a canonical `IP:PORT`, `[V6]:PORT` or `name:PORT` to which one can send. */
export function isHostPort(text: string): boolean {
  if (text.length > HOST_PORT_CHARS_MAX) return false;
  const address = parseAddress(text);
  if (address.ok) {
    return formatAddress(address.value) === text && addressScope(address.value.ip) !== "unusable";
  }
  const [, name, port] = NAME_PORT.exec(text) ?? [];
  return name !== undefined && name.length <= 253 && Number(port) <= 65_535 &&
    !/^[0-9.]+$/.test(name); // digits and dots only: an address that parseAddress refused
}

/** Whether nobody beyond this LAN can use `text`; a name other than localhost is taken as public. */
export function isLanOnly(text: string): boolean {
  const address = parseAddress(text);
  return address.ok
    ? addressScope(address.value.ip) !== "global"
    : /^(?:.*\.)?localhost:/.test(text);
}
