/* reserve GIB MIB: reserves GIB of address space in which nothing is, and fills MIB of memory, each page with
 * something else. Says "ready" and stands by. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char *map(size_t size, int protection)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	char *at = mmap(NULL, size, protection, flags, -1, 0);
	if (at == MAP_FAILED) {
		perror("reserve: mmap");
		exit(1);
	}
	return at;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: reserve GIB MIB\n");
		return 2;
	}
	size_t reserved = strtoul(argv[1], NULL, 10) << 30, filled = strtoul(argv[2], NULL, 10) << 20;
	if (reserved > 0)
		map(reserved, PROT_NONE);
	if (filled > 0) {
		char *memory = map(filled, PROT_READ | PROT_WRITE);
		for (size_t at = 0; at < filled; at += 4096)
			*(uint64_t *)(memory + at) = at + 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
