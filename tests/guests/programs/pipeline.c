/* pipeline BLOCKS: three processes, one that makes blocks of numbers, one that mixes them, one that
 * prints a checksum. Blocks are larger than a pipe, so that both sides wait.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBERS 10007
static uint64_t block[NUMBERS];

static void write_block(int fd)
{
	for (size_t done = 0; done < sizeof block;) {
		ssize_t put = write(fd, (char *)block + done, sizeof block - done);
		if (put < 0 && errno != EINTR)
			_exit(1);
		done += put > 0 ? put : 0;
	}
}

/* 0 at the end. */
static int read_block(int fd)
{
	for (size_t done = 0; done < sizeof block;) {
		ssize_t got = read(fd, (char *)block + done, sizeof block - done);
		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR)
			_exit(1);
		done += got > 0 ? got : 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	int blocks = argc > 1 ? atoi(argv[1]) : 0, first[2], second[2];
	if (blocks < 1) {
		fprintf(stderr, "usage: pipeline BLOCKS\n");
		return 2;
	}
	if (pipe(first) || pipe(second))
		return 3;
	pid_t maker = fork();
	if (maker == 0) {
		close(first[0]), close(second[0]), close(second[1]);
		for (int b = 0; b < blocks; b++) {
			for (int i = 0; i < NUMBERS; i++)
				block[i] = (uint64_t)b * NUMBERS + i;
			write_block(first[1]);
		}
		_exit(0);
	}
	pid_t mixer = fork();
	if (mixer == 0) {
		close(first[1]), close(second[0]);
		while (read_block(first[0])) {
			for (int i = 0; i < NUMBERS; i++)
				block[i] = (block[i] ^ block[i] >> 31) * 0x94d049bb133111ebu;
			write_block(second[1]);
		}
		_exit(0);
	}
	close(first[0]), close(first[1]), close(second[1]);
	uint64_t sum = 0;
	int count = 0;
	for (; read_block(second[0]); count++)
		for (int i = 0; i < NUMBERS; i++)
			sum = sum * 31 + block[i];
	int status, failed = 0;
	while (wait(&status) > 0)
		failed |= status != 0;
	printf("%d blocks %016" PRIx64 "\n", count, sum);
	return failed || count != blocks || maker < 0 || mixer < 0;
}
