/* What a program has that asked for nothing, which is not what kconv has; and more of things than a thaw may have. */
#include "state.h"
#include <grp.h>
#include <sys/io.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PR_GET_IO_FLUSHER 58
#define PR_GET_MEMORY_MERGE 68

static const char *const limits[] = { "cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile",
	"memlock", "as", "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime" };

static struct inherited {
	cpu_set_t cpus;
	long io_priority, policy, nice, no_huge_pages, machine_check, io_flusher, merge, slack, domain, speculation[3];
	int memory_policy, port;
	mode_t mask;
	sigset_t blocked;
	void (*pipe)(int);
	char oom[32], filter[32];
	struct rlimit limits[COUNT(limits)];
} before;

static void text(const char *path, char *into)
{
	int fd;
	ssize_t length;
	MUST(fd = open(path, O_RDONLY | O_CLOEXEC));
	MUST(length = read(fd, into, 31));
	into[length] = 0;
	close(fd);
}

/* How a process ends that reads from an I/O port. */
static int reading_a_port(void)
{
	int status = -1;
	pid_t pid;
	MUST(pid = fork());
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		MUST(setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }));
		inb(0x80);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0));
	return status;
}

static void look(struct inherited *at)
{
	struct sigaction action;
	memset(at, 0, sizeof *at);
	MUST(sched_getaffinity(0, sizeof at->cpus, &at->cpus));
	MUST(at->io_priority = syscall(SYS_ioprio_get, 1, 0));
	at->policy = sched_getscheduler(0);
	at->nice = getpriority(PRIO_PROCESS, 0);
	at->no_huge_pages = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
	at->machine_check = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
	at->io_flusher = prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0);
	at->merge = prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0);
	at->slack = prctl(PR_GET_TIMERSLACK);
	for (int i = 0; i < 3; i++)
		at->speculation[i] = prctl(PR_GET_SPECULATION_CTRL, i, 0, 0, 0);
	at->domain = personality(0xffffffff);
	MUST(syscall(SYS_get_mempolicy, &at->memory_policy, NULL, 0, NULL, 0));
	at->mask = umask(0);
	umask(at->mask);
	MUST(sigprocmask(SIG_BLOCK, NULL, &at->blocked));
	MUST(sigaction(SIGPIPE, NULL, &action));
	at->pipe = action.sa_handler;
	at->port = reading_a_port();
	text("/proc/self/oom_score_adj", at->oom);
	text("/proc/self/coredump_filter", at->filter);
	for (int i = 0; i < COUNT(limits); i++)
		MUST(getrlimit(i, &at->limits[i]));
}

static void set(void)
{
	look(&before);
}

static void check(void)
{
	struct inherited now;
	look(&now);
	CHECK(CPU_EQUAL(&now.cpus, &before.cpus), "%d CPUs, not %d", CPU_COUNT(&now.cpus), CPU_COUNT(&before.cpus));
	SAME("I/O priority", now.io_priority, before.io_priority);
	SAME("policy", now.policy, before.policy);
	SAME("nice value", now.nice, before.nice);
	SAME("PR_GET_THP_DISABLE", now.no_huge_pages, before.no_huge_pages);
	SAME("PR_MCE_KILL_GET", now.machine_check, before.machine_check);
	SAME("PR_GET_IO_FLUSHER", now.io_flusher, before.io_flusher);
	SAME("PR_GET_MEMORY_MERGE", now.merge, before.merge);
	SAME("timer slack", now.slack, before.slack);
	for (int i = 0; i < 3; i++)
		SAME("speculation", now.speculation[i], before.speculation[i]);
	SAME("execution domain", now.domain, before.domain);
	SAME("memory policy", now.memory_policy, before.memory_policy);
	SAME("reading an I/O port", now.port, before.port);
	SAME("umask", now.mask, before.mask);
	CHECK(!memcmp(&now.blocked, &before.blocked, 8), "other signals are blocked");
	CHECK(now.pipe == before.pipe, "SIGPIPE is handled otherwise");
	CHECK(!strcmp(now.oom, before.oom), "oom_score_adj %s, not %s", now.oom, before.oom);
	CHECK(!strcmp(now.filter, before.filter), "coredump_filter %s, not %s", now.filter, before.filter);
	for (int i = 0; i < COUNT(limits); i++) {
		CHECK(now.limits[i].rlim_cur == before.limits[i].rlim_cur, "limit %s", limits[i]);
		CHECK(now.limits[i].rlim_max == before.limits[i].rlim_max, "hard limit %s", limits[i]);
	}
	/* What its children begin with. */
	MUST(prctl(PR_SET_TIMERSLACK, 0));
	SAME("timer slack of new", prctl(PR_GET_TIMERSLACK), before.slack);
}

/* Of a program that has no other part. */
const struct part defaults = { "defaults", set, check, 1 };

#define GROUPS 65536
#define SIGNALS 5000
#define TIMERS 4000
#define HIGH 1048575

static timer_t last;

static void set_many(void)
{
	static gid_t groups[GROUPS];
	sigset_t blocked;
	int fd;
	for (int i = 0; i < GROUPS; i++)
		groups[i] = 3 * i;
	MUST(setgroups(GROUPS, groups));
	MUST(setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){ 20000, 20000 }));
	sigemptyset(&blocked);
	sigaddset(&blocked, RT(3));
	MUST(sigprocmask(SIG_BLOCK, &blocked, NULL));
	for (int i = 0; i < SIGNALS; i++)
		MUST(sigqueue(getpid(), RT(3), (union sigval){ .sival_int = i }));
	struct sigevent nothing = { .sigev_notify = SIGEV_NONE };
	for (int i = 0; i < TIMERS; i++)
		MUST(timer_create(CLOCK_MONOTONIC, &nothing, &last));
	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ HIGH + 1, HIGH + 1 }));
	MUST(fd = open("/dev/null", O_RDWR | O_CLOEXEC));
	MUST(dup2(fd, HIGH));
	close(fd);
	/* It may have no more of any of it. */
	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 10, 10 }));
	MUST(setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){ 0, 0 }));
	MUST(setrlimit(RLIMIT_DATA, &(struct rlimit){ 0, 0 }));
	MUST(setrlimit(RLIMIT_AS, &(struct rlimit){ 0, 0 }));
	MUST(setrlimit(RLIMIT_STACK, &(struct rlimit){ 0, 0 }));
}

static void check_many(void)
{
	static gid_t groups[GROUPS];
	static const struct timespec at_once;
	siginfo_t info;
	sigset_t waiting;
	int taken = 0, right = 1;
	SAME("groups", getgroups(GROUPS, groups), GROUPS);
	for (int i = 0; i < GROUPS; i++)
		right &= groups[i] == 3u * i;
	CHECK(right, "other groups");
	sigemptyset(&waiting);
	sigaddset(&waiting, RT(3));
	while (sigtimedwait(&waiting, &info, &at_once) > 0 && info.si_value.sival_int == taken)
		taken++;
	SAME("signals that waited", taken, SIGNALS);
	struct itimerspec left;
	SAME("the last timer", timer_gettime(last, &left), 0);
	CHECK(fcntl(HIGH, F_GETFD) >= 0, "descriptor %d", HIGH);
}

const struct part many = { "many", set_many, check_many, 1 };
