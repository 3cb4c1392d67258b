/*
 * Netlink for the guest's init: one request, one acknowledgement, over a socket per request.
 *
 *   nlmsghdr | family header | attributes: length, type, value, padded to 4; may hold attributes
 *
 * Source: linux/rtnetlink.h, linux/wireguard.h (the protocol of `wg`), linux/genetlink.h.
 */
#define _GNU_SOURCE
#include "image_net.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX 1024

/* A request that is being put together. Everything fits: the callers are all in this file. */
struct request {
  struct nlmsghdr header;
  char body[MESSAGE_MAX];
};

static void *append(struct request *request, const void *data, size_t length) {
  void *at = (char *)request + NLMSG_ALIGN(request->header.nlmsg_len);
  memcpy(at, data, length);
  request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + (unsigned)length;
  return at;
}

static void begin(struct request *request, int type, int flags, const void *family, size_t length) {
  memset(request, 0, sizeof *request);
  request->header.nlmsg_len = NLMSG_HDRLEN;
  request->header.nlmsg_type = (unsigned short)type;
  request->header.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags);
  append(request, family, length);
}

static void put(struct request *request, int type, const void *value, size_t length) {
  struct nlattr attribute = {.nla_len = (unsigned short)(NLA_HDRLEN + length),
                             .nla_type = (unsigned short)type};
  append(request, &attribute, sizeof attribute);
  append(request, value, length);
}

static struct nlattr *open_nest(struct request *request, int type) {
  struct nlattr nest = {.nla_len = NLA_HDRLEN, .nla_type = (unsigned short)(type | NLA_F_NESTED)};
  return append(request, &nest, sizeof nest);
}

static void close_nest(struct request *request, struct nlattr *nest) {
  nest->nla_len = (unsigned short)((char *)request + request->header.nlmsg_len - (char *)nest);
}

/* Sends a request and reads the first answer into `reply`: its length, or -1 with errno. */
static ssize_t exchange(int protocol, struct request *request, void *reply, size_t capacity) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -1;
  ssize_t count = send(fd, request, request->header.nlmsg_len, 0);
  if (count >= 0) count = recv(fd, reply, capacity, 0);
  close(fd);
  return count;
}

/* Sends a request and waits for its acknowledgement. */
static int transact(int protocol, struct request *request) {
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
    char rest[MESSAGE_MAX];
  } reply;
  ssize_t count = exchange(protocol, request, &reply, sizeof reply);
  if (count < 0) return -1;
  int is_answer = (size_t)count >= NLMSG_LENGTH(sizeof reply.error) &&
                  reply.header.nlmsg_type == NLMSG_ERROR;
  errno = is_answer ? -reply.error.error : EPROTO;
  return errno ? -1 : 0;
}

int net_add_wireguard(const char *name) {
  struct request request;
  struct ifinfomsg family = {.ifi_family = AF_UNSPEC};
  begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &family, sizeof family);
  put(&request, IFLA_IFNAME, name, strlen(name) + 1);
  struct nlattr *info = open_nest(&request, IFLA_LINKINFO);
  put(&request, IFLA_INFO_KIND, "wireguard", sizeof "wireguard");
  close_nest(&request, info);
  return transact(NETLINK_ROUTE, &request);
}

int net_link_up(unsigned index, unsigned mtu) {
  struct request request;
  struct ifinfomsg family = {.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  begin(&request, RTM_NEWLINK, 0, &family, sizeof family);
  if (mtu) put(&request, IFLA_MTU, &mtu, sizeof mtu);
  return transact(NETLINK_ROUTE, &request);
}

int net_add_address(unsigned index, int family, const void *address, int prefix) {
  struct request request;
  size_t length = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
  struct ifaddrmsg message = {.ifa_family = (unsigned char)family,
                              .ifa_prefixlen = (unsigned char)prefix,
                              .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
                              .ifa_index = index};
  begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof message);
  put(&request, IFA_LOCAL, address, length);
  put(&request, IFA_ADDRESS, address, length);
  return transact(NETLINK_ROUTE, &request);
}

