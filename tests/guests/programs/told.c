/* told: has what cannot be made again and is told of, prints "ready PID" and waits.
 *
 * How far a folder was read; a child that was made with a signal of its own before this program was
 * executed, and is to send SIGCHLD since; a child of a thread that is not the first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static long must(long result, const char *call)
{
	if (result < 0) {
		printf("%s: %s\n", call, strerror(errno));
		exit(1);
	}
	return result;
}

#define MUST(call) must(call, #call)

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static int made;

static void *make(void *argument)
{
	MUST(made = fork());
	if (made == 0) {
		MUST(prctl(PR_SET_PDEATHSIG, SIGUSR2));
		wait_for_ever();
	}
	while (argument)
		pause();
	return argument;
}

int main(int argc, char **argv)
{
	if (argc == 1) {
		pid_t child;
		MUST(child = syscall(SYS_clone, SIGWINCH, 0, 0, 0, 0));
		if (child == 0)
			wait_for_ever();
		execl("/proc/self/exe", argv[0], "again", NULL);
		return 1;
	}
	char entries[256];
	int folder = MUST(open("/proc", O_RDONLY | O_DIRECTORY));
	MUST(syscall(SYS_getdents64, folder, entries, sizeof entries));
	pthread_t thread;
	errno = pthread_create(&thread, NULL, make, argv);
	MUST(errno ? -1 : 0);
	while (!*(volatile int *)&made)
		usleep(1000);
	usleep(50000);
	printf("ready %d\n", getpid());
	fflush(stdout);
	wait_for_ever();
}
