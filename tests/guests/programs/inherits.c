/* inherits COMMAND...: runs a command that has, and hands on, much that programs do not have by default.
 * inherits --for-good COMMAND...: and what nobody can give up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MPOL_INTERLEAVE 3
#define PR_SET_IO_FLUSHER 57
#define PR_SET_MDWE 65
#define PR_SET_MEMORY_MERGE 67

static void must(long done, const char *what)
{
	if (done < 0) {
		fprintf(stderr, "inherits: %s: %s\n", what, strerror(errno));
		exit(125);
	}
}
#define MUST(call) must((long)(call), #call)

static void put(const char *path, const char *text)
{
	int fd;
	MUST(fd = open(path, O_WRONLY));
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static void for_good(char **command)
{
	MUST(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP_LOCKED, 0, 0, 0));
	/* Linux 6.3. */
	prctl(PR_SET_MDWE, 1, 0, 0, 0);
	execvp(command[0], command);
	must(-1, command[0]);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "--for-good"))
		for_good(argv + 2);
	cpu_set_t first;
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	MUST(argc > 1 ? 0 : -1);
	MUST(sched_setaffinity(0, sizeof first, &first));
	MUST(syscall(SYS_ioprio_set, 1, 0, 3 << 13));
	unsigned long node = 1;
	MUST(syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &node, 8 * sizeof node));
	MUST(setpriority(PRIO_PROCESS, 0, 5));
	MUST(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 }));
	MUST(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	MUST(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	MUST(prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
	MUST(prctl(PR_SET_TIMERSLACK, 777777));
	MUST(iopl(3));
	MUST(ioperm(0x80, 1, 1));
	/* Linux 6.4. */
	prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0);
	MUST(personality(ADDR_NO_RANDOMIZE));
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGRTMIN + 5);
	MUST(sigprocmask(SIG_BLOCK, &blocked, NULL));
	put("/proc/self/oom_score_adj", "500");
	put("/proc/self/coredump_filter", "0");
	MUST(setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }));
	MUST(setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){ 10, 10 }));
	MUST(setrlimit(RLIMIT_DATA, &(struct rlimit){ 1 << 30, 1 << 30 }));
	execvp(argv[1], argv + 1);
	must(-1, argv[1]);
}
