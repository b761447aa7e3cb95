/* A machine's wall clock that can be set under one process: realtime is moved by the seconds in WALL_STEP_FILE, an int64.
   The monotonic clocks stay as they are, as they do where an operator or NTP sets the clock. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile const int64_t *step;
static int (*world)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WALL_STEP_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, file, 0);
    world = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    step = page == MAP_FAILED ? NULL : page;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int answer = world(id, now);
    if (answer == 0 && step && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        now->tv_sec += *step;
    return answer;
}
