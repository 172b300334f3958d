/* late SECONDS COMMAND...: runs a command in a time namespace whose CLOCK_MONOTONIC and
 * CLOCK_BOOTTIME are that much ahead of the machine's, as if that had been up longer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static int die(const char *what)
{
	fprintf(stderr, "late: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: late SECONDS COMMAND...\n");
		return 2;
	}
	if (unshare(CLONE_NEWTIME))
		return die("unshare");
	FILE *offsets = fopen("/proc/self/timens_offsets", "w");
	if (!offsets)
		return die("timens_offsets");
	fprintf(offsets, "monotonic %s 250000000\nboottime %s 0\n", argv[1], argv[1]);
	if (fclose(offsets))
		return die("timens_offsets");
	int namespace = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (namespace < 0 || setns(namespace, CLONE_NEWTIME))
		return die("setns");
	execvp(argv[2], argv + 2);
	return die(argv[2]);
}
