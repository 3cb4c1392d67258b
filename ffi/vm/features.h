/*
 * features: the named parts of the jail, and what may be missing of it.
 *
 * A part that the kernel refuses is left out, and its name is reported in `missing`. From that
 * follows the level:
 *
 *   full        nothing is missing
 *   namespaces  QEMU has its own network, processes and root directory; something else is missing
 *   landlock    not that, but Landlock bounds the files that it can open, and, with its ABI 6 or
 *               in a PID namespace, which processes it can signal
 *   basic       what is never left out: no new privileges, no capabilities, limits, QEMU's and
 *               our system call filters
 */
#ifndef OMERTA_FEATURES_H
#define OMERTA_FEATURES_H

#include "util.h"

enum feature {
  FEATURE_USER_NS,
  FEATURE_PID_NS,
  FEATURE_NET_NS,
  FEATURE_IPC_NS,
  FEATURE_UTS_NS,
  FEATURE_CGROUP_NS,
  FEATURE_MOUNT_NS,
  FEATURE_PRIVATE_ROOT,
  FEATURE_OWN_UID,
  FEATURE_LANDLOCK,
  FEATURE_OOM_SCORE,
  FEATURE_COUNT
};

#define HAS(features, name) (((features) >> FEATURE_##name) & 1u)
#define FEATURES_ALL ((1u << FEATURE_COUNT) - 1)

/* The name under which a feature is reported, such as "user-ns". */
const char *feature_name(enum feature feature);
/* The name of the level that is left without the features in `missing`, with that ABI of Landlock
 * (0: none). */
const char *feature_level(unsigned missing, int landlock_abi);
/* Adds `["user-ns",…]`. */
void feature_list(struct text *text, unsigned missing);
/* Features without those that cannot be had without `lost`, and without `lost` itself. */
unsigned features_without(unsigned features, enum feature lost, bool root);
/* The CLONE_NEW… flags of all namespaces among `features`. */
uint64_t feature_namespaces(unsigned features);

#endif
