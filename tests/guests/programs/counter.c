/* counter TURNS: one thread in user mode that counts, without a system call until it is done. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	uint64_t turns = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, x = 1;
	if (turns < 1) {
		fprintf(stderr, "usage: counter TURNS\n");
		return 2;
	}
	for (uint64_t i = 0; i < turns; i++)
		x = x * 6364136223846793005u + 1442695040888963407u;
	printf("%" PRIu64 " turns %016" PRIx64 "\n", turns, x);
	return 0;
}
