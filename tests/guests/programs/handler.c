/* handler: a program in the handler of a signal that came while it was in the vDSO.
 *
 * It asks what time it is until a timer's signal interrupts it there, says so, and stays in the
 * handler.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static char handlers_own[65536];

static void stay(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	uint64_t at = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	/* No kernel's is longer than two pages, and nothing is behind it that would be called. */
	if (at < vdso || at >= vdso + 8192)
		return;
	if (write(1, "ready\n", 6) == 6)
		for (;;)
			pause();
	_exit(3);
}

int main(void)
{
	stack_t stack = { .ss_sp = handlers_own, .ss_size = sizeof handlers_own };
	struct sigaction action = { .sa_sigaction = stay, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	if (sigaltstack(&stack, NULL) || sigaction(SIGALRM, &action, NULL) ||
	    setitimer(ITIMER_REAL, &often, NULL))
		return 2;
	for (;;) {
		struct timespec now;
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	}
}
