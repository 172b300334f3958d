/* clocks THREADS CALLS: threads that ask what time it is, CALLS times each, and nothing else.
 *
 * They spend nearly all of their time in the code that the kernel maps into each program, which
 * answers without a system call. No answer may be before the one that the thread had before.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST 64

static long calls;

static void *ask(void *argument)
{
	struct timespec before = { 0 }, now;
	for (long i = 0; i < calls; i++) {
		if (clock_gettime(CLOCK_REALTIME_COARSE, &now))
			return "no answer";
		if (now.tv_sec < before.tv_sec ||
		    (now.tv_sec == before.tv_sec && now.tv_nsec < before.tv_nsec))
			return "went back";
		before = now;
	}
	return argument;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 0;
	calls = argc > 2 ? atol(argv[2]) : 0;
	if (count < 1 || count > MOST || calls < 1) {
		fprintf(stderr, "usage: clocks THREADS CALLS\n");
		return 2;
	}
	pthread_t threads[MOST];
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, ask, "in order"))
			return 3;
	for (int i = 0; i < count; i++) {
		void *result;
		pthread_join(threads[i], &result);
		printf("%ld calls: %s\n", calls, (char *)result);
	}
	return 0;
}
