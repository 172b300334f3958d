/* deadlines FILE: threads that wait a second at a time, each by another call and clock.
 *
 * Writes "ready" to FILE when each of them has waited twice, and waits for SIGUSR1 or SIGUSR2. Then each
 * has to wait twice again in good time, and a line for each finding is added to FILE, and at last
 * "verdict N: WRONG", or "verdict N: ok" and how many expiries of a timer were not counted: between two
 * numbers, for time passes between looks. After SIGUSR1 CLOCK_MONOTONIC has to have gone on without a
 * gap, CLOCK_BOOTTIME by as much as the time of day; after SIGUSR2 nothing is asked of these clocks but
 * that the calls wait as long as they should. FILE is not open meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define SECOND 1000000000LL
/* A wait of a second that takes longer than this hangs; a machine that is emulated may stand still. */
#define PATIENCE 120
/* More than a clock may jump by while the tasks are frozen and thawed, in nanoseconds. */
#define GAP (120 * SECOND)

static const char *file;
static atomic_int wrong;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[256];
	va_list list;
	va_start(list, format);
	int length = vsnprintf(line, sizeof line - 1, format, list);
	va_end(list);
	line[length++] = '\n';
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd < 0 || write(fd, line, length) != length)
		exit(3);
	close(fd);
}

#define FIND(holds, ...) \
	do { \
		if (!(holds)) { \
			wrong++; \
			say(__VA_ARGS__); \
		} \
	} while (0)

static void must(int holds, const char *what)
{
	if (!holds) {
		say("%s: %s", what, strerror(errno));
		exit(3);
	}
}

static long long now(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

static struct timespec in(clockid_t clock, long long left)
{
	long long end = now(clock) + left;
	return (struct timespec){ end / SECOND, end % SECOND };
}

static void at_clock(clockid_t clock)
{
	struct timespec end = in(clock, SECOND);
	must(!clock_nanosleep(clock, TIMER_ABSTIME, &end, NULL), "clock_nanosleep");
}

/* What python3 does for time.sleep. */
static void on_monotonic(void) { at_clock(CLOCK_MONOTONIC); }
static void on_boottime(void) { at_clock(CLOCK_BOOTTIME); }
static void on_realtime(void) { at_clock(CLOCK_REALTIME); }

static void on_cpu(void)
{
	struct timespec end = in(CLOCK_PROCESS_CPUTIME_ID, SECOND / 20);
	must(!clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &end, NULL), "cpu");
}

/* Adds to the time that it waited for last, and never asks what time it is. */
static void by_grid(void)
{
	static struct timespec end;
	if (!end.tv_sec)
		end = in(CLOCK_MONOTONIC, 0);
	end.tv_sec++;
	must(!clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL), "grid");
}

static void for_so_long(void)
{
	struct timespec whole = { 1, 0 };
	must(!nanosleep(&whole, NULL), "nanosleep");
}

/* An event loop: asyncio, libuv, Go and the JVM keep deadlines of CLOCK_MONOTONIC. */
static void in_a_loop(void)
{
	long long end = now(CLOCK_MONOTONIC) + SECOND;
	struct timespec step = { 0, SECOND / 10 };
	while (now(CLOCK_MONOTONIC) < end)
		nanosleep(&step, NULL);
}

static void on_condition(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t condition;
	static int made;
	if (!made) {
		pthread_condattr_t attributes;
		pthread_condattr_init(&attributes);
		pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
		pthread_cond_init(&condition, &attributes);
		made = 1;
	}
	struct timespec end = in(CLOCK_MONOTONIC, SECOND);
	pthread_mutex_lock(&mutex);
	while (pthread_cond_timedwait(&condition, &mutex, &end) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&mutex);
}

static void on_futexes(void)
{
	static uint32_t word;
	struct futex_waitv waiter = { .uaddr = (uintptr_t)&word, .flags = FUTEX_32 };
	struct timespec end = in(CLOCK_MONOTONIC, SECOND);
	must(syscall(SYS_futex_waitv, &waiter, 1, 0, &end, CLOCK_MONOTONIC) == -1 && errno == ETIMEDOUT,
	     "futex_waitv");
}

/* One that the first thread has. */
static uint32_t taken;

static void on_lock(void)
{
	struct timespec end = in(CLOCK_MONOTONIC, SECOND);
	must(syscall(SYS_futex, &taken, FUTEX_LOCK_PI2, 0, &end) == -1 && errno == ETIMEDOUT, "lock_pi2");
}

static void in_poll(void)
{
	must(poll(NULL, 0, 1000) == 0, "poll");
}

static int take(int signal)
{
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, signal);
	siginfo_t info;
	int got;
	while ((got = sigwaitinfo(&one, &info)) == -1 && errno == EINTR)
		;
	must(got == signal, "sigwaitinfo");
	return info.si_overrun;
}

static timer_t timer(clockid_t clock, int notify, int signal)
{
	struct sigevent event = { .sigev_notify = notify, .sigev_signo = signal };
	event.sigev_notify_thread_id = gettid();
	timer_t made;
	must(!timer_create(clock, &event, &made), "timer_create");
	return made;
}

