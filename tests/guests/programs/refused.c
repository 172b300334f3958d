/* refused KIND...: sets up things that a freeze cannot carry, prints "ready PID" and waits.
 *
 * Some need a second process, which the first makes; its number stands behind the first's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static const char *kind;
static pid_t other;

static long must(long result)
{
	if (result < 0) {
		printf("%s: %s\n", kind, strerror(errno));
		exit(1);
	}
	return result;
}

static void *mapped(void *at)
{
	must(at == MAP_FAILED ? -1 : 0);
	return at;
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void uds(void) { int fds[2]; must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds)); }
static void inet(void) { must(socket(AF_INET, SOCK_STREAM, 0)); }
static void netlink(void) { must(socket(AF_NETLINK, SOCK_RAW, 0)); }
static void event(void) { must(eventfd(0, 0)); }
static void epoll(void) { must(epoll_create1(0)); }
static void timer(void) { must(timerfd_create(CLOCK_MONOTONIC, 0)); }
static void notify(void) { must(inotify_init()); }
static void pidfd(void) { must(syscall(SYS_pidfd_open, getpid(), 0)); }
static void memfd(void) { must(memfd_create("memory", 0)); }
static void port(void) { must(open("/dev/rtc0", O_RDONLY)); }
static void locked(void) { must(mlock(mapped(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), PAGE)); }
static void uts(void) { must(unshare(CLONE_NEWUTS)); }
static void ipc(void) { must(unshare(CLONE_NEWIPC)); }
static void net(void) { must(unshare(CLONE_NEWNET)); }
static void mounts(void) { must(unshare(CLONE_NEWNS)); }
static void cgroups(void) { must(unshare(CLONE_NEWCGROUP)); }
static void times(void) { must(unshare(CLONE_NEWTIME)); }
static void pids(void) { must(unshare(CLONE_NEWPID)); }
static void users(void) { must(unshare(CLONE_NEWUSER)); }

static void signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(signalfd(-1, &set, 0));
}

static void queue(void)
{
	must(mq_open("/queue", O_CREAT | O_RDWR, 0600, NULL));
}

static void unlinked(void)
{
	must(open("/tmp/unlinked", O_CREAT | O_RDWR, 0600));
	must(unlink("/tmp/unlinked"));
}

/* A name of two lines, of which the second is another message. */
static void lines(void)
{
	must(open("/tmp/two\nrefused: lines", O_CREAT | O_RDWR, 0600));
	must(unlink("/tmp/two\nrefused: lines"));
	must(prctl(PR_SET_NAME, "two\nlines"));
}

/* A name in Latin-1. */
static void latin(void)
{
	must(open("/tmp/l\344tin", O_CREAT | O_RDWR, 0600));
}

static void directory(void)
{
	must(mkdir("/tmp/removed", 0700));
	must(chdir("/tmp/removed"));
	must(rmdir("/tmp/removed"));
}

static void device(void)
{
	int fd = must(open("/dev/mem", O_RDONLY));
	mapped(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0xf0000));
}

static void huge(void)
{
	*(char *)mapped(mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0)) = 1;
}

static void shared(void)
{
	int id = must(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600));
	must((long)shmat(id, NULL, 0));
	must(shmctl(id, IPC_RMID, NULL));
}

static void uring(void)
{
	struct io_uring_params parameters = { 0 };
	must(syscall(SYS_io_uring_setup, 4, &parameters));
}

/* A thread of the kernel's in this process. */
static void polled(void)
{
	struct io_uring_params parameters = { .flags = IORING_SETUP_SQPOLL };
	must(syscall(SYS_io_uring_setup, 4, &parameters));
}

static void aio(void)
{
	aio_context_t context = 0;
	must(syscall(SYS_io_setup, 4, &context));
}

