/* What event loops wait with: eventfd, timerfd, signalfd and epoll. */
#include "state.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

/* Of a counter, what it has counted; of all of them together, that nobody else's is meant. */
static const struct {
	uint64_t count;
	int flags;
} counters[] = {
	{ 0, 0 },
	{ 5, EFD_NONBLOCK },
	{ 1ULL << 40, EFD_CLOEXEC },
	{ UINT64_MAX - 1, 0 },
	{ 3, EFD_SEMAPHORE | EFD_NONBLOCK },
};
static int counted[COUNT(counters)];

static const struct {
	clockid_t clock;
	int flags;
	long value, interval;
} kinds[] = {
	{ CLOCK_MONOTONIC, 0, 7000, 0 },
	{ CLOCK_MONOTONIC, 0, 7100, 60 },
	{ CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, 7200, 0 },
	{ CLOCK_BOOTTIME, 0, 7300, 5 },
	{ CLOCK_BOOTTIME, TFD_TIMER_ABSTIME, 7400, 0 },
	{ CLOCK_REALTIME, 0, 7500, 1 },
	{ CLOCK_REALTIME, TFD_TIMER_ABSTIME, 7600, 0 },
	{ CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 7700, 0 },
	/* Off, and one that was never set. */
	{ CLOCK_MONOTONIC, 0, 0, 9 },
	{ CLOCK_BOOTTIME, -1, 0, 0 },
};
static int timers_made[COUNT(kinds)], over, beats;
#define BEAT 20000000L

/* What is waited for by the loop, and what is said with it. */
enum { LEVEL, EDGE, ONCE, SIGNALS, TIMER, INNER, CLOSED, SOURCES };
#define DATA(n) (0x1122334455660000ULL + (n))
static int loop, inner, signals_read, level[2], edge[2], closed[2], number_of_closed;
/* A thread that waits, for what the main thread does. */
static int gate, gate_count;
static pthread_t waiter;
/* With a child. */
static int link_count;

static void add(int epoll, int file, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event));
}

/* Which sources the loop tells of, one bit each. What it says of one has to be what it can say. */
static unsigned told(int wait)
{
	struct epoll_event events[2 * SOURCES];
	unsigned which = 0;
	int count = epoll_wait(loop, events, COUNT(events), wait);
	for (int i = 0; i < count; i++) {
		uint64_t n = events[i].data.u64 - DATA(0);
		CHECK(n < SOURCES, "data %#llx", (unsigned long long)events[i].data.u64);
		SAME("what is told", events[i].events, EPOLLIN);
		which |= 1U << (n & 31);
	}
	return which;
}

static void *wait_at_gate(void *of)
{
	struct epoll_event event = { 0 };
	while (epoll_wait(*(int *)of, &event, 1, -1) < 0 && errno == EINTR)
		;
	return (void *)(uintptr_t)event.data.u64;
}

static int readable(int file, int wait)
{
	struct pollfd one = { .fd = file, .events = POLLIN };
	return poll(&one, 1, wait) == 1 && one.revents == POLLIN;
}

/* Its own signals, which are not those of its parent. */
static int own_loop, own_signals;

static void set_child(void)
{
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, RT(7));
	MUST(own_signals = signalfd(-1, &one, 0));
	MUST(own_loop = epoll_create1(0));
	add(own_loop, own_signals, EPOLLIN, 77);
}

static void mask(int how, int signal)
{
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, signal);
	sigprocmask(how, &one, NULL);
}

/* To this thread alone: another may not block it. */
static void raise_blocked(int signal)
{
	mask(SIG_BLOCK, signal);
	syscall(SYS_tgkill, getpid(), gettid(), signal);
}

static void check_child(void)
{
	struct epoll_event event = { 0 };
	struct signalfd_siginfo info = { 0 };
	uint64_t count = 0;
	SAME("the loop of a child", epoll_wait(own_loop, &event, 1, 0), 0);
	raise_blocked(RT(7));
	SAME("the loop of a child, with a signal", epoll_wait(own_loop, &event, 1, 10000), 1);
	SAME("what it tells", event.data.u64, 77);
	SAME("its signal", read(own_signals, &info, sizeof info), sizeof info);
	SAME("which", info.ssi_signo, RT(7));
	mask(SIG_UNBLOCK, RT(7));
	SAME("what parent and child both have", read(link_count, &count, sizeof count), sizeof count);
	SAME("what the parent added", count, 41);
}

