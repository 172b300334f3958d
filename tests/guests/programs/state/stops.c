/* Children that were stopped, or go on since: what their parent has been told of it, and what it has not. */
#include "state.h"
#include <sys/wait.h>

enum { UNTOLD, TOLD, CONTINUED };

static pid_t children[3];

static void wait_for(pid_t pid, int how, int code)
{
	siginfo_t info = { 0 };
	MUST(waitid(P_PID, pid, &info, how));
	must(info.si_code == code, __FILE__, "a child of which this is told");
}

static void set(void)
{
	for (int i = 0; i < COUNT(children); i++) {
		MUST(children[i] = fork());
		while (children[i] == 0)
			pause();
		MUST(kill(children[i], SIGSTOP));
		wait_for(children[i], i == UNTOLD ? WSTOPPED | WNOWAIT : WSTOPPED, CLD_STOPPED);
	}
	MUST(kill(children[CONTINUED], SIGCONT));
	wait_for(children[CONTINUED], WCONTINUED | WNOWAIT, CLD_CONTINUED);
}

/* The state that /proc/PID/stat has. */
static char state_of(pid_t pid)
{
	char path[64], line[512] = "";
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *stat = fopen(path, "r");
	if (stat && fgets(line, sizeof line, stat) && strrchr(line, ')')) {
		fclose(stat);
		return strrchr(line, ')')[2];
	}
	return '?';
}

/* What the thaw says that it does not give back, the parent's being told, is not looked at. */
static void check(void)
{
	siginfo_t info = { 0 };
	SAME("a stop that is told", waitid(P_PID, children[UNTOLD], &info, WSTOPPED | WNOHANG), 0);
	SAME("of which child", info.si_pid, children[UNTOLD]);
	SAME("what it is told as", info.si_code, CLD_STOPPED);
	SAME("the signal", info.si_status, SIGSTOP);
	const char states[] = { 'T', 'T', 'S' };
	for (int i = 0; i < COUNT(children); i++) {
		SAME("state of a child", state_of(children[i]), states[i]);
		int status = -1;
		kill(children[i], SIGKILL);
		SAME("a child", waitpid(children[i], &status, 0), children[i]);
		SAME("its end", status, SIGKILL);
	}
}

const struct part stops_part = { "stops", set, check };
