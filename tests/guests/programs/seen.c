/* seen child FILE|stopped FILE|flock FILE|posix FILE: a process with a child that would see its end.
 * seen held FILE: one with a lock on FILE, without a child, and with memory that takes a while to be written.
 * seen waits FILE: one that waits for that lock.
 *
 * child    is sent a signal then.
 * stopped  is stopped, in a group of its own.
 * flock    waits for the lock that its parent has on FILE.
 * posix    likewise, for part of the file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int done, const char *what)
{
	if (done < 0) {
		printf("%s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static void lock(const char *file, int posix, int wait)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
	int fd;
	must(fd = open(file, O_RDWR | O_CREAT, 0600), "open");
	must(posix ? fcntl(fd, wait ? F_SETLKW : F_SETLK, &range) : flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)),
	     "lock");
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[1] : "";
	int held = !strcmp(how, "held"), locks = held || !strcmp(how, "flock") || !strcmp(how, "posix"), posix = !strcmp(how, "posix");
	errno = EINVAL;
	must(argc > 2 ? 0 : -1, "usage");
	setvbuf(stdout, NULL, _IOLBF, 1 << 12);
	if (!strcmp(how, "waits")) {
		lock(argv[2], 0, 1);
		return 0;
	}
	if (locks)
		lock(argv[2], posix, 0);
	if (held) {
		size_t size = 64 << 20;
		char *memory = malloc(size);
		must(memory ? 0 : -1, "malloc");
		for (size_t at = 0; at < size; at++)
			memory[at] = (char)(at * 31 >> 7);
		printf("ready\n");
		for (;;)
			pause();
	}
	pid_t child = fork();
	must(child, "fork");
	if (child == 0) {
		if (!strcmp(how, "child")) {
			must(setsid(), "setsid");
			must(prctl(PR_SET_PDEATHSIG, SIGUSR1), "prctl");
		} else if (!strcmp(how, "stopped")) {
			must(setpgid(0, 0), "setpgid");
			raise(SIGSTOP);
		} else {
			lock(argv[2], posix, 1);
			return 0;
		}
		for (;;)
			pause();
	}
	/* Until the child is as far. */
	if (!strcmp(how, "stopped"))
		must(waitpid(child, NULL, WUNTRACED), "waitpid");
	else
		usleep(300000);
	printf("ready\n");
	for (;;)
		pause();
}
