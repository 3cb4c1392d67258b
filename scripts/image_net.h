/* What the guest's init asks of the kernel: links, addresses, a route, a WireGuard peer. */
#ifndef IMAGE_NET_H
#define IMAGE_NET_H

#include <netinet/in.h>

#define WG_KEY 32

/* A WireGuard device with its only peer, which may send from and receive at one IPv6 address. */
struct wg_settings {
  unsigned char private_key[WG_KEY], peer_key[WG_KEY];
  struct sockaddr_in endpoint;
  struct in6_addr peer_address;
  unsigned short listen_port, keepalive_s;
};

/* All return 0, or -1 with errno. `index` is an interface's index. */
int net_add_wireguard(const char *name);
int net_link_up(unsigned index, unsigned mtu); /* mtu 0: as it is */
int net_add_address(unsigned index, int family, const void *address, int prefix);
int net_add_route(unsigned index, const struct in6_addr *to);
int wg_set(unsigned index, const struct wg_settings *settings);

/* Decodes the base64 form of a 32-byte key, up to the first character that is not base64's. */
int decode_key(const char *base64, unsigned char key[WG_KEY]);

#endif
