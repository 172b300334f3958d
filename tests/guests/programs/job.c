/* job OUTPUT: a job of a shell, in a process group of its own, that writes to its terminal.
 *
 * Writes "ready" to OUTPUT, waits for SIGUSR1, and writes "ok" or what is not as it was.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static FILE *output;
static int wrong;

/* The device of the controlling terminal: the seventh number of /proc/self/stat. */
static long terminal(void)
{
	char line[1024] = "";
	long number = -1;
	FILE *stat = fopen("/proc/self/stat", "r");
	if (stat && fgets(line, sizeof line, stat) && strrchr(line, ')'))
		sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %ld", &number);
	if (stat)
		fclose(stat);
	return number;
}

static void same(const char *what, long was, long is)
{
	if (was == is)
		return;
	wrong = 1;
	fprintf(output, "wrong: %s: %ld, not %ld\n", what, is, was);
}

int main(int argc, char **argv)
{
	sigset_t set;
	int signal;
	if (argc != 2 || !(output = fopen(argv[1], "w")) || setpgid(0, 0) < 0)
		return 2;
	setvbuf(output, NULL, _IONBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int asked = open("/dev/tty", O_RDWR);
	long was[] = { terminal(), getsid(0), getpgrp(), tcgetpgrp(1), tcgetsid(asked) };
	fprintf(output, "ready %ld\n", was[0]);
	sigwait(&set, &signal);
	long is[] = { terminal(), getsid(0), getpgrp(), tcgetpgrp(1), tcgetsid(asked) };
	const char *what[] = { "controlling terminal", "session", "group", "foreground group",
			       "session of /dev/tty" };
	for (size_t i = 0; i < sizeof was / sizeof *was; i++)
		same(what[i], was[i], is[i]);
	if (dprintf(1, "from standard output\n") < 0 || dprintf(asked, "from /dev/tty\n") < 0)
		wrong = 1;
	fprintf(output, wrong ? "WRONG\n" : "ok\n");
	return wrong;
}
