/*
 * PID 1 of the guest image `micro`: from the kernel to sshd behind WireGuard, and the guest's end.
 *
 *   mounts ─▶ modules ─▶ entropy ─▶ eth0 ─▶ wg0 ─▶ /data ─▶ sshd ─▶ wipe secrets
 *     │                                                                  ▼
 *     └ omerta.probe=1 on the kernel's command line:            print "OMERTA-READY",
 *       print "OMERTA-PROBE" and end                            reap until told to end
 *
 * A program and not a script: each process that a script starts costs about 5 ms under emulation
 * (measured: 0.14 s of 1.65 s in all), and nothing that a renter wrote passes through a shell. It
 * starts two others at most, mke2fs and sshd. What it stands on is in image_system.c, its netlink in
 * image_net.c.
 *
 * What the guest is told stands in /omerta (src/vm/guest_seed.ts). What must be for anybody to
 * reach the guest ends it when it fails, with the reason on the console as "OMERTA-FAILED …"; a
 * disk that cannot be used is only reported.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image_net.h"
#include "image_system.h"

#define SEED "/omerta/"
#define ENTROPY_BYTES 64
#define TUNNEL_MTU 1280

/*
 * The guest calls its renter as soon as it can, and again until it is heard: whoever calls a guest
 * that has not booted waits for WireGuard's next try, 5 s later (REKEY_TIMEOUT of its paper, §6.1).
 */
#define KEEPALIVE_S 5

/* How long processes may take to end after SIGTERM, in ms: a guess; their files end with them. */
#define FAREWELL_MS 500

/* --- what the guest is told ------------------------------------------------------------------- */

/*
 * Gives the generator the host's random bytes, and credit for them, so that no key is ever drawn
 * from a poor one. By the seed, which is there anyhow: virtio-rng would be one more device for a
 * hostile guest to talk to, and the CPU's own generator is not there on every host.
 */
static void seed_entropy(void) {
  struct {
    struct rand_pool_info info;
    char bytes[ENTROPY_BYTES + 1];
  } seed = {.info = {.entropy_count = ENTROPY_BYTES * 8, .buf_size = ENTROPY_BYTES}};
  int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
  if (fd < 0 ||
      read_file(SEED "entropy", (char *)seed.info.buf, sizeof seed.bytes) != ENTROPY_BYTES)
    fail("entropy");
  require(ioctl(fd, RNDADDENTROPY, &seed), "entropy");
  ioctl(fd, RNDRESEEDCRNG); /* Linux mixes it in by itself within a minute; here at once */
  close(fd);
  explicit_bzero(&seed, sizeof seed);
}

static struct {
  char hostname[64];
  struct in6_addr address, peer_address;
  char address_text[INET6_ADDRSTRLEN];
  unsigned char peer_key[WG_KEY];
} told;

static void read_key(const char *base64, unsigned char *key, const char *step) {
  errno = EINVAL;
  require(decode_key(base64, key), step);
}

static void take_setting(const char *line) {
  const char *value = strchr(line, '=');
  if (!value) return;
  size_t name = (size_t)(value++ - line);
#define IS(word) (name == strlen(word) && !memcmp(line, word, name))
  if (IS("HOSTNAME")) snprintf(told.hostname, sizeof told.hostname, "%s", value);
  if (IS("ADDRESS")) snprintf(told.address_text, sizeof told.address_text, "%s", value);
  if (IS("PEER_PUBLIC_KEY")) read_key(value, told.peer_key, "peer key");
  if (IS("PEER_ADDRESS") && inet_pton(AF_INET6, value, &told.peer_address) != 1)
    fail("peer address");
#undef IS
}

static void read_seed(void) {
  char text[TEXT_MAX];
  require(read_file(SEED "env", text, sizeof text) < 0 ? -1 : 0, "seed");
  each_line(text, take_setting);
  if (inet_pton(AF_INET6, told.address_text, &told.address) != 1) fail("address");
}

static void set_hostname(void) {
  char hosts[256];
  sethostname(told.hostname, strlen(told.hostname));
  snprintf(hosts, sizeof hosts, "127.0.0.1 localhost\n::1 localhost\n%s %s\n", told.address_text,
           told.hostname);
  write_file("/etc/hosts", hosts);
}

/* --- network ---------------------------------------------------------------------------------- */