static struct child child = { "event child", set_child, check_child, 0 };

static void set(void)
{
	for (int i = 0; i < COUNT(counters); i++) {
		MUST(counted[i] = eventfd(0, counters[i].flags));
		if (counters[i].count)
			MUST(write(counted[i], &counters[i].count, 8));
	}
	for (int i = 0; i < COUNT(kinds); i++) {
		struct itimerspec value = { .it_value.tv_sec = kinds[i].value, .it_interval.tv_sec = kinds[i].interval };
		struct timespec now = { 0 };
		MUST(timers_made[i] = timerfd_create(kinds[i].clock, TFD_NONBLOCK));
		if (kinds[i].flags & TFD_TIMER_ABSTIME && kinds[i].flags > 0)
			/* Not by the vDSO: its instruction may be forbidden. */
			MUST(syscall(SYS_clock_gettime, kinds[i].clock, &now));
		value.it_value.tv_sec += now.tv_sec;
		if (kinds[i].flags >= 0)
			MUST(timerfd_settime(timers_made[i], kinds[i].flags, &value, NULL));
	}
	struct itimerspec soon = { .it_value.tv_nsec = 1 };
	MUST(over = timerfd_create(CLOCK_MONOTONIC, 0));
	MUST(timerfd_settime(over, 0, &soon, NULL));
	must(readable(over, 10000), __FILE__, "a timer that is over");
	soon.it_interval.tv_nsec = BEAT;
	MUST(beats = timerfd_create(CLOCK_BOOTTIME, 0));
	MUST(timerfd_settime(beats, 0, &soon, NULL));
	must(readable(beats, 10000), __FILE__, "a timer that beats");

	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, RT(8));
	MUST(signals_read = signalfd(-1, &one, SFD_NONBLOCK));
	MUST(pipe(level));
	MUST(pipe(edge));
	MUST(pipe(closed));
	MUST(write(level[1], "x", 1));
	MUST(inner = epoll_create1(0));
	add(inner, edge[1], EPOLLOUT, 1);
	MUST(loop = epoll_create1(EPOLL_CLOEXEC));
	add(loop, counted[4], EPOLLIN | EPOLLONESHOT, DATA(ONCE));
	must(told(10000) == 1U << ONCE, __FILE__, "a watch that is off then");
	add(loop, level[0], EPOLLIN, DATA(LEVEL));
	add(loop, edge[0], EPOLLIN | EPOLLET, DATA(EDGE));
	add(loop, signals_read, EPOLLIN, DATA(SIGNALS));
	add(loop, timers_made[0], EPOLLIN, DATA(TIMER));
	add(loop, inner, EPOLLIN, DATA(INNER));
	/* The number under which a file was added is another's now. */
	MUST(number_of_closed = dup(closed[0]));
	add(loop, number_of_closed, EPOLLIN, DATA(CLOSED));
	MUST(dup2(level[1], number_of_closed));

	MUST(gate = epoll_create1(0));
	MUST(gate_count = eventfd(0, 0));
	add(gate, gate_count, EPOLLIN, 1234);
	must(pthread_create(&waiter, NULL, wait_at_gate, &gate) == 0, __FILE__, "pthread_create");
	MUST(link_count = eventfd(0, 0));
	start_children(&child, 1);
}

static void check_counters(void)
{
	for (int i = 0; i < COUNT(counters); i++) {
		char what[64];
		snprintf(what, sizeof what, "counter %d", i);
		int flags = fcntl(counted[i], F_GETFL);
		SAME(what, !!(flags & O_NONBLOCK), !!(counters[i].flags & EFD_NONBLOCK));
		SAME(what, !!(fcntl(counted[i], F_GETFD) & FD_CLOEXEC), !!(counters[i].flags & EFD_CLOEXEC));
		uint64_t count = 0, all = counters[i].flags & EFD_SEMAPHORE ? 1 : counters[i].count;
		SAME(what, readable(counted[i], 0), counters[i].count > 0);
		fcntl(counted[i], F_SETFL, O_NONBLOCK);
		if (counters[i].count) {
			SAME(what, read(counted[i], &count, sizeof count), sizeof count);
			SAME(what, count, all);
		}
		int again = counters[i].flags & EFD_SEMAPHORE && counters[i].count > 1;
		SAME(what, read(counted[i], &count, sizeof count), again ? 8 : -1);
	}
}

