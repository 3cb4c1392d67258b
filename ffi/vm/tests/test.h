/*
 * test: the least that a test in C needs. Each test is a sentence and a function; the first that
 * does not hold ends the program with its place.
 */
#ifndef OMERTA_TEST_H
#define OMERTA_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                    \
    }                                                                             \
  } while (0)

#define CHECK_TEXT(is, wanted)                                                          \
  do {                                                                                  \
    const char *actual = (is);                                                           \
    if (strcmp(actual, (wanted)) != 0) {                                                   \
      fprintf(stderr, "%s:%d: is '%s', not '%s'\n", __FILE__, __LINE__, actual, (wanted)); \
      exit(1);                                                                          \
    }                                                                                   \
  } while (0)

struct test {
  const char *sentence;
  void (*run)(void);
};

static inline int run_tests(const char *part, const struct test *tests, size_t count) {
  for (size_t i = 0; i < count; i++) {
    tests[i].run();
    printf("ok %s: %s\n", part, tests[i].sentence);
  }
  return 0;
}

#define RUN_TESTS(part, tests) run_tests(part, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