static void set(timer_t timer, int flags, long long first, long long interval)
{
	struct itimerspec value = { { interval / SECOND, interval % SECOND },
				    { first / SECOND, first % SECOND } };
	must(!timer_settime(timer, flags, &value, NULL), "timer_settime");
}

static void by_timer(void)
{
	static int made;
	if (!made++)
		set(timer(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN), TIMER_ABSTIME,
		    now(CLOCK_MONOTONIC) + SECOND, SECOND);
	int missed = take(SIGRTMIN);
	FIND(missed < GAP / SECOND, "timer: missed %d", missed);
}

static void by_boottime_timer(void)
{
	static int made;
	if (!made++)
		set(timer(CLOCK_BOOTTIME, SIGEV_THREAD_ID, SIGRTMIN + 1), 0, SECOND, SECOND);
	take(SIGRTMIN + 1);
}

/* A time from now on, of the clock of day: kept on CLOCK_MONOTONIC. */
static void by_realtime_timer(void)
{
	static timer_t made;
	if (!made)
		made = timer(CLOCK_REALTIME, SIGEV_THREAD_ID, SIGRTMIN + 2);
	set(made, 0, SECOND, 0);
	take(SIGRTMIN + 2);
}

static void by_alarm(void)
{
	static int made;
	struct itimerval every = { { 1, 0 }, { 1, 0 } };
	if (!made++)
		must(!setitimer(ITIMER_REAL, &every, NULL), "setitimer");
	take(SIGALRM);
}

static struct worker {
	const char *name;
	void (*wait)(void);
	/* Whether it computes what it waits for from a clock, by itself. */
	int computes;
	volatile int rounds;
	long long monotonic, boottime;
} workers[] = {
	{ "clock_nanosleep on CLOCK_MONOTONIC", on_monotonic },
	{ "clock_nanosleep on CLOCK_BOOTTIME", on_boottime },
	{ "clock_nanosleep on CLOCK_REALTIME", on_realtime },
	{ "clock_nanosleep on CLOCK_PROCESS_CPUTIME_ID", on_cpu },
	{ "clock_nanosleep by a grid", by_grid },
	{ "nanosleep", for_so_long },
	{ "a loop", in_a_loop, 1 },
	{ "pthread_cond_timedwait", on_condition, 1 },
	{ "futex_waitv", on_futexes },
	{ "FUTEX_LOCK_PI2", on_lock },
	{ "poll", in_poll },
	{ "a timer of CLOCK_MONOTONIC", by_timer },
	{ "a timer of CLOCK_BOOTTIME", by_boottime_timer },
	{ "a timer of CLOCK_REALTIME", by_realtime_timer },
	{ "an interval timer", by_alarm },
};
#define COUNT ((int)(sizeof workers / sizeof workers[0]))

/* Whether the clocks have to go on. */
static volatile int on = 1;
/* A worker that looks has begun and ended before what is asked changes, or begins after it. */
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;

static void look(struct worker *worker)
{
	pthread_mutex_lock(&asking);
	long long monotonic = now(CLOCK_MONOTONIC), boottime = now(CLOCK_BOOTTIME);
	if (worker->rounds && on) {
		long long passed = monotonic - worker->monotonic;
		FIND(passed >= 0 && passed < GAP, "%s: CLOCK_MONOTONIC went by %lld ns", worker->name, passed);
		passed = boottime - worker->boottime;
		FIND(passed >= 0, "%s: CLOCK_BOOTTIME went by %lld ns", worker->name, passed);
	}
	worker->monotonic = monotonic;
	worker->boottime = boottime;
	pthread_mutex_unlock(&asking);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	for (;;) {
		worker->wait();
		look(worker);
		worker->rounds++;
	}
	return NULL;
}

/* Field 22 of /proc/self/stat, in nanoseconds. */
static long long started(void)
{
	char text[1024];
	int fd = open("/proc/self/stat", O_RDONLY);
	int length = read(fd, text, sizeof text - 1);
	close(fd);
	text[length > 0 ? length : 0] = 0;
	char *field = strrchr(text, ')');
	for (int i = 0; i < 20 && field; i++)
		field = strchr(field + 1, ' ');
	return field ? strtoll(field, NULL, 10) * (SECOND / sysconf(_SC_CLK_TCK)) : -1;
}

/* Waits until each worker has waited twice. Some waits count the CPU time that it uses meanwhile. */
static int all_go_on(void)
{
	int before[COUNT];
	for (int i = 0; i < COUNT; i++)
		before[i] = workers[i].rounds;
	for (int tenths = 0; tenths < PATIENCE * 10; tenths++) {
		int late = 0;
		for (int i = 0; i < COUNT; i++)
			late += (on || !workers[i].computes) && workers[i].rounds < before[i] + 2;
		if (!late)
			return 1;
		for (clock_t end = clock() + CLOCKS_PER_SEC / 50; clock() < end;)
			;
		poll(NULL, 0, 80);
	}
	for (int i = 0; i < COUNT; i++)
		FIND((!on && workers[i].computes) || workers[i].rounds >= before[i] + 2, "%s: hangs",
		     workers[i].name);
	return 0;
}

