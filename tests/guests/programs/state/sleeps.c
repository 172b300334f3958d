/* Threads in system calls that wait: each kind of restart, with and without a time limit. */
#include "state.h"
#include <poll.h>
#include <sys/select.h>
#include <sys/wait.h>

#define LONG 3000

static int word, quiet[2], talking[2];

static void in_nanosleep(struct worker *worker)
{
	struct timespec whole = { .tv_sec = LONG }, rest = { 0 };
	SAME(worker->name, nanosleep(&whole, &rest), -1);
	SAME(worker->name, errno, EINTR);
	check_rest(worker->name, rest.tv_sec + rest.tv_nsec / 1e9, LONG);
}

static void in_clock_nanosleep(struct worker *worker)
{
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LONG;
	SAME(worker->name, clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &end, NULL), EINTR);
}

static void in_cpu_nanosleep(struct worker *worker)
{
	struct timespec whole = { .tv_sec = LONG }, rest = { 0 };
	SAME(worker->name, clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &whole, &rest), EINTR);
	check_rest(worker->name, rest.tv_sec + rest.tv_nsec / 1e9 - 0.02, LONG);
}

static void in_futex(struct worker *worker)
{
	struct timespec whole = { .tv_sec = LONG };
	SAME(worker->name, syscall(SYS_futex, &word, FUTEX_WAIT, 0, &whole, NULL, 0), -1);
	SAME(worker->name, errno, EINTR);
}

/* Of this process alone, and until a time of the clock that is set: flags that the other has not. */
static void in_realtime_futex(struct worker *worker)
{
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += LONG;
	SAME(worker->name,
	     syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &end, NULL,
		     FUTEX_BITSET_MATCH_ANY),
	     -1);
	SAME(worker->name, errno, EINTR);
}

static void in_poll(struct worker *worker)
{
	struct pollfd set = { .fd = quiet[0], .events = POLLIN };
	SAME(worker->name, poll(&set, 1, LONG * 1000), -1);
	SAME(worker->name, errno, EINTR);
}

static void in_ppoll(struct worker *worker)
{
	struct pollfd set = { .fd = quiet[0], .events = POLLIN };
	struct timespec whole = { .tv_sec = LONG };
	sigset_t mask;
	sigfillset(&mask);
	sigdelset(&mask, SIGUSR2);
	SAME(worker->name, ppoll(&set, 1, &whole, &mask), -1);
	SAME(worker->name, errno, EINTR);
}

static void in_select(struct worker *worker)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET(quiet[0], &set);
	struct timeval whole = { .tv_sec = LONG };
	SAME(worker->name, select(quiet[0] + 1, &set, NULL, NULL, &whole), -1);
	SAME(worker->name, errno, EINTR);
	check_rest(worker->name, whole.tv_sec + whole.tv_usec / 1e6, LONG);
}

static void in_sigwait(struct worker *worker)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, 64);
	struct timespec whole = { .tv_sec = LONG };
	SAME(worker->name, sigtimedwait(&set, NULL, &whole), -1);
	SAME(worker->name, errno, EINTR);
}

static void in_pause(struct worker *worker)
{
	SAME(worker->name, pause(), -1);
	SAME(worker->name, errno, EINTR);
}

static void in_read(struct worker *worker)
{
	char byte = 0;
	SAME(worker->name, read(talking[0], &byte, 1), 1);
	SAME(worker->name, byte, 'x');
}

static struct worker workers[] = {
	{ .name = "nanosleep", .wait = in_nanosleep },
	{ .name = "clock_nanosleep", .wait = in_clock_nanosleep },
	{ .name = "cpu_nanosleep", .wait = in_cpu_nanosleep },
	{ .name = "futex", .wait = in_futex },
	{ .name = "futex_realtime", .wait = in_realtime_futex },
	{ .name = "poll", .wait = in_poll },
	{ .name = "ppoll", .wait = in_ppoll },
	{ .name = "select", .wait = in_select },
	{ .name = "sigwait", .wait = in_sigwait },
	{ .name = "pause", .wait = in_pause },
	{ .name = "read", .wait = in_read },
};

static void set(void)
{
	MUST(pipe(quiet));
	MUST(pipe(talking));
	start_workers(workers, COUNT(workers));
}

static void check(void)
{
	SAME("a pipe somebody reads takes a byte", write(talking[1], "x", 1), 1);
	finish_workers(workers, COUNT(workers));
}

const struct part sleeps = { "sleeps", set, check };