/* The virtio NIC appears a moment after its driver, when the driver probes in the background. */
static unsigned wait_for_nic(void) {
  for (int tries = 0; tries < 500; tries++) {
    unsigned index = if_nametoindex("eth0");
    if (index) return index;
    usleep(4000);
  }
  errno = ENODEV;
  fail("eth0");
  return 0;
}

static void bring_up_eth0(void) {
  struct in_addr address = {inet_addr("10.0.2.15")};
  unsigned nic = wait_for_nic();
  /* only WireGuard's datagrams leave here: no IPv6, no router, no route beyond 10.0.2.0/24 */
  write_file("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1");
  require(net_link_up(if_nametoindex("lo"), 0), "lo");
  require(net_add_address(nic, AF_INET, &address, 24), "eth0 address");
  require(net_link_up(nic, 0), "eth0 up");
}

static void bring_up_wg0(void) {
  char text[128];
  struct wg_settings wg = {.listen_port = 51820,
                           .endpoint = {.sin_family = AF_INET,
                                        .sin_port = htons(51820),
                                        .sin_addr = {inet_addr("10.0.2.2")}},
                           .peer_address = told.peer_address,
                           .keepalive_s = KEEPALIVE_S};
  memcpy(wg.peer_key, told.peer_key, WG_KEY);
  require(read_file(SEED "wg.key", text, sizeof text) < 0 ? -1 : 0, "wg.key");
  read_key(text, wg.private_key, "wg.key");
  require(net_add_wireguard("wg0"), "wg0");
  unsigned index = if_nametoindex("wg0");
  require(wg_set(index, &wg), "wg0 keys");
  explicit_bzero(&wg, sizeof wg);
  explicit_bzero(text, sizeof text);
  require(net_add_address(index, AF_INET6, &told.address, 128), "wg0 address");
  require(net_link_up(index, TUNNEL_MTU), "wg0 up");
  require(net_add_route(index, &told.peer_address), "wg0 route");
}

/* --- programs --------------------------------------------------------------------------------- */

/* Starts a program; its process, or -1. Apart from its callers, whose variables vfork shares. */
static __attribute__((noinline)) pid_t start(const char *path, char *const argv[]) {
  pid_t child = vfork();
  if (child == 0) {
    execv(path, argv);
    _exit(127);
  }
  return child;
}