static void faults(void)
{
	int fd = must(syscall(SYS_userfaultfd, O_CLOEXEC));
	struct uffdio_api api = { .api = UFFD_API };
	must(ioctl(fd, UFFDIO_API, &api));
	void *at = mapped(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct uffdio_register range = {
		.range = { (uintptr_t)at, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	must(ioctl(fd, UFFDIO_REGISTER, &range));
}

static void lease(void)
{
	int fd = must(open("/tmp/leased", O_CREAT | O_RDONLY, 0600));
	must(fcntl(fd, F_SETLEASE, F_RDLCK));
}

static void semaphore(void)
{
	int id = must(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600));
	struct sembuf up = { 0, 1, SEM_UNDO };
	must(semop(id, &up, 1));
}

static void performance(void)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof attributes,
		.config = PERF_COUNT_SW_PAGE_FAULTS,
	};
	must(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}

static void listener(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &allow };
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

/* A tracer that goes away leaves its breakpoints. */
static void breakpoint(void)
{
	pid_t tracer = must(fork());
	if (tracer == 0) {
		pid_t pid = getppid();
		must(ptrace(PTRACE_SEIZE, pid, 0, 0));
		must(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
		must(waitpid(pid, NULL, __WALL));
		must(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]), wait_for_ever));
		must(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 1));
		must(ptrace(PTRACE_DETACH, pid, 0, 0));
		_exit(0);
	}
	int status;
	while (waitpid(tracer, &status, 0) < 0 && errno == EINTR)
		;
	must(status ? -1 : 0);
}

/* A probe that is hit once. */
static void probe(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, offset = 0, at = (unsigned long)uds;
	char line[256];
	while (fgets(line, sizeof line, maps)) {
		unsigned long end, from;
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &from) == 3 && start <= at && at < end)
			offset = at - start + from;
	}
	char program[256] = "";
	must(readlink("/proc/self/exe", program, sizeof program - 1));
	int fd = must(open("/sys/kernel/tracing/uprobe_events", O_WRONLY));
	must(dprintf(fd, "p:refused %s:%#lx\n", program, offset));
	close(fd);
	fclose(maps);
	fd = must(open("/sys/kernel/tracing/events/uprobes/refused/enable", O_WRONLY));
	must(write(fd, "1", 1));
	close(fd);
	uds();
}

static void child(void (*function)(void))
{
	int ready[2];
	char byte;
	must(pipe(ready));
	other = must(fork());
	if (other == 0) {
		function();
		must(write(ready[1], "", 1));
		wait_for_ever();
	}
	must(read(ready[0], &byte, 1));
	close(ready[0]);
	close(ready[1]);
}

static void nothing(void) { }

static void tracing(void)
{
	child(nothing);
	must(ptrace(PTRACE_SEIZE, other, 0, 0));
}

/* The first thread ends, and another lives on. */
static int leaves;

static void *stay(void *nothing)
{
	wait_for_ever();
	return nothing;
}

static void leader(void)
{
	pthread_t thread;
	must(-pthread_create(&thread, NULL, stay, NULL));
	leaves = 1;
}

/* The second process waits as in vfork, the first is its child. */
static void waiting(void)
{
	if (must(syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL)) > 0)
		_exit(0);
	other = getppid();
}

static const struct {
	const char *kind;
	void (*set_up)(void);
} KINDS[] = {
	{ "socket", uds },
	{ "inet", inet },
	{ "netlink", netlink },
	{ "eventfd", event },
	{ "epoll", epoll },
	{ "timerfd", timer },
	{ "signalfd", signals },
	{ "inotify", notify },
	{ "pidfd", pidfd },
	{ "memfd", memfd },
	{ "mqueue", queue },
	{ "perf", performance },
	{ "unlinked", unlinked },
	{ "lines", lines },
	{ "latin", latin },
	{ "directory", directory },
	{ "device", port },
	{ "device-mapping", device },
	{ "hugetlb", huge },
	{ "mlock", locked },
	{ "shm", shared },
	{ "io_uring", uring },
	{ "sqpoll", polled },
	{ "aio", aio },
	{ "userfaultfd", faults },
	{ "lease", lease },
	{ "sem-undo", semaphore },
	{ "listener", listener },
	{ "breakpoint", breakpoint },
	{ "uprobe", probe },
	{ "uts", uts },
	{ "ipc", ipc },
	{ "net", net },
	{ "mount", mounts },
	{ "cgroup", cgroups },
	{ "time", times },
	{ "pid", pids },
	{ "user", users },
	{ "tracing", tracing },
	{ "vfork", waiting },
	{ "leader", leader },
};

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		size_t k = 0, count = sizeof KINDS / sizeof *KINDS;
		kind = argv[i];
		while (k < count && strcmp(kind, KINDS[k].kind))
			k++;
		if (k == count) {
			printf("%s: nobody knows that\n", kind);
			return 2;
		}
		KINDS[k].set_up();
	}
	printf("ready %d %d\n", getpid(), other);
	fflush(stdout);
	if (leaves)
		pthread_exit(NULL);
	wait_for_ever();
}
