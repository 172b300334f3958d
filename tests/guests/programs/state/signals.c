/* Actions of all kinds, what is blocked, what is pending with what it carries, the other stack. */
#include "state.h"

static void handler(int signal)
{
	(void)signal;
}

static void informed(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info, (void)context;
}

/* RT(1) to RT(3) and SIGTERM are pending for the process, RT(4) and SIGHUP for its first thread. */
static const struct {
	int signal, flags, masked;
	void *action;
} actions[] = {
	{ SIGPIPE, 0, 0, SIG_IGN },
	{ SIGTTOU, SA_RESTART, 0, SIG_IGN },
	{ SIGTERM, 0, 0, handler },
	{ SIGHUP, SA_SIGINFO, 0, informed },
	{ SIGQUIT, SA_ONSTACK | SA_SIGINFO, SIGTERM, informed },
	{ SIGURG, SA_NODEFER, 0, handler },
	{ SIGIO, SA_RESETHAND, SIGHUP, handler },
	{ SIGWINCH, SA_RESTART | SA_ONSTACK | SA_NODEFER, SIGALRM, handler },
	{ SIGCHLD, SA_NOCLDSTOP | SA_RESTART, 0, handler },
	{ SIGSEGV, SA_SIGINFO | SA_ONSTACK, 0, informed },
	{ 64, SA_SIGINFO | SA_RESETHAND, 63, informed },
};
/* The flag that the C library adds for its own return from handlers. */
#define RESTORER 0x04000000

static char stack[65536] __attribute__((aligned(64)));
static sigset_t blocked;
static timer_t expired;

static void set(void)
{
	for (int i = 0; i < COUNT(actions); i++) {
		struct sigaction action = { .sa_flags = actions[i].flags };
		action.sa_handler = (void (*)(int))actions[i].action;
		if (actions[i].masked)
			sigaddset(&action.sa_mask, actions[i].masked);
		MUST(sigaction(actions[i].signal, &action, NULL));
	}
	stack_t other = { .ss_sp = stack, .ss_size = sizeof stack };
	MUST(sigaltstack(&other, NULL));

	sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (int i = 1; i <= 5; i++)
		sigaddset(&blocked, RT(i));
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGHUP);
	sigaddset(&blocked, 64);
	sigprocmask(SIG_SETMASK, &blocked, NULL);

	for (int i = 0; i < 5; i++)
		MUST(sigqueue(getpid(), RT(1), (union sigval){ .sival_int = 100 + i }));
	MUST(sigqueue(getpid(), RT(2), (union sigval){ .sival_ptr = stack }));
	MUST(kill(getpid(), SIGTERM));
	MUST(syscall(SYS_tgkill, getpid(), gettid(), SIGHUP));
	siginfo_t info = { .si_signo = RT(4), .si_code = SI_QUEUE };
	info.si_pid = getpid();
	info.si_uid = 4711;
	info.si_value.sival_int = -7;
	MUST(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), RT(4), &info));

	/* A timer that has expired and whose signal nobody took. */
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = RT(3) };
	event.sigev_value.sival_int = 333;
	MUST(timer_create(CLOCK_MONOTONIC, &event, &expired));
	struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
	MUST(timer_settime(expired, 0, &soon, NULL));
	usleep(20000);
}

/* The next signal of this number, which has to be there. */
static siginfo_t take(int signal, int code)
{
	sigset_t one;
	siginfo_t info = { 0 };
	struct timespec now = { 0 };
	sigemptyset(&one);
	sigaddset(&one, signal);
	/* The C library's sigtimedwait makes SI_USER of SI_TKILL. */
	CHECK(syscall(SYS_rt_sigtimedwait, &one, &info, &now, 8) == signal,
	      "signal %d is not pending", signal);
	CHECK(info.si_code == code, "signal %d: si_code is %d, not %d", signal, info.si_code, code);
	return info;
}

static void check(void)
{
	for (int i = 0; i < COUNT(actions); i++) {
		struct sigaction action;
		int signal = actions[i].signal;
		MUST(sigaction(signal, NULL, &action));
		CHECK((void *)action.sa_handler == actions[i].action, "signal %d: its handler is %p",
		      signal, (void *)action.sa_handler);
		CHECK((action.sa_flags & ~RESTORER) == actions[i].flags, "signal %d: flags are %#x",
		      signal, action.sa_flags);
		for (int other = 1; other <= 64; other++) {
			int wanted = other == actions[i].masked;
			if (other != 32 && other != 33)
				CHECK(sigismember(&action.sa_mask, other) == wanted,
				      "signal %d: its mask at %d", signal, other);
		}
	}
	stack_t other;
	MUST(sigaltstack(NULL, &other));
	CHECK(other.ss_sp == stack && other.ss_size == sizeof stack && other.ss_flags == 0,
	      "alternate stack: %p, %zu bytes, flags %#x", other.ss_sp, other.ss_size, other.ss_flags);

	sigset_t now, pending;
	sigprocmask(SIG_BLOCK, NULL, &now);
	sigpending(&pending);
	for (int signal = 1; signal <= 64; signal++) {
		int waits = signal == SIGTERM || signal == SIGHUP
			|| (signal >= RT(1) && signal <= RT(4));
		CHECK(sigismember(&now, signal) == sigismember(&blocked, signal),
		      "signal %d: blocked is %d", signal, sigismember(&now, signal));
		/* Children that ended have told. */
		if (signal != SIGCHLD)
			CHECK(sigismember(&pending, signal) == waits, "signal %d: pending is %d", signal,
			      sigismember(&pending, signal));
	}
	for (int i = 0; i < 5; i++) {
		siginfo_t info = take(RT(1), SI_QUEUE);
		SAME("value of a queued signal", info.si_value.sival_int, 100 + i);
		SAME("sender of a queued signal", info.si_pid, getpid());
	}
	siginfo_t info = take(RT(2), SI_QUEUE);
	CHECK(info.si_value.sival_ptr == stack, "pointer of a queued signal: %p",
	      info.si_value.sival_ptr);
	info = take(SIGTERM, SI_USER);
	SAME("sender of SIGTERM", info.si_pid, getpid());
	info = take(SIGHUP, SI_TKILL);
	SAME("sender of SIGHUP", info.si_pid, getpid());
	info = take(RT(4), SI_QUEUE);
	SAME("value of a signal to a thread", info.si_value.sival_int, -7);
	SAME("user of a signal to a thread", info.si_uid, 4711);
	info = take(RT(3), SI_TIMER);
	SAME("value of an expired timer", info.si_value.sival_int, 333);
	SAME("overruns of an expired timer", info.si_overrun, 0);
	SAME("an expired timer can be deleted", timer_delete(expired), 0);
}

const struct part signals = { "signals", set, check };