/* Runs a program to its end; its exit status, or -1. */
static int run(const char *path, char *const argv[]) {
  int status;
  pid_t child = start(path, argv);
  if (child < 0) return -1;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int has_disk(void) {
  char path[64], text[16];
  for (int i = 0; i < 16; i++) {
    snprintf(path, sizeof path, "/sys/bus/virtio/devices/virtio%d/device", i);
    if (read_file(path, text, sizeof text) > 0 && !strncmp(text, "0x0002", 6)) return 1;
  }
  return 0;
}

/* Whether the disk's beginning is empty: nothing else is ever formatted. */
static int is_blank(const char *disk) {
  static char head[65536];
  int fd = open(disk, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t count = read(fd, head, sizeof head);
  close(fd);
  for (ssize_t i = 0; i < count; i++)
    if (head[i]) return 0;
  return count > 0;
}

static int mount_disk(void) { return mount("/dev/vda", "/data", "ext4", MS_NOATIME, NULL); }

/* Mounts the disk at /data. It goes away with the guest, so a new file system has no journal. */
static void bring_up_data(void) {
  static char *const make[] = {"mke2fs",
                               "-q",
                               "-F",
                               "-t",
                               "ext4",
                               "-m",
                               "0",
                               "-O",
                               "^has_journal",
                               "-E",
                               "lazy_itable_init=1,nodiscard,root_owner=0:0",
                               "/dev/vda",
                               NULL};
  if (!has_disk()) return;
  load_modules("/lib/modules/disk");
  if (is_blank("/dev/vda") && run("/usr/sbin/mke2fs", make) != 0)
    say("omerta: /data: mke2fs failed\n");
  if (mount_disk() < 0) say("omerta: /data: %s\n", strerror(errno));
}

#define NOTIFY_SOCKET "/run/omerta-notify"

/* A socket to which the next program says that it is ready: sd_notify(3). */
static int open_notify(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NOTIFY_SOCKET};
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return -1;
  return setenv("NOTIFY_SOCKET", NOTIFY_SOCKET, 1) < 0 ? -1 : fd;
}

static void close_notify(int fd) {
  close(fd);
  unlink(NOTIFY_SOCKET);
  unsetenv("NOTIFY_SOCKET");
}

/* Waits for the word that a program is ready; 0 where it ends before. */
static int is_notified(int fd, pid_t program) {
  char text[256] = "";
  int end = (int)syscall(SYS_pidfd_open, program, 0);
  struct pollfd either[] = {{.fd = fd, .events = POLLIN}, {.fd = end, .events = POLLIN}};
  while (end >= 0 && !strstr(text, "READY=1") && !either[1].revents) {
    if (poll(either, 2, -1) < 0 && errno != EINTR) break;
    ssize_t count = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[count > 0 ? count : 0] = 0;
  }
  if (end >= 0) close(end);
  return strstr(text, "READY=1") != NULL;
}

/*
 * Starts sshd, whose settings are those of the image (/etc/ssh/sshd_config), and waits until it
 * listens, which it says as it would to systemd. It keeps its host key in memory only: with -r it
 * forks for a connection where it would otherwise execute itself anew (sshd.c, rexec_flag), which
 * is slower under emulation, too, and would need the host key as a file for ever.
 */
static void start_sshd(void) {
  char tunnel[INET6_ADDRSTRLEN + 32];
  snprintf(tunnel, sizeof tunnel, "ListenAddress=[%s]:22", told.address_text);
  char *argv[] = {"/usr/sbin/sshd", "-D", "-e", "-r", "-h", SEED "ssh_host_key", "-o", tunnel,
                  NULL,             NULL, NULL};
  if (is_asked("omerta.bare=1")) { /* for measurements of the boot alone */
    argv[8] = "-o";
    argv[9] = "ListenAddress=10.0.2.15:22";
  }
  require(rename(SEED "authorized_keys", "/root/.ssh/authorized_keys"), "authorized_keys");
  int words = open_notify();
  require(words, "sshd");
  pid_t sshd = start(argv[0], argv);
  require(sshd, "sshd");
  if (!is_notified(words, sshd)) {
    errno = ECHILD;
    fail("sshd");
  }
  close_notify(words);
}

static void wipe_seed(void) {
  wipe(SEED "env");
  wipe(SEED "wg.key");
  wipe(SEED "ssh_host_key");
  wipe(SEED "entropy");
  rmdir(SEED);
}

/* --- life and end ----------------------------------------------------------------------------- */

/* Tells every process to end, waits a little, and ends the guest. */
static void shut_down(int how, const sigset_t *signals) {
  struct timespec wait = {.tv_nsec = FAREWELL_MS * 1000000L};
  kill(-1, SIGTERM);
  for (pid_t ended; (ended = waitpid(-1, NULL, WNOHANG)) >= 0;)
    if (ended == 0 && sigtimedwait(signals, NULL, &wait) < 0 && errno == EAGAIN) break;
  kill(-1, SIGKILL);
  umount2("/data", MNT_DETACH);
  end_guest(how);
}

/* Reaps what nobody waits for, until `poweroff`, `halt` or `reboot` (which signal PID 1) is called.
 */
static void live(const sigset_t *signals) {
  for (;;) {
    int signal = sigwaitinfo(signals, NULL);
    if (signal == SIGCHLD)
      while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    if (signal == SIGUSR1 || signal == SIGUSR2) shut_down(RB_POWER_OFF, signals);
    if (signal == SIGTERM || signal == SIGINT) shut_down(RB_AUTOBOOT, signals);
  }
}

static void hold_signals(sigset_t *signals) {
  static const int held[] = {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
  sigemptyset(signals);
  for (size_t i = 0; i < sizeof held / sizeof *held; i++) sigaddset(signals, held[i]);
  reboot(RB_DISABLE_CAD); /* ctrl-alt-del is a signal too */
}

int main(void) {
  sigset_t signals;
  mount_all();
  open_console();
  if (is_asked("omerta.probe=1")) {
    say("OMERTA-PROBE\n");
    end_guest(RB_AUTOBOOT);
  }
  hold_signals(&signals);
  load_modules("/lib/modules/boot");
  seed_entropy();
  read_seed();
  set_hostname();
  bring_up_eth0();
  bring_up_wg0();
  bring_up_data();
  start_sshd();
  wipe_seed();
  sigprocmask(SIG_BLOCK, &signals, NULL); /* not before: children would inherit it */
  say("OMERTA-READY\n");
  live(&signals);
}
