/* Children with identities, sessions and process groups of their own, and one that has ended. */
#include "state.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const gid_t groups[] = { 10, 20, 4000000000u, 65534 };
static const struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
/* CAP_CHOWN, CAP_KILL, CAP_NET_RAW, CAP_SYS_ADMIN may be used, one of them is not at the moment. */
#define PERMITTED (1 << CAP_CHOWN | 1 << CAP_KILL | 1 << CAP_NET_RAW | 1 << CAP_SYS_ADMIN)
#define EFFECTIVE (1 << CAP_CHOWN | 1 << CAP_KILL | 1 << CAP_NET_RAW)
#define INHERITABLE (1 << CAP_KILL | 1 << CAP_NET_RAW)
#define BITS (SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS)

static void set_identity(void)
{
	MUST(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME));
	MUST(prctl(PR_CAPBSET_DROP, CAP_SYSLOG));
	MUST(prctl(PR_SET_SECUREBITS, BITS));
	MUST(setgroups(COUNT(groups), groups));
	MUST(setresgid(2001, 2002, 2003));
	MUST(setfsgid(2001));
	MUST(setresuid(1001, 1002, 1003));
	MUST(setfsuid(1003));
	struct __user_cap_data_struct data[2] = {
		{ .effective = EFFECTIVE, .permitted = PERMITTED, .inheritable = INHERITABLE },
	};
	MUST(syscall(SYS_capset, &header, data));
	MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	MUST(prctl(PR_SET_PDEATHSIG, SIGUSR2));
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void check_identity(void)
{
	uid_t u[3];
	gid_t g[3], now[8];
	MUST(getresuid(&u[0], &u[1], &u[2]));
	MUST(getresgid(&g[0], &g[1], &g[2]));
	for (int i = 0; i < 3; i++) {
		SAME("user", u[i], 1001 + i);
		SAME("group", g[i], 2001 + i);
	}
	SAME("file system user", setfsuid(-1), 1003);
	SAME("file system group", setfsgid(-1), 2001);
	int count = getgroups(8, now);
	SAME("number of groups", count, COUNT(groups));
	/* The kernel keeps them sorted. */
	static const gid_t sorted[] = { 10, 20, 65534, 4000000000u };
	for (int i = 0; i < count && i < COUNT(groups); i++)
		SAME("supplementary group", now[i], sorted[i]);
	struct __user_cap_data_struct data[2];
	MUST(syscall(SYS_capget, &header, data));
	SAME("effective capabilities", data[0].effective, EFFECTIVE);
	SAME("permitted capabilities", data[0].permitted, PERMITTED);
	SAME("inheritable capabilities", data[0].inheritable, INHERITABLE);
	SAME("effective capabilities", data[1].effective, 0);
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		SAME("bounding set", prctl(PR_CAPBSET_READ, cap), cap != CAP_SYS_TIME && cap != CAP_SYSLOG);
		SAME("ambient set", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0),
		     cap == CAP_KILL);
	}
	SAME("securebits", prctl(PR_GET_SECUREBITS), BITS);
	SAME("keepcaps", prctl(PR_GET_KEEPCAPS), 1);
	int signal = 0;
	MUST(prctl(PR_GET_PDEATHSIG, &signal));
	SAME("signal at the parent's death", signal, SIGUSR2);
	SAME("no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}

static void set_session(void)
{
	MUST(setsid());
}

static void check_session(void)
{
	SAME("session", getsid(0), getpid());
	SAME("process group of a session's leader", getpgrp(), getpid());
}

static void set_group(void)
{
	MUST(setpgid(0, 0));
}

static pid_t parent, session;

static void check_group(void)
{
	SAME("process group", getpgrp(), getpid());
	SAME("session of another group", getsid(0), session);
	SAME("parent", getppid(), parent);
}

static void set_root(void)
{
	mkdir("root", 0755);
	mkdir("root/below", 0755);
	MUST(chroot("root"));
	MUST(chdir("/below"));
}

static void check_root(void)
{
	char now[64] = "";
	if (!getcwd(now, sizeof now))
		now[0] = 0;
	CHECK(!strcmp(now, "/below"), "working directory below another root: %s", now);
	CHECK(access("/proc", F_OK) < 0, "the root is the system's");
	CHECK(access("/below", F_OK) == 0, "the root is not ours");
}

static struct child children[] = {
	{ .name = "identity", .set = set_identity, .check = check_identity },
	{ .name = "session", .set = set_session, .check = check_session },
	{ .name = "group", .set = set_group, .check = check_group },
	{ .name = "root", .set = set_root, .check = check_root },
};
static pid_t ended;

static void set(void)
{
	parent = getpid();
	session = getsid(0);
	start_children(children, COUNT(children));
	MUST(ended = fork());
	if (ended == 0)
		_exit(42);
	usleep(20000);
}

static void check(void)
{
	int status = 0;
	SAME("an ended child", waitpid(ended, &status, 0), ended);
	SAME("what it ended with", WEXITSTATUS(status), 42);
	finish_children(children, COUNT(children));
}

const struct part family = { "family", set, check };