/* Times by two clocks agree, but for what a clock of day has seconds of after a boot. */
static int agree(long long one, long long other)
{
	return llabs(one - other) < 5 * SECOND;
}

#define OVERRUN 3
#define LONG (4000 * SECOND)

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: deadlines FILE\n");
		return 2;
	}
	file = argv[1];
	/* All signals are taken by those that wait for them. */
	sigset_t all, asked;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	taken = gettid();
	/* Has missed three times when its signal is taken, and expires next in half an interval. */
	timer_t counted = timer(CLOCK_REALTIME, SIGEV_SIGNAL, SIGRTMIN + 3);
	set(counted, TIMER_ABSTIME, now(CLOCK_REALTIME) - OVERRUN * LONG - LONG / 2, LONG);
	FIND(take(SIGRTMIN + 3) == OVERRUN, "the signal of a timer does not tell that it is late");
	/* Has missed some when its signal is taken, and waits for the next to be taken. */
	timer_t passed = timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 4);
	set(passed, TIMER_ABSTIME, now(CLOCK_MONOTONIC) - SECOND / 4, SECOND / 10);
	FIND(take(SIGRTMIN + 4) >= 2, "the signal of a timer does not tell that it is late");
	/* Waits for its signal to be taken. */
	timer_t waiting = timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 5);
	long long due = now(CLOCK_MONOTONIC) + SECOND / 2, lost = 0, lost_at_most = 0;
	set(waiting, TIMER_ABSTIME, due, SECOND);
	for (int i = 0; i < COUNT; i++) {
		pthread_t thread;
		must(!pthread_create(&thread, NULL, work, &workers[i]), "pthread_create");
	}
	sigemptyset(&asked);
	sigaddset(&asked, SIGUSR1);
	sigaddset(&asked, SIGUSR2);
	all_go_on();
	long long began = started(), monotonic = now(CLOCK_MONOTONIC);
	long long boottime = now(CLOCK_BOOTTIME), realtime = now(CLOCK_REALTIME);
	say("ready");
	for (int verdict = 1;; verdict++) {
		int signal;
		while ((signal = sigwaitinfo(&asked, NULL)) == -1 && errno == EINTR)
			;
		pthread_mutex_lock(&asking);
		on = signal == SIGUSR1;
		/* What was found of clocks until now was not asked for. */
		if (!on)
			wrong = 0;
		say("asked");
		pthread_mutex_unlock(&asking);
		all_go_on();
		FIND(timer_getoverrun(counted) == OVERRUN, "timer_getoverrun: %d", timer_getoverrun(counted));
		struct itimerspec value;
		timer_gettime(counted, &value);
		FIND(value.it_value.tv_sec > 0 && value.it_value.tv_sec <= LONG / SECOND / 2 &&
			     value.it_interval.tv_sec == LONG / SECOND,
		     "a timer that was late expires in %ld s", (long)value.it_value.tv_sec);
		if (on) {
			/* The kernel counts what was missed until the signal is taken. */
			long long before = (now(CLOCK_MONOTONIC) - due) / SECOND;
			int missed = take(SIGRTMIN + 5);
			long long after = (now(CLOCK_MONOTONIC) - due) / SECOND;
			lost = before - missed;
			lost_at_most = after - missed;
			/* It expires next with its beat. A machine that is emulated may stand still meanwhile. */
			struct itimerspec next;
			do {
				before = now(CLOCK_MONOTONIC) - due;
				timer_gettime(waiting, &next);
				after = now(CLOCK_MONOTONIC) - due;
			} while (after - before > SECOND / 4);
			long long left = next.it_value.tv_sec * SECOND + next.it_value.tv_nsec;
			long long beats = (after + left + SECOND / 1000) / SECOND;
			FIND(before + left <= beats * SECOND + SECOND / 1000, "expires %lld ns after its beat",
			     (before + left) % SECOND);
			due += beats * SECOND;
			/* This and the clock of day began to be read at one moment. */
			long long of_boot = now(CLOCK_BOOTTIME) - boottime;
			long long of_day = now(CLOCK_REALTIME) - realtime;
			FIND(agree(of_boot, of_day), "CLOCK_BOOTTIME went by %lld ns, the day by %lld", of_boot,
			     of_day);
			FIND(now(CLOCK_MONOTONIC) - monotonic <= of_boot + SECOND,
			     "CLOCK_MONOTONIC counts the time between");
			FIND(started() >= began, "started at %lld ns, and before at %lld", started(), began);
		}
		long long is = started();
		FIND(is >= 0 && is <= now(CLOCK_BOOTTIME), "starts at %lld ns, and it is %lld", is,
		     now(CLOCK_BOOTTIME));
		if (atomic_exchange(&wrong, 0))
			say("verdict %d: WRONG", verdict);
		else
			say("verdict %d: ok, %lld to %lld not counted", verdict, lost, lost_at_most);
	}
}
