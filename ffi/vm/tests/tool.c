/*
 * A tool for tests in other languages, which can neither pass descriptors nor wait for a process
 * that is not their child.
 *
 *   tool attach CTL_SOCK [seqpacket]   attaches a socketpair; prints the helper's answer, then each
 *                                      datagram from the guest in hex; sends each line of hex on
 *                                      stdin to the guest ("refused" where there is
 *                                      no other end any more); ends with stdin
 *   tool await PID…                    prints "waiting", and "gone" when none of them runs, or
 *                                      "alive" after a minute
 *   tool as UID GROUP PROGRAM …        runs a program as another user with one more group
 *   tool without WORD,… PROGRAM …      runs a program to which the kernel refuses, as containers do,
 *                                      user-ns, namespaces, mounts, landlock, fallocate
 */
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Longer than anything that is awaited; a test that never ended would hold up all others. */
#define AWAIT_MS 60000

static _Noreturn void die(const char *what) {
  perror(what);
  exit(1);
}

static void pass(int to, int fd) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
  } rights = {.header = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET,
                         .cmsg_type = SCM_RIGHTS}};
  struct iovec part = {"attach\n", 7};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights,
                           .msg_controllen = sizeof rights};
  memcpy(CMSG_DATA(&rights.header), &fd, sizeof fd);
  if (sendmsg(to, &message, MSG_NOSIGNAL) != 7) die("sendmsg");
}

static int attach_to(const char *path, int type) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char answer[4096];
  int pair[2];
  int control = socket(AF_UNIX, SOCK_STREAM, 0);
  if (strlen(path) >= sizeof address.sun_path) die("path");
  strcpy(address.sun_path, path);
  if (connect(control, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
  if (socketpair(AF_UNIX, type, 0, pair) < 0) die("socketpair");
  pass(control, pair[1]);
  close(pair[1]);
  ssize_t got = read(control, answer, sizeof answer);
  if (got <= 0) die("answer");
  fwrite(answer, 1, (size_t)got, stdout);
  fflush(stdout);
  close(control);
  return pair[0];
}

static void print_hex(const unsigned char *bytes, ssize_t length) {
  for (ssize_t i = 0; i < length; i++) printf("%02x", bytes[i]);
  printf("\n");
  fflush(stdout);
}

static int send_hex(int fd, const char *line) {
  unsigned char bytes[8192];
  size_t length = 0;
  for (; line[0] > ' ' && line[1] > ' ' && length < sizeof bytes; line += 2)
    if (sscanf(line, "%2hhx", &bytes[length++]) != 1) die("hex");
  return send(fd, bytes, length, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void run_attached(int fd) {
  static char line[32768];
  unsigned char bytes[8192];
  struct pollfd set[] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  setvbuf(stdin, NULL, _IONBF, 0);
  while (poll(set, 2, -1) > 0) {
    if (set[0].revents && fgets(line, sizeof line, stdin) == NULL) return;
    if (set[0].revents && send_hex(fd, line) < 0) printf("refused\n"), fflush(stdout);
    if (!set[1].revents) continue;
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got > 0) print_hex(bytes, got);
    if (got == 0 || (set[1].revents & POLLHUP)) {
      printf("end\n");
      return;
    }
  }
}

static bool await_one(const char *text) {
  int pidfd = (int)syscall(SYS_pidfd_open, atoi(text), 0);
  if (pidfd < 0 && errno != ESRCH) die("pidfd_open");
  if (pidfd < 0) return true;
  struct pollfd set = {.fd = pidfd, .events = POLLIN};
  bool gone = poll(&set, 1, AWAIT_MS) > 0;
  close(pidfd);
  return gone;
}

static struct sock_filter filter[64];
static unsigned short filter_length;

static void emit(struct sock_filter instruction) {
  filter[filter_length++] = instruction;
}

/* Refuses a call, or only that whose first argument has one of `bits`. */
static void refuse(int call, unsigned bits, int error) {
  struct sock_filter give = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
  emit((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
  emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, bits ? 3 : 1));
  if (bits) {
    emit((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)));
    emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
  }
  emit(give);
}

static void refuse_word(const char *word) {
  unsigned others = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                    CLONE_NEWCGROUP;
  bool namespaces = strcmp(word, "namespaces") == 0;
  if (namespaces || strcmp(word, "user-ns") == 0) {
    refuse(SYS_clone, CLONE_NEWUSER | (namespaces ? others : 0), EPERM);
    refuse(SYS_unshare, CLONE_NEWUSER | (namespaces ? others : 0), EPERM);
  }
  if (strcmp(word, "mounts") == 0) refuse(428 /* open_tree */, 0, EPERM);
  if (strcmp(word, "fallocate") == 0) refuse(SYS_fallocate, 0, EOPNOTSUPP);
  if (strcmp(word, "landlock") == 0) refuse(444 /* landlock_create_ruleset */, 0, ENOSYS);
}

static void run_without(char *words, char **command) {
  for (char *word = strtok(words, ","); word != NULL; word = strtok(NULL, ",")) refuse_word(word);
  emit((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  struct sock_fprog program = {.len = filter_length, .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) die("no_new_privs");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0) die("seccomp");
  execvp(command[0], command);
  die(command[0]);
}

static void run_as(char **words) {
  gid_t group = (gid_t)atoi(words[1]);
  uid_t uid = (uid_t)atoi(words[0]);
  if (setgroups(1, &group) < 0 || setgid(uid) < 0 || setuid(uid) < 0) die("user");
  execvp(words[2], words + 2);
  die(words[2]);
}

int main(int argc, char **argv) {
  if (argc >= 5 && strcmp(argv[1], "as") == 0) run_as(argv + 2);
  if (argc >= 4 && strcmp(argv[1], "without") == 0) run_without(argv[2], argv + 3);
  if (argc >= 3 && strcmp(argv[1], "attach") == 0) {
    run_attached(attach_to(argv[2], argc > 3 ? SOCK_SEQPACKET : SOCK_DGRAM));
    return 0;
  }
  if (argc < 3 || strcmp(argv[1], "await") != 0) return 2;
  printf("waiting\n");
  fflush(stdout);
  bool gone = true;
  for (int i = 2; i < argc && gone; i++) gone = await_one(argv[i]);
  printf(gone ? "gone\n" : "alive\n");
  return 0;
}