static void check_timers(void)
{
	for (int i = 0; i < COUNT(kinds); i++) {
		struct itimerspec now;
		char what[64];
		uint64_t ticks;
		snprintf(what, sizeof what, "timer %d of clock %d", i, kinds[i].clock);
		MUST(timerfd_gettime(timers_made[i], &now));
		if (kinds[i].value)
			check_rest(what, now.it_value.tv_sec + now.it_value.tv_nsec / 1e9, kinds[i].value);
		else
			SAME(what, now.it_value.tv_sec | now.it_value.tv_nsec, 0);
		SAME(what, now.it_interval.tv_sec, kinds[i].interval);
		SAME(what, read(timers_made[i], &ticks, sizeof ticks), -1);
		SAME(what, errno, EAGAIN);
	}
	uint64_t ticks = 0;
	SAME("a timer that is over", readable(over, 0), 1);
	SAME("a timer that is over", read(over, &ticks, sizeof ticks), sizeof ticks);
	SAME("how often it had expired", ticks, 1);
	fcntl(over, F_SETFL, O_NONBLOCK);
	SAME("a timer that has been read", read(over, &ticks, sizeof ticks), -1);
	/* As often as its interval is in the time since: boots count, and no more than that. */
	struct itimerspec now;
	SAME("a timer that beats", readable(beats, 0), 1);
	SAME("a timer that beats", read(beats, &ticks, sizeof ticks), sizeof ticks);
	CHECK(ticks >= 1 && ticks < (uint64_t)AWAY * 1000000000 / BEAT, "%llu beats", (unsigned long long)ticks);
	MUST(timerfd_gettime(beats, &now));
	SAME("its interval", now.it_interval.tv_nsec, BEAT);
	SAME("its next beat", read(beats, &ticks, sizeof ticks), sizeof ticks);
}

static void check_loop(void)
{
	const unsigned always = 1U << LEVEL | 1U << INNER;
	SAME("what is there", told(0), always);
	SAME("what is there still", told(0), always);
	MUST(write(edge[1], "x", 1));
	SAME("what is new", told(10000), always | 1U << EDGE);
	SAME("what is new no more", told(0), always);
	MUST(write(closed[1], "x", 1));
	SAME("what was added under a number that is another's", told(10000), always | 1U << CLOSED);
	char byte;
	MUST(read(closed[0], &byte, 1));

	struct signalfd_siginfo info = { 0 };
	raise_blocked(RT(8));
	SAME("a signal", told(10000), always | 1U << SIGNALS);
	SAME("the signal", read(signals_read, &info, sizeof info), sizeof info);
	SAME("which", info.ssi_signo, RT(8));
	mask(SIG_UNBLOCK, RT(8));
	SAME("no signal", told(0), always);

	struct itimerspec soon = { .it_value.tv_nsec = 1 };
	MUST(timerfd_settime(timers_made[0], 0, &soon, NULL));
	/* It may take a moment. */
	readable(timers_made[0], 10000);
	SAME("a timer", told(10000), always | 1U << TIMER);
	uint64_t ticks;
	MUST(read(timers_made[0], &ticks, sizeof ticks));

	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = DATA(ONCE) };
	MUST(write(counted[4], &(uint64_t){ 1 }, 8));
	SAME("one that is off", told(0), always);
	SAME("one that is set anew", epoll_ctl(loop, EPOLL_CTL_MOD, counted[4], &event), 0);
	SAME("one that is set anew", told(10000), always | 1U << ONCE);
	SAME("one that is off again", told(0), always);
	/* The numbers are those that the program knows them by. */
	const int all[] = { counted[4], level[0], edge[0], signals_read, timers_made[0], inner };
	for (int i = 0; i < COUNT(all); i++)
		SAME("one that is removed", epoll_ctl(loop, EPOLL_CTL_DEL, all[i], NULL), 0);
	SAME("a number that is another's", epoll_ctl(loop, EPOLL_CTL_DEL, number_of_closed, NULL), -1);
	SAME("none", told(0), 0);
}

static void check(void)
{
	void *said = NULL;
	MUST(write(gate_count, &(uint64_t){ 1 }, 8));
	pthread_join(waiter, &said);
	SAME("a thread that waited", (uintptr_t)said, 1234);
	MUST(write(link_count, &(uint64_t){ 41 }, 8));
	finish_children(&child, 1);
	check_timers();
	/* It takes what the counters have. */
	check_counters();
	check_loop();
}

const struct part events_part = { "events", set, check, 0 };
