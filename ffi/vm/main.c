/*
 * omerta-vm: launches, confines and watches one virtual machine. See README.md.
 *
 *   omerta-vm run VMDIR < spec     one line of JSON on stdout, then serves VMDIR/ctl.sock
 *   omerta-vm probe < spec         boots under KVM to see whether it works; one line of JSON
 */
#include "run.h"

#include <string.h>

#ifdef OMERTA_SANITIZE
/* Looking for leaks traces the process, which it forbids; and it frees nothing at its end. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "detect_leaks=0:log_path=/tmp/omerta-vm-asan";
}
#endif

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "run") == 0) return run(argv[2]);
  if (argc == 2 && strcmp(argv[1], "probe") == 0) return probe();
  struct failure failure;
  fail(&failure, "usage", "omerta-vm run VMDIR < spec, or omerta-vm probe < spec");
  return print_failure(&failure);
}
