/*
 * A slow and lossy way for the lab, where the kernel has no tc netem: what is routed into its TUN device
 * comes out of the same device later, or not at all.
 *
 *     satellite DEVICE DELAY_MS LOSS_PER_MILLE SEED
 *
 * Says "ready" once the device is there, and runs until it is killed or its parent ends. The delay is the
 * same for every packet, so that none overtakes another; what is lost hangs on the seed alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { PACKET_BYTES_MAX = 2048, PACKETS_MAX = 8192 };

struct packet {
	int64_t due_ns;
	ssize_t bytes;
	uint8_t data[PACKET_BYTES_MAX];
};

/* Packets on their way, oldest first; a ring. One more than PACKETS_MAX at a time is lost. */
static struct packet ring[PACKETS_MAX];
static unsigned first, count;

static int64_t now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

/* xorshift64: Marsaglia, "Xorshift RNGs", 2003. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int open_device(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0) {
		fprintf(stderr, "satellite: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return device;
}

static void send_due(int device)
{
	for (; count > 0 && ring[first].due_ns <= now_ns(); count--) {
		struct packet *packet = &ring[first];

		if (write(device, packet->data, packet->bytes) < 0 && errno == EAGAIN)
			return;
		first = (first + 1) % PACKETS_MAX;
	}
}

static void take(int device, int64_t delay_ns, unsigned loss_per_mille, uint64_t *random)
{
	static struct packet spare;

	for (;;) {
		struct packet *packet = count < PACKETS_MAX ? &ring[(first + count) % PACKETS_MAX] : &spare;

		packet->bytes = read(device, packet->data, PACKET_BYTES_MAX);
		if (packet->bytes <= 0)
			return;
		packet->due_ns = now_ns() + delay_ns;
		if (packet != &spare && next_random(random) % 1000 >= loss_per_mille)
			count++;
	}
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "satellite DEVICE DELAY_MS LOSS_PER_MILLE SEED\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int device = open_device(argv[1]);
	int64_t delay_ns = atoll(argv[2]) * 1000000;
	unsigned loss_per_mille = atoi(argv[3]);
	uint64_t random = strtoull(argv[4], NULL, 10) * 2654435761u + 88172645463325252u;

	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd ready = { .fd = device, .events = POLLIN };
		int64_t wait_ns = count > 0 ? ring[first].due_ns - now_ns() : 1000000000;
		struct timespec wait = { .tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000 };

		if (wait_ns > 0 && ppoll(&ready, 1, &wait, NULL) < 0 && errno != EINTR)
			return 1;
		take(device, delay_ns, loss_per_mille, &random);
		send_due(device);
	}
}
