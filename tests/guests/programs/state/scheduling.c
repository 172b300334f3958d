/* Threads by policy, priority, nice, CPUs, I/O priority and memory policy. */
#include "state.h"
#include <sys/resource.h>

#define IOPRIO_WHO_PROCESS 1
#define BEST_EFFORT_6 (2 << 13 | 6)
#define MPOL_PREFERRED 1

static void set_policy(int policy, int priority)
{
	struct sched_param parameter = { .sched_priority = priority };
	MUST(sched_setscheduler(0, policy, &parameter));
}

static void check_policy(int policy, int priority)
{
	struct sched_param parameter = { 0 };
	SAME("policy", sched_getscheduler(0), policy);
	MUST(sched_getparam(0, &parameter));
	SAME("priority", parameter.sched_priority, priority);
}

#define POLICY(name, policy, priority) \
	static void set_##name(struct worker *w) { (void)w; set_policy(policy, priority); } \
	static void check_##name(struct worker *w) { (void)w; check_policy(policy, priority); }

POLICY(fifo, SCHED_FIFO | SCHED_RESET_ON_FORK, 10)
POLICY(rr, SCHED_RR, 20)
POLICY(idle, SCHED_IDLE, 0)

static void set_batch(struct worker *w)
{
	(void)w;
	set_policy(SCHED_BATCH, 0);
	MUST(setpriority(PRIO_PROCESS, gettid(), 5));
}

static void check_batch(struct worker *w)
{
	(void)w;
	check_policy(SCHED_BATCH, 0);
	SAME("nice", getpriority(PRIO_PROCESS, gettid()), 5);
}

static void set_nice(struct worker *w)
{
	(void)w;
	MUST(setpriority(PRIO_PROCESS, gettid(), -7));
}

static void check_nice(struct worker *w)
{
	(void)w;
	SAME("nice", getpriority(PRIO_PROCESS, gettid()), -7);
}

static void set_affinity(struct worker *w)
{
	(void)w;
	cpu_set_t first;
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	MUST(sched_setaffinity(0, sizeof first, &first));
}

static void check_affinity(struct worker *w)
{
	(void)w;
	cpu_set_t now;
	MUST(sched_getaffinity(0, sizeof now, &now));
	SAME("number of CPUs", CPU_COUNT(&now), 1);
	CHECK(CPU_ISSET(0, &now), "another CPU than the first");
}

static void set_io(struct worker *w)
{
	(void)w;
	MUST(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, BEST_EFFORT_6));
}

static void check_io(struct worker *w)
{
	(void)w;
	SAME("I/O priority", syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0), BEST_EFFORT_6);
}

static void set_node(struct worker *w)
{
	(void)w;
	unsigned long nodes = 1;
	MUST(syscall(SYS_set_mempolicy, MPOL_PREFERRED, &nodes, 8 * sizeof nodes));
}

static void check_node(struct worker *w)
{
	(void)w;
	int policy = -1;
	unsigned long nodes[16] = { 0 };
	MUST(syscall(SYS_get_mempolicy, &policy, nodes, 8 * sizeof nodes, NULL, 0));
	SAME("memory policy", policy, MPOL_PREFERRED);
	SAME("its nodes", nodes[0], 1);
}

/* struct sched_attr (linux/sched/types.h), its first version. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* SCHED_DEADLINE, with SCHED_FLAG_RECLAIM and SCHED_FLAG_DL_OVERRUN. It has more time than it ever needs: while
 * the host of an emulated machine has no CPU for it, its clocks run on, and SIGXCPU ends who needed longer.
 */
static const struct attributes by_deadline = { sizeof by_deadline, 6, 2 | 4, 0, 0, 1500000000, 3000000000, 4000000000 };
static volatile sig_atomic_t overran;

static void in_time_over(int signal)
{
	(void)signal;
	overran = 1;
}

static void set_deadline(struct worker *w)
{
	(void)w;
	MUST(syscall(SYS_sched_setattr, 0, &by_deadline, 0));
}

static void check_deadline(struct worker *w)
{
	(void)w;
	struct attributes now = { 0 };
	MUST(syscall(SYS_sched_getattr, 0, &now, sizeof now, 0));
	SAME("policy", now.policy, by_deadline.policy);
	SAME("flags of a deadline", now.flags, by_deadline.flags);
	SAME("run time", now.runtime, by_deadline.runtime);
	SAME("deadline", now.deadline, by_deadline.deadline);
	SAME("period", now.period, by_deadline.period);
	CHECK(!overran, "a deadline was overrun");
}

static struct worker workers[] = {
	{ .name = "deadline", .set = set_deadline, .check = check_deadline },
	{ .name = "fifo", .set = set_fifo, .check = check_fifo },
	{ .name = "round robin", .set = set_rr, .check = check_rr },
	{ .name = "idle", .set = set_idle, .check = check_idle },
	{ .name = "batch", .set = set_batch, .check = check_batch },
	{ .name = "nice", .set = set_nice, .check = check_nice },
	{ .name = "affinity", .set = set_affinity, .check = check_affinity },
	{ .name = "io priority", .set = set_io, .check = check_io },
	{ .name = "memory policy", .set = set_node, .check = check_node },
};

static void set(void)
{
	struct sigaction action = { .sa_handler = in_time_over, .sa_flags = SA_RESTART };
	MUST(sigaction(SIGXCPU, &action, NULL));
	start_workers(workers, COUNT(workers));
}

static void check(void)
{
	finish_workers(workers, COUNT(workers));
}

const struct part scheduling = { "scheduling", set, check };
