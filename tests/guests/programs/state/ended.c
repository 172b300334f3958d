/* Children that have ended, and that nobody has looked at: who they were, and how they ended. */
#include "state.h"
#include <grp.h>
#include <sys/wait.h>

static struct {
	const char *name;
	int user, group, status, signal;
	pid_t pid;
} ended[] = {
	{ "left", 77, 88, 5, 0, 0 },
	{ "was killed", 99, 0, 0, SIGTERM, 0 },
	{ "was root", 0, 0, 0, 0, 0 },
};

static void end(int i)
{
	const gid_t groups[] = { 7, 8, 9 };
	signal(SIGTERM, SIG_DFL);
	MUST(prctl(PR_SET_NAME, ended[i].name));
	if (ended[i].user)
		MUST(setgroups(COUNT(groups), groups));
	MUST(setresgid(ended[i].group, ended[i].group, ended[i].group));
	MUST(setresuid(ended[i].user, ended[i].user, ended[i].user));
	if (ended[i].signal) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		kill(getpid(), ended[i].signal);
	}
	_exit(ended[i].status);
}

/* One that sent another signal at its end, which was taken: it is not sent again. */
static pid_t unusual;
static volatile int told;

static void tell(int signal)
{
	(void)signal;
	told++;
}

static void set(void)
{
	siginfo_t info;
	struct sigaction action = { .sa_handler = tell, .sa_flags = SA_RESTART };
	MUST(sigaction(RT(6), &action, NULL));
	MUST(unusual = syscall(SYS_clone, RT(6), 0, 0, 0, 0));
	if (unusual == 0)
		syscall(SYS_exit_group, 8);
	MUST(waitid(P_PID, unusual, &info, WEXITED | WNOWAIT | __WALL));
	while (!told)
		usleep(1000);
	told = 0;
	for (int i = 0; i < COUNT(ended); i++) {
		siginfo_t info;
		MUST(ended[i].pid = fork());
		if (ended[i].pid == 0)
			end(i);
		MUST(waitid(P_PID, ended[i].pid, &info, WEXITED | WNOWAIT));
	}
}

/* A line of /proc/PID/status has all of `text`. */
static void has(int i, const char *field, const char *text)
{
	char path[64], line[256], found[256] = "";
	snprintf(path, sizeof path, "/proc/%d/status", ended[i].pid);
	FILE *status = fopen(path, "r");
	while (status && fgets(line, sizeof line, status))
		if (!strncmp(line, field, strlen(field)) && line[strlen(field)] == ':')
			strcpy(found, line + strlen(field) + 1);
	if (status)
		fclose(status);
	CHECK(strstr(found, text), "%s of %s: %s", field, ended[i].name, found);
}

static void check(void)
{
	int status = 0;
	SAME("a signal of one that has ended", told, 0);
	SAME("who did not send SIGCHLD", waitpid(unusual, &status, WNOHANG) < 0 && errno == ECHILD, 1);
	SAME("who did not send SIGCHLD", waitpid(unusual, &status, __WCLONE), unusual);
	SAME("its status", WEXITSTATUS(status), 8);
	for (int i = 0; i < COUNT(ended); i++) {
		siginfo_t info = { 0 };
		char text[64];
		has(i, "Name", ended[i].name);
		snprintf(text, sizeof text, "%d\t%d\t%d\t%d", ended[i].user, ended[i].user, ended[i].user,
			 ended[i].user);
		has(i, "Uid", text);
		snprintf(text, sizeof text, "%d\t%d\t%d\t%d", ended[i].group, ended[i].group,
			 ended[i].group, ended[i].group);
		has(i, "Gid", text);
		if (ended[i].user)
			has(i, "Groups", "7 8 9");
		MUST(waitid(P_PID, ended[i].pid, &info, WEXITED));
		SAME("user of a child that has ended", info.si_uid, ended[i].user);
		SAME("how it ended", info.si_code, ended[i].signal ? CLD_KILLED : CLD_EXITED);
		SAME("what it ended with", info.si_status,
		     ended[i].signal ? ended[i].signal : ended[i].status);
	}
}

const struct part ended_part = { "ended", set, check };
