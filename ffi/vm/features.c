/* features: see features.h. */
#include "features.h"

#include <sched.h>

static const struct {
  const char *name;
  uint64_t clone_flag;
} FEATURES[FEATURE_COUNT] = {
    [FEATURE_USER_NS] = {"user-ns", CLONE_NEWUSER},
    [FEATURE_PID_NS] = {"pid-ns", CLONE_NEWPID},
    [FEATURE_NET_NS] = {"net-ns", CLONE_NEWNET},
    [FEATURE_IPC_NS] = {"ipc-ns", CLONE_NEWIPC},
    [FEATURE_UTS_NS] = {"uts-ns", CLONE_NEWUTS},
    [FEATURE_CGROUP_NS] = {"cgroup-ns", CLONE_NEWCGROUP},
    [FEATURE_MOUNT_NS] = {"mount-ns", CLONE_NEWNS},
    [FEATURE_PRIVATE_ROOT] = {"private-root", 0},
    [FEATURE_OWN_UID] = {"own-uid", 0},
    [FEATURE_LANDLOCK] = {"landlock", 0},
    [FEATURE_OOM_SCORE] = {"oom-score", 0},
};

const char *feature_name(enum feature feature) {
  return FEATURES[feature].name;
}

/* The first ABI that keeps signals in: Linux 6.12. */
#define LANDLOCK_SCOPES 6

const char *feature_level(unsigned missing, int landlock_abi) {
  if (missing == 0) return "full";
  if (!HAS(missing, NET_NS) && !HAS(missing, PID_NS) && !HAS(missing, PRIVATE_ROOT))
    return "namespaces";
  bool keeps_signals = !HAS(missing, PID_NS) || landlock_abi >= LANDLOCK_SCOPES;
  return !HAS(missing, LANDLOCK) && keeps_signals ? "landlock" : "basic";
}

void feature_list(struct text *text, unsigned missing) {
  const char *comma = "";
  text_add(text, "[");
  for (enum feature feature = 0; feature < FEATURE_COUNT; feature++) {
    if (!((missing >> feature) & 1u)) continue;
    text_add(text, "%s\"%s\"", comma, feature_name(feature));
    comma = ",";
  }
  text_add(text, "]");
}

uint64_t feature_namespaces(unsigned features) {
  uint64_t flags = 0;
  for (enum feature feature = 0; feature < FEATURE_COUNT; feature++)
    if ((features >> feature) & 1u) flags |= FEATURES[feature].clone_flag;
  return flags;
}

unsigned features_without(unsigned features, enum feature lost, bool root) {
  features &= ~(1u << lost);
  if (lost == FEATURE_MOUNT_NS) features &= ~(1u << FEATURE_PRIVATE_ROOT);
  if (lost != FEATURE_USER_NS || root) return features;
  /* Without root, only a user namespace gives the right to the others. */
  for (enum feature feature = 0; feature < FEATURE_COUNT; feature++)
    if (FEATURES[feature].clone_flag != 0) features &= ~(1u << feature);
  return features & ~(1u << FEATURE_PRIVATE_ROOT);
}
