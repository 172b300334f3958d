/* chains: threads that wait for ever, each at the end of a chain of calls of its own, in system calls
 * that begin anew with the same registers when they are interrupted. Prints "ready" when all wait. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STEP __attribute__((noinline, noclone))

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static int pipes[2];
/* What a caller does after a call keeps its frame on the stack. */
static volatile int depth;
static volatile double kept;

STEP static void wait_for_bytes(void)
{
	char byte;
	while (read(pipes[0], &byte, 1) != 1)
		depth--;
	depth++;
}

STEP static void third_reader(void)
{
	wait_for_bytes();
	depth++;
}

STEP static void second_reader(void)
{
	third_reader();
	depth++;
}

STEP static void *first_reader(void *unused)
{
	(void)unused;
	kept = 1.5 * depth;
	second_reader();
	depth++;
	return NULL;
}

STEP static void wait_for_condition(int levels)
{
	if (levels > 0) {
		wait_for_condition(levels - 1);
		depth++;
		return;
	}
	pthread_mutex_lock(&mutex);
	while (depth < 1 << 30)
		pthread_cond_wait(&never, &mutex);
}

STEP static void *recursive_waiter(void *levels)
{
	wait_for_condition(*(int *)levels);
	depth++;
	return NULL;
}

STEP static void wait_for_signal(void)
{
	while (depth < 1 << 30)
		pause();
}

STEP static void last_of_main(void)
{
	wait_for_signal();
	depth++;
}

int main(void)
{
	static int levels[] = { 3, 7 };
	pthread_t thread;
	if (pipe(pipes) || pthread_create(&thread, NULL, first_reader, NULL))
		return 1;
	for (int i = 0; i < 2; i++)
		if (pthread_create(&thread, NULL, recursive_waiter, &levels[i]))
			return 1;
	usleep(200000);
	puts("ready");
	fflush(stdout);
	last_of_main();
	return 0;
}
