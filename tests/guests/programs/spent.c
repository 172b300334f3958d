/* spent: a thread that uses up its time again and again: it has a tenth of a second in each four (SCHED_DEADLINE), and
 * nothing else of it happens before the next four, not even its end. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *spend(void *unused)
{
	(void)unused;
	struct {
		uint32_t size, policy;
		uint64_t flags;
		uint32_t nice, priority;
		uint64_t runtime, deadline, period;
	} wanted = { sizeof wanted, 6, 0, 0, 0, 100000000, 4000000000, 4000000000 };
	if (syscall(SYS_sched_setattr, 0, &wanted, 0)) {
		perror("spent: sched_setattr");
		_exit(1);
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		;
}

int main(void)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, spend, NULL))
		return 1;
	for (;;)
		pause();
}
