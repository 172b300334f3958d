/* terminal COMMAND: runs a shell command in a session of its own, with a pseudo-terminal as its
 * controlling terminal, and copies what is written there to the standard output.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int must(int result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "terminal: %s: %s\n", what, strerror(errno));
		exit(2);
	}
	return result;
}

int main(int argc, char **argv)
{
	char block[4096];
	ssize_t got;
	int status;
	if (argc != 2)
		return 2;
	int master = must(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "/dev/ptmx");
	must(unlockpt(master), "unlockpt");
	const char *name = ptsname(master);
	pid_t leader = must(fork(), "fork");
	if (leader == 0) {
		must(setsid(), "setsid");
		int slave = must(open(name, O_RDWR), name);
		must(ioctl(slave, TIOCSCTTY, 0), "TIOCSCTTY");
		for (int fd = 0; fd < 3; fd++)
			must(dup2(slave, fd), "dup2");
		if (slave > 2)
			close(slave);
		execl("/bin/sh", "sh", "-c", argv[1], NULL);
		_exit(127);
	}
	/* Fails once nobody has the other side any more. */
	while ((got = read(master, block, sizeof block)) > 0)
		must(write(1, block, got), "write");
	must(waitpid(leader, &status, 0), "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
