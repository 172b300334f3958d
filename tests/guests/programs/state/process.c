/* What all threads of the process share: limits, working directory, umask, and its attributes. */
#include "state.h"
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <limits.h>

static char folder[PATH_MAX];
static struct rlimit limits[RLIM_NLIMITS];

static void set_file(const char *path, const char *text)
{
	int fd;
	MUST(fd = open(path, O_WRONLY | O_CLOEXEC));
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static long number_in(const char *path, int base)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof text - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtol(text, NULL, base);
}

static void set(void)
{
	mkdir("cwd", 0700);
	MUST(chdir("cwd"));
	must(getcwd(folder, sizeof folder) != NULL, __FILE__, "getcwd");
	umask(027);
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		MUST(getrlimit(i, &limits[i]));
		/* Soft and hard limits that nobody has by chance, and that nothing here meets. */
		rlim_t most = i == RLIMIT_NICE || i == RLIMIT_RTPRIO ? 30 : (1L << 40) + 4096 * i;
		if (i == RLIMIT_NOFILE)
			most = 4000;
		limits[i].rlim_max = most;
		limits[i].rlim_cur = most - 1 - i % 2;
		/* The stack of the program must be within its limit in whole pages. */
		if (i == RLIMIT_STACK)
			limits[i].rlim_cur = 9 << 20;
		MUST(setrlimit(i, &limits[i]));
	}
	MUST(prctl(PR_SET_NAME, "state of all"));
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	MUST(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	MUST(prctl(PR_SET_TIMERSLACK, 123456));
	MUST(personality(ADDR_NO_RANDOMIZE));
	set_file("/proc/self/oom_score_adj", "-321");
	set_file("/proc/self/coredump_filter", "0x7b");
	MUST(setpriority(PRIO_PROCESS, 0, -4));
	/* Last, for it makes root the owner of the files in /proc. */
	MUST(prctl(PR_SET_DUMPABLE, 0));
}

static void check(void)
{
	char now[PATH_MAX] = "";
	if (!getcwd(now, sizeof now))
		now[0] = 0;
	CHECK(!strcmp(now, folder), "working directory: %s", now);
	SAME("umask", umask(027), 027);
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;
		MUST(getrlimit(i, &limit));
		CHECK(limit.rlim_cur == limits[i].rlim_cur, "soft limit %d: %lu", i, limit.rlim_cur);
		CHECK(limit.rlim_max == limits[i].rlim_max, "hard limit %d: %lu", i, limit.rlim_max);
	}
	char name[16];
	int subreaper = 0;
	MUST(prctl(PR_GET_NAME, name));
	CHECK(!strcmp(name, "state of all"), "name: %s", name);
	MUST(prctl(PR_GET_CHILD_SUBREAPER, &subreaper));
	SAME("child subreaper", subreaper, 1);
	SAME("huge pages disabled", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
	SAME("timer slack", prctl(PR_GET_TIMERSLACK), 123456);
	SAME("personality", personality(0xffffffff), ADDR_NO_RANDOMIZE);
	SAME("dumpable", prctl(PR_GET_DUMPABLE), 0);
	SAME("nice", getpriority(PRIO_PROCESS, 0), -4);
	SAME("oom_score_adj", number_in("/proc/self/oom_score_adj", 10), -321);
	SAME("coredump_filter", number_in("/proc/self/coredump_filter", 16), 0x7b);
}

const struct part process = { "process", set, check };
