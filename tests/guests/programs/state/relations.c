/* Who is whose child, and in whose group: also of one that is gone. */
#include "state.h"
#include <sys/wait.h>

/* Number of a process that has ended and was looked at, and of the one that it left behind. */
struct left {
	pid_t gone, stays;
};

static struct left of_group;
static pid_t sibling, maker, ignoring;

static void wait_until_told(void)
{
	int signal;
	sigset_t told;
	sigemptyset(&told);
	sigaddset(&told, SIGUSR1);
	sigwait(&told, &signal);
}

static void say(int to, pid_t number) { MUST(write(to, &number, sizeof number)); }

static pid_t heard(int from)
{
	pid_t number = 0;
	MUST(read(from, &number, sizeof number));
	return number;
}

/* A process that stays where one was that ends: it is the child of who takes in the children of others,
 * which is this process.
 */
static struct left leave(void)
{
	struct left left;
	int says[2];
	MUST(pipe(says));
	MUST(left.gone = fork());
	if (left.gone == 0) {
		MUST(setpgid(0, 0));
		pid_t stays;
		MUST(stays = fork());
		if (stays == 0) {
			close(says[0]);
			say(says[1], getpid());
			close(says[1]);
			wait_until_told();
			_exit(0);
		}
		_exit(0);
	}
	left.stays = heard(says[0]);
	close(says[0]);
	close(says[1]);
	int status;
	MUST(waitpid(left.gone, &status, 0));
	return left;
}

/* A child that a child made, as one of its own parent. */
static void make_sibling(void)
{
	int says[2];
	MUST(pipe(says));
	MUST(maker = fork());
	if (maker == 0) {
		close(says[0]);
		pid_t made = syscall(SYS_clone, CLONE_PARENT, 0, 0, 0, 0);
		MUST(made);
		if (made != 0)
			say(says[1], made);
		close(says[1]);
		wait_until_told();
		syscall(SYS_exit_group, made == 0 ? 6 : 7);
	}
	close(says[1]);
	sibling = heard(says[0]);
	close(says[0]);
}

/* Who no more wants to know of children that end has one that ended before. */
static void ignore(void)
{
	siginfo_t info;
	int ready[2];
	char byte;
	MUST(pipe(ready));
	MUST(ignoring = fork());
	if (ignoring != 0) {
		close(ready[1]);
		MUST(read(ready[0], &byte, 1));
		close(ready[0]);
		return;
	}
	pid_t ended;
	MUST(ended = fork());
	if (ended == 0)
		_exit(9);
	MUST(waitid(P_PID, ended, &info, WEXITED | WNOWAIT));
	MUST(signal(SIGCHLD, SIG_IGN) == SIG_ERR ? -1 : 0);
	MUST(write(ready[1], "", 1));
	wait_until_told();
	int status = 0;
	if (waitpid(ended, &status, WNOHANG) != ended)
		_exit(1);
	if (WEXITSTATUS(status) != 9)
		_exit(2);
	/* The next one is of no interest. */
	MUST(ended = fork());
	if (ended == 0)
		_exit(0);
	_exit(waitpid(ended, &status, 0) < 0 && errno == ECHILD ? 0 : 3);
}

static void set(void)
{
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	of_group = leave();
	make_sibling();
	ignore();
}

static void tell(const char *who, pid_t pid, int options, int expected)
{
	int status = -1;
	kill(pid, SIGUSR1);
	SAME(who, waitpid(pid, &status, options), pid);
	SAME(who, WIFEXITED(status) ? WEXITSTATUS(status) : -1, expected);
}

static pid_t parent_of(pid_t pid)
{
	char path[64], line[512] = "";
	int parent = -1;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *stat = fopen(path, "r");
	if (stat) {
		size_t length = fread(line, 1, sizeof line - 1, stat);
		line[length] = 0;
		fclose(stat);
	}
	/* A name may have anything in it, also blanks and parentheses. */
	const char *behind = strrchr(line, ')');
	if (behind)
		sscanf(behind + 1, " %*c %d", &parent);
	return parent;
}

static void check(void)
{
	CHECK(kill(of_group.gone, 0) < 0, "who led a group is there again");
	SAME("a group that nobody leads", getpgid(of_group.stays), of_group.gone);
	SAME("its session", getsid(of_group.stays), getsid(0));
	SAME("whose children are taken in", parent_of(of_group.stays), getpid());
	SAME("who was made as a sibling", parent_of(sibling), getpid());
	tell("who is in a group that nobody leads", of_group.stays, 0, 0);
	tell("who made a sibling", maker, 0, 7);
	tell("who was made as a sibling", sibling, __WALL, 6);
	tell("who ignores its children", ignoring, 0, 0);
}

const struct part relations = { "relations", set, check };
