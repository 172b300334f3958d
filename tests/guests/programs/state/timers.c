/* Interval timers, and timers of timer_create on all clocks that need no hardware of their own. */
#include "state.h"
#include <sys/time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static const struct {
	int which;
	long value, interval;
} intervals[] = {
	{ ITIMER_REAL, 4000, 17 },
	{ ITIMER_VIRTUAL, 5000, 0 },
	{ ITIMER_PROF, 6000, 3600 },
};

static const struct {
	clockid_t clock;
	int notify, armed, absolute;
	long value, interval;
} kinds[] = {
	{ CLOCK_REALTIME, SIGEV_SIGNAL, 1, 0, 7000, 0 },
	{ CLOCK_MONOTONIC, SIGEV_SIGNAL, 1, 0, 7100, 60 },
	{ CLOCK_BOOTTIME, SIGEV_NONE, 1, 0, 7200, 0 },
	{ CLOCK_TAI, SIGEV_SIGNAL, 1, 0, 7250, 0 },
	{ CLOCK_REALTIME, SIGEV_SIGNAL, 1, 1, 7300, 5 },
	{ CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 1, 0, 7400, 30 },
	{ CLOCK_THREAD_CPUTIME_ID, SIGEV_THREAD_ID, 1, 0, 7500, 0 },
	{ CLOCK_MONOTONIC, SIGEV_THREAD_ID, 1, 0, 7600, 1 },
	{ CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0, 0, 0 },
};
static timer_t made[COUNT(kinds)], gap;

static void set(void)
{
	for (int i = 0; i < COUNT(intervals); i++) {
		struct itimerval value = { .it_value.tv_sec = intervals[i].value,
					   .it_interval.tv_sec = intervals[i].interval };
		MUST(setitimer(intervals[i].which, &value, NULL));
	}
	/* The numbers of timers are not those that a new process would hand out in order. */
	MUST(timer_create(CLOCK_MONOTONIC, NULL, &gap));
	MUST(timer_delete(gap));
	for (int i = 0; i < COUNT(kinds); i++) {
		struct sigevent event = { .sigev_notify = kinds[i].notify, .sigev_signo = RT(5) };
		event.sigev_value.sival_int = 1000 + i;
		if (kinds[i].notify == SIGEV_THREAD_ID)
			event.sigev_notify_thread_id = gettid();
		MUST(timer_create(kinds[i].clock, &event, &made[i]));
		struct itimerspec value = { .it_value.tv_sec = kinds[i].value,
					    .it_interval.tv_sec = kinds[i].interval };
		struct timespec now = { 0 };
		if (kinds[i].absolute)
			clock_gettime(kinds[i].clock, &now);
		value.it_value.tv_sec += now.tv_sec;
		if (kinds[i].armed)
			MUST(timer_settime(made[i], kinds[i].absolute ? TIMER_ABSTIME : 0, &value, NULL));
	}
}

static void check(void)
{
	char what[64];
	for (int i = 0; i < COUNT(intervals); i++) {
		struct itimerval now;
		MUST(getitimer(intervals[i].which, &now));
		snprintf(what, sizeof what, "interval timer %d", intervals[i].which);
		/* Kept in ticks, which may round up. */
		check_rest(what, now.it_value.tv_sec + now.it_value.tv_usec / 1e6 - 0.02,
			   intervals[i].value);
		SAME(what, now.it_interval.tv_sec, intervals[i].interval);
	}
	for (int i = 0; i < COUNT(kinds); i++) {
		struct itimerspec now;
		snprintf(what, sizeof what, "timer %d of clock %d", i, kinds[i].clock);
		CHECK(timer_gettime(made[i], &now) == 0, "%s is not there", what);
		if (kinds[i].armed)
			check_rest(what, now.it_value.tv_sec + now.it_value.tv_nsec / 1e9 - 0.02,
				   kinds[i].value);
		else
			SAME(what, now.it_value.tv_sec | now.it_value.tv_nsec, 0);
		SAME(what, now.it_interval.tv_sec, kinds[i].interval);
		SAME(what, timer_getoverrun(made[i]), 0);
	}
	/* That they still signal whom they should: one is made to expire now. */
	struct itimerspec soon = { .it_value.tv_nsec = 1 };
	for (int i = 0; i < COUNT(kinds); i++) {
		if (kinds[i].notify == SIGEV_NONE)
			continue;
		sigset_t one;
		siginfo_t info = { 0 };
		struct timespec limit = { .tv_sec = 10 };
		sigemptyset(&one);
		sigaddset(&one, RT(5));
		sigprocmask(SIG_BLOCK, &one, NULL);
		snprintf(what, sizeof what, "value of timer %d", i);
		timer_settime(made[i], 0, &soon, NULL);
		/* Clocks of CPU time run only while this one does. */
		if (kinds[i].clock == CLOCK_PROCESS_CPUTIME_ID || kinds[i].clock == CLOCK_THREAD_CPUTIME_ID)
			for (clock_t end = clock() + CLOCKS_PER_SEC / 10; clock() < end;)
				;
		SAME(what, sigtimedwait(&one, &info, &limit), RT(5));
		SAME(what, info.si_value.sival_int, 1000 + i);
		timer_delete(made[i]);
	}
}

const struct part timers = { "timers", set, check };
