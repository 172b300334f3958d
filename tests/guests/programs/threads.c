/* threads COUNT ROUNDS: threads that compute in step with each other and print one number.
 *
 * In each round every thread mixes its own numbers with those its neighbour had in the round before;
 * a barrier keeps them together, and a mutex the sum. The number depends on COUNT and ROUNDS alone.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBERS 1024
#define MOST 64

static int count, rounds;
static uint64_t numbers[2][MOST][NUMBERS], sum;
static pthread_barrier_t barrier;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *compute(void *argument)
{
	int me = (int)(intptr_t)argument, neighbour = (me + 1) % count;
	for (int i = 0; i < NUMBERS; i++)
		numbers[0][me][i] = (uint64_t)me << 32 | i;
	for (int round = 0; round < rounds; round++) {
		pthread_barrier_wait(&barrier);
		uint64_t *mine = numbers[(round + 1) % 2][me], part = 0;
		for (int i = 0; i < NUMBERS; i++) {
			uint64_t x = numbers[round % 2][me][i] ^ numbers[round % 2][neighbour][i] << 1;
			x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u + round;
			mine[i] = x;
			part += x >> 7;
		}
		pthread_mutex_lock(&mutex);
		sum = sum + part;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	count = argc > 1 ? atoi(argv[1]) : 0;
	rounds = argc > 2 ? atoi(argv[2]) : 0;
	if (count < 1 || count > MOST || rounds < 1) {
		fprintf(stderr, "usage: threads COUNT ROUNDS\n");
		return 2;
	}
	pthread_t threads[MOST];
	pthread_barrier_init(&barrier, NULL, count);
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, compute, (void *)(intptr_t)i))
			return 3;
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("%016" PRIx64 "\n", sum);
	return 0;
}