int net_add_route(unsigned index, const struct in6_addr *to) {
  struct request request;
  struct rtmsg family = {.rtm_family = AF_INET6,
                         .rtm_dst_len = 128,
                         .rtm_table = RT_TABLE_MAIN,
                         .rtm_protocol = RTPROT_BOOT,
                         .rtm_scope = RT_SCOPE_UNIVERSE,
                         .rtm_type = RTN_UNICAST};
  begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &family, sizeof family);
  put(&request, RTA_DST, to, sizeof *to);
  put(&request, RTA_OIF, &index, sizeof index);
  return transact(NETLINK_ROUTE, &request);
}

/* The number under which the kernel's WireGuard is to be asked, or -1. */
static int wireguard_family(void) {
  struct request request;
  struct {
    struct nlmsghdr header;
    struct genlmsghdr family;
    char attributes[4 * MESSAGE_MAX];
  } reply;
  struct genlmsghdr family = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
  begin(&request, GENL_ID_CTRL, 0, &family, sizeof family);
  put(&request, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME, sizeof WG_GENL_NAME);
  ssize_t count = exchange(NETLINK_GENERIC, &request, &reply, sizeof reply);
  if (count < 0) return -1;
  char *end = (char *)&reply + count;
  for (char *at = reply.attributes;
       reply.header.nlmsg_type == GENL_ID_CTRL && at + NLA_HDRLEN < end;) {
    struct nlattr *attribute = (struct nlattr *)at;
    if (attribute->nla_type == CTRL_ATTR_FAMILY_ID) return *(unsigned short *)(at + NLA_HDRLEN);
    at += NLA_ALIGN(attribute->nla_len);
  }
  errno = ENOENT;
  return -1;
}

static void put_allowed_address(struct request *request, const struct in6_addr *address) {
  unsigned short family = AF_INET6;
  unsigned char prefix = 128;
  struct nlattr *list = open_nest(request, WGPEER_A_ALLOWEDIPS);
  struct nlattr *item = open_nest(request, 0);
  put(request, WGALLOWEDIP_A_FAMILY, &family, sizeof family);
  put(request, WGALLOWEDIP_A_IPADDR, address, sizeof *address);
  put(request, WGALLOWEDIP_A_CIDR_MASK, &prefix, sizeof prefix);
  close_nest(request, item);
  close_nest(request, list);
}

int wg_set(unsigned index, const struct wg_settings *settings) {
  struct request request;
  struct genlmsghdr family = {.cmd = WG_CMD_SET_DEVICE, .version = WG_GENL_VERSION};
  int number = wireguard_family();
  if (number < 0) return -1;
  begin(&request, number, 0, &family, sizeof family);
  put(&request, WGDEVICE_A_IFINDEX, &index, sizeof index);
  put(&request, WGDEVICE_A_PRIVATE_KEY, settings->private_key, WG_KEY);
  put(&request, WGDEVICE_A_LISTEN_PORT, &settings->listen_port, sizeof settings->listen_port);
  struct nlattr *list = open_nest(&request, WGDEVICE_A_PEERS);
  struct nlattr *peer = open_nest(&request, 0);
  put(&request, WGPEER_A_PUBLIC_KEY, settings->peer_key, WG_KEY);
  put(&request, WGPEER_A_ENDPOINT, &settings->endpoint, sizeof settings->endpoint);
  put(&request, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, &settings->keepalive_s,
      sizeof settings->keepalive_s);
  put_allowed_address(&request, &settings->peer_address);
  close_nest(&request, peer);
  close_nest(&request, list);
  int result = transact(NETLINK_GENERIC, &request);
  explicit_bzero(&request, sizeof request);
  return result;
}

int decode_key(const char *base64, unsigned char key[WG_KEY]) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned bits = 0, held = 0, length = 0;
  for (const char *at; *base64 && (at = strchr(letters, *base64)); base64++) {
    held = held << 6 | (unsigned)(at - letters);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    if (length == WG_KEY) return -1;
    key[length++] = (unsigned char)(held >> bits);
  }
  return length == WG_KEY ? 0 : -1;
}
