/* Tests of folder.c: seed and disk lose their names, and nothing else does. */
#include "../folder.h"
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64], path[80];
static struct folder folder;
static struct failure failure;

static void make(const char *at) {
  int fd = open(at, O_CREAT | O_EXCL | O_WRONLY, 0600);
  CHECK(fd >= 0);
  close(fd);
}

static int open_seed(void) {
  folder = (struct folder){.dir = -1, .lock = -1, .listener = -1, .log = -1, .console = -1,
                           .exit_file = -1, .seed = {.dir = -1}, .disk = {.dir = -1}};
  return doomed_open(&folder.seed, path, O_RDONLY, &failure);
}

static void begin(void) {
  strcpy(base, "/tmp/omerta-vm-XXXXXX");
  CHECK(mkdtemp(base) != NULL);
  snprintf(path, sizeof path, "%s/seed", base);
}

static void end(int fd) {
  close(fd);
  unlink(path);
  CHECK(rmdir(base) == 0);
}

static void removes_the_file_it_opened(void) {
  begin();
  make(path);
  int fd = open_seed();
  CHECK(fd >= 0);
  folder_forget(&folder);
  CHECK(access(path, F_OK) < 0);
  folder_forget(&folder); /* again: there is nothing to remove */
  end(fd);
}

/* A node that wrote the next seed meanwhile would lose it. */
static void leaves_another_file_of_that_name(void) {
  begin();
  make(path);
  int fd = open_seed();
  CHECK(fd >= 0 && unlink(path) == 0);
  make(path);
  folder_forget(&folder);
  CHECK(access(path, F_OK) == 0);
  end(fd);
}

static void leaves_a_link_of_that_name(void) {
  begin();
  make(path);
  int fd = open_seed();
  CHECK(fd >= 0 && unlink(path) == 0 && symlink("/etc/passwd", path) == 0);
  folder_forget(&folder);
  CHECK(unlink(path) == 0);
  end(fd);
}

static void refuses_what_is_no_file(void) {
  begin();
  CHECK(symlink("/etc/passwd", path) == 0);
  CHECK(open_seed() == -1 && folder.seed.dir == -1);
  CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
  CHECK(open_seed() == -1 && folder.seed.dir == -1);
  CHECK_TEXT(failure.code, "vm-failed");
  folder_forget(&folder);
  CHECK(rmdir(path) == 0);
  end(-1);
}

int main(void) {
  static const struct test tests[] = {
      {"a file loses its name", removes_the_file_it_opened},
      {"another file of that name keeps it", leaves_another_file_of_that_name},
      {"a link of that name is left alone", leaves_a_link_of_that_name},
      {"a link or a folder is no file to open", refuses_what_is_no_file},
  };
  return RUN_TESTS("folder", tests);
}
