/* Sets, waits, checks; see state.h. */
#include "state.h"
#include <linux/limits.h>
#include <stdarg.h>
#include <sys/wait.h>

int checking;
static int checks, failures;

void check_one(const char *file, int holds, const char *format, ...)
{
	__atomic_add_fetch(&checks, 1, __ATOMIC_SEQ_CST);
	if (holds)
		return;
	__atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
	const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	char line[512];
	int length = snprintf(line, sizeof line, "wrong: %.*s: ", (int)(strlen(name) - 2), name);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line + length, sizeof line - length, format, arguments);
	va_end(arguments);
	printf("%s\n", line);
}

void must(int holds, const char *file, const char *call)
{
	if (holds)
		return;
	fprintf(stderr, "state: %s: %s: %s\n", file, call, strerror(errno));
	exit(2);
}

void check_rest(const char *what, double rest, double whole)
{
	CHECK(rest > whole - AWAY && rest <= whole, "%s: %f s are left of %f s", what, rest, whole);
}

void become(uid_t real, uid_t effective, gid_t group)
{
	/* Whoever is not root any more may not change its group. */
	MUST(syscall(SYS_setresuid, -1, 0, -1));
	MUST(syscall(SYS_setresgid, -1, group, -1));
	MUST(syscall(SYS_setresuid, real, effective, 0));
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	worker->tid = gettid();
	MUST(prctl(PR_SET_NAME, worker->name));
	if (worker->set)
		worker->set(worker);
	__atomic_store_n(&worker->ready, 1, __ATOMIC_SEQ_CST);
	if (worker->wait)
		worker->wait(worker);
	while (!__atomic_load_n(&checking, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &checking, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	char name[16];
	MUST(prctl(PR_GET_NAME, name));
	CHECK(!strcmp(name, worker->name), "thread %s is called %s", worker->name, name);
	SAME("its number", gettid(), worker->tid);
	if (worker->check)
		worker->check(worker);
	return NULL;
}

void start_workers(struct worker *workers, int count)
{
	for (int i = 0; i < count; i++) {
		errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		must(errno == 0, __FILE__, "pthread_create");
		while (!__atomic_load_n(&workers[i].ready, __ATOMIC_SEQ_CST))
			usleep(1000);
	}
	/* They are in the system call they wait in, and not on the way there. */
	usleep(50000);
}

void finish_workers(struct worker *workers, int count)
{
	__atomic_store_n(&checking, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &checking, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL, 0);
	for (int i = 0; i < count; i++) {
		if (workers[i].wait)
			syscall(SYS_tgkill, getpid(), workers[i].tid, SIGUSR2);
		pthread_join(workers[i].thread, NULL);
	}
}

static volatile sig_atomic_t told;

static void tell(int signal)
{
	(void)signal;
	told = 1;
}

/* In sigsuspend, whose mask is not that of the task. */
static void wait_until_told(void)
{
	sigset_t mask;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigdelset(&mask, SIGUSR1);
	while (!told)
		sigsuspend(&mask);
}

void start_children(struct child *children, int count)
{
	for (int i = 0; i < count; i++) {
		int ready[2];
		char byte;
		MUST(pipe(ready));
		MUST(children[i].pid = fork());
		if (children[i].pid == 0) {
			checks = failures = 0;
			close(ready[0]);
			MUST(prctl(PR_SET_NAME, children[i].name));
			children[i].set();
			close(ready[1]);
			wait_until_told();
			children[i].check();
			fflush(stdout);
			_exit(failures != 0);
		}
		close(ready[1]);
		/* Its end is closed when it has set everything, or has failed. */
		while (read(ready[0], &byte, 1) > 0)
			;
		close(ready[0]);
		must(waitpid(children[i].pid, NULL, WNOHANG) == 0, __FILE__, children[i].name);
	}
}

void finish_children(struct child *children, int count)
{
	for (int i = 0; i < count; i++) {
		int status = -1;
		kill(children[i].pid, SIGUSR1);
		SAME(children[i].name, waitpid(children[i].pid, &status, 0), children[i].pid);
		SAME(children[i].name, status, 0);
	}
}

/* Signals first: what they block, threads inherit. Files before anything that opens some. */
static const struct part *const parts[] = { &signals, &files, &process, &memory, &locked, &all_locked, &locked_on_fault, &timers,
	&family, &relations, &sleeps, &scheduling, &threads, &registers, &fifos, &opened_part, &ended_part, &keyed_part, &shared,
	&requests, &guarded, &stops_part, &defaults, &many, &pipes_part,
	&events_part, &unlinked_part, &memfds_part, &pairs_part };

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: state FOLDER [PART...]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 1 << 12);
	MUST(chdir(argv[1]));
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	struct sigaction action = { .sa_handler = tell };
	MUST(sigaction(SIGUSR1, &action, NULL));
	MUST(sigaction(SIGUSR2, &action, NULL));

	const struct part *chosen[COUNT(parts)];
	int count = 0;
	for (int i = 0; i < COUNT(parts); i++) {
		int wanted = argc == 2 && !parts[i]->named;
		for (int a = 2; a < argc; a++)
			wanted |= !strcmp(argv[a], parts[i]->name);
		if (wanted)
			chosen[count++] = parts[i];
	}
	must(argc == 2 || count == argc - 2, argv[0], "a part of this name");
	for (int i = 0; i < count; i++)
		chosen[i]->set();
	pid_t pid = getpid();
	printf("ready %d\n", pid);
	wait_until_told();
	SAME("process id", getpid(), pid);
	/* From the last to the first: signals are checked when nothing can add to them. */
	for (int i = count; i-- > 0;)
		chosen[i]->check();
	if (failures)
		printf("WRONG, %d of %d checks\n", failures, checks);
	else
		printf("ok, %d checks\n", checks);
	return failures != 0;
}
