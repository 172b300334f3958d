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
#include <sys/msg.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
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

static void uds(void) { must(socket(AF_UNIX, SOCK_STREAM, 0)); }
static void inet(void) { must(socket(AF_INET, SOCK_STREAM, 0)); }
static void netlink(void) { must(socket(AF_NETLINK, SOCK_RAW, 0)); }
/* A folder of this process: there is none before there is this process. */
static void proc_folder(void) { must(chdir("/proc/self")); }
static void proc_of_another(void) { must(open("/proc/1", O_RDONLY | O_DIRECTORY)); }
static void notify_of(void)
{
	/* In which nobody makes anything: the signal would end it. */
	must(mkdir("/tmp/notified", 0700));
	int fd = open("/tmp/notified", O_RDONLY | O_DIRECTORY);
	must(fd);
	must(fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
}
static void pressure(const char *path)
{
	static const char trigger[] = "some 500000 2000000";
	int fd = must(open(path, O_RDWR));
	must(write(fd, trigger, sizeof trigger));
}
static void pressure_of_all(void) { pressure("/proc/pressure/memory"); }
static void pressure_of_cgroup(void) { pressure("/sys/fs/cgroup/cpu.pressure"); }
static int messages = -1;
static void ipc_wait(void) { must(messages = msgget(IPC_PRIVATE, 0600 | IPC_CREAT)); }
/* To which the kernel adds when a request is done. */
static void event(void)
{
	struct io_uring_params params = { 0 };
	int ring = must(syscall(SYS_io_uring_setup, 1, &params));
	int fd = must(eventfd(0, 0));
	must(syscall(SYS_io_uring_register, ring, IORING_REGISTER_EVENTFD, &fd, 1));
}
/* Another process, which waits and ends with this one. */
static int another(void)
{
	int pid = must(fork());
	if (pid == 0)
		must(prctl(PR_SET_PDEATHSIG, SIGKILL));
	return pid == 0;
}
/* That waits at what another process alone has open. */
static void epoll(void)
{
	int ends[2];
	must(pipe(ends));
	int epoll = must(epoll_create1(0));
	struct epoll_event event = { .events = EPOLLIN };
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
	if (another()) {
		must(close(epoll));
		wait_for_ever();
	}
	must(close(ends[0]));
	must(close(ends[1]));
}
/* Pairs of sockets that could not be made as they are: descriptors wait in one, and one has an option. */
static void pair_rights(void)
{
	int ends[2];
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof control };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(rights), (int[]){ 0 }, sizeof(int));
	must(sendmsg(ends[0], &message, 0));
}
static void pair_option(void)
{
	int ends[2], on = 1;
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	must(setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
}
/* Of which another process alone has the other one. */
static void pair_parted(void)
{
	int ends[2];
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	if (another()) {
		must(close(ends[0]));
		wait_for_ever();
	}
	must(close(ends[1]));
}
static void timer(void) { must(timerfd_create(CLOCK_BOOTTIME_ALARM, 0)); }
static void notify(void) { must(inotify_init()); }
static void pidfd(void) { must(syscall(SYS_pidfd_open, getpid(), 0)); }
static void memfd(void)
{
	must(memfd_create("memory", 0));
	if (another())
		wait_for_ever();
}
/* Which nobody can map so any more. */
static void memfd_sealed(void)
{
	int fd = must(memfd_create("sealed", MFD_ALLOW_SEALING));
	must(ftruncate(fd, 4096));
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
		must(-1);
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
}
static void port(void) { must(open("/dev/rtc0", O_RDONLY)); }
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
	if (another())
		wait_for_ever();
}

static void queue(void)
{
	must(mq_open("/queue", O_CREAT | O_RDWR, 0600, NULL));
}

static void unlinked(void)
{
	must(open("/tmp/unlinked", O_CREAT | O_RDWR, 0600));
	must(unlink("/tmp/unlinked"));
	if (another())
		wait_for_ever();
}

/* A name of two lines, of which the second is another message. */
static void lines(void)
{
	must(open("/tmp/two\nrefused: lines", O_CREAT | O_RDWR, 0600));
	must(unlink("/tmp/two\nrefused: lines"));
	if (another())
		wait_for_ever();
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

/* A pseudo-terminal, of which another process keeps the master. */
static int pseudo(void)
{
	int master = must(posix_openpt(O_RDWR | O_NOCTTY));
	must(unlockpt(master));
	int slave = must(open(ptsname(master), O_RDWR | O_NOCTTY));
	child(nothing);
	must(close(master));
	return slave;
}

static void mounted_over(void)
{
	must(mkdir("/tmp/over", 0755));
	must(chdir("/tmp/over"));
	must(open("/tmp/over", O_RDONLY | O_DIRECTORY));
	must(mount("over", "/tmp/over", "tmpfs", 0, NULL));
}

static void file_mounted_over(void)
{
	must(open("/tmp/over.file", O_CREAT | O_RDWR, 0600));
	must(mount("/etc/passwd", "/tmp/over.file", NULL, MS_BIND, NULL));
}

/* Memory without a name that has a descriptor, by way of its mapping. */
static void descriptor_of_memory(void)
{
	char path[64];
	char *at = mapped(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (long)at, (long)at + PAGE);
	must(open(path, O_RDWR | O_APPEND));
}

static void signals_of_another(void)
{
	int fds[2];
	must(pipe(fds));
	child(nothing);
	must(fcntl(fds[0], F_SETOWN, other));
	must(close(fds[0]));
	/* The child has ends of that pipe. */
	int fd = must(open("/tmp/signals", O_CREAT | O_RDWR, 0600));
	must(fcntl(fd, F_SETOWN, other));
}

/* Of all system calls but those of this program. */
static void dispatch(void)
{
	extern char __executable_start[], etext[];
	must(prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, __executable_start,
		   etext - __executable_start, NULL));
}

static int wait_as_another(void *argument)
{
	(void)argument;
	wait_for_ever();
	return 0;
}

static void share(int flags)
{
	static char stack[4 * PAGE];
	other = must(clone(wait_as_another, stack + sizeof stack, flags | SIGCHLD, NULL));
}

static void memory_of_another(void) { share(CLONE_VM); }
static void files_of_another(void) { share(CLONE_FILES); }
static void folders_of_another(void) { share(CLONE_FS); }

static void priority_of_another(void)
{
	/* IOPRIO_WHO_PROCESS; the best-effort class. */
	must(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3));
	share(CLONE_IO);
}

static pthread_barrier_t set_up;

static void *files_apart(void *argument)
{
	must(unshare(CLONE_FILES));
	pthread_barrier_wait(&set_up);
	wait_for_ever();
	return argument;
}

static void *log_in(void *argument)
{
	int fd = must(open("/proc/thread-self/loginuid", O_WRONLY));
	must(write(fd, "1234", 4));
	close(fd);
	pthread_barrier_wait(&set_up);
	wait_for_ever();
	return argument;
}

static void thread(void *(*function)(void *))
{
	pthread_t id;
	must(-pthread_barrier_init(&set_up, NULL, 2));
	must(-pthread_create(&id, NULL, function, NULL));
	pthread_barrier_wait(&set_up);
}

static void files_of_a_thread(void) { thread(files_apart); }
static void login_of_a_thread(void) { thread(log_in); }

/* A thread in a cgroup below that of its process. */
static void *part(void *argument)
{
	int fd = must(open("/sys/fs/cgroup/refused/part/cgroup.threads", O_WRONLY));
	must(dprintf(fd, "%ld", syscall(SYS_gettid)));
	close(fd);
	pthread_barrier_wait(&set_up);
	wait_for_ever();
	return argument;
}

static void cgroup_of_a_thread(void)
{
	int fd = must(open("/sys/fs/cgroup/refused/cgroup.procs", O_WRONLY));
	must(dprintf(fd, "%d", getpid()));
	close(fd);
	thread(part);
}

/* What AppArmor does not confine in a namespace of its own. */
static void label(void)
{
	int fd = must(open("/proc/self/attr/current", O_WRONLY));
	must(dprintf(fd, "changeprofile :refused://unconfined"));
	close(fd);
}

/* A sandbox in which no file is executed. */
static void landlock(void)
{
	const uint64_t execute = 1;
	/* landlock_create_ruleset and landlock_restrict_self. */
	int ruleset = must(syscall(444, &execute, sizeof execute, 0));
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	must(syscall(446, ruleset, 0));
	close(ruleset);
}


static void segments(void)
{
	/* struct user_desc: any free entry, from 0 on, of all memory, for 32-bit data. */
	static unsigned entry[4] = { -1, 0, 0xfffff, 1 | 1 << 4 | 1 << 6 };
	/* set_thread_area, which only 32-bit programs have: their way into the kernel is open to all. */
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(243), "b"(entry) : "memory", "r8", "r9", "r10", "r11");
	must((int)result < 0 ? (errno = -(int)result, -1) : 0);
}

/* A child that has ended with a core dump. */
static void core_dump(void)
{
	siginfo_t info;
	const struct rlimit whole = { RLIM_INFINITY, RLIM_INFINITY };
	other = must(fork());
	if (other == 0) {
		must(chdir("/tmp"));
		must(setrlimit(RLIMIT_CORE, &whole));
		abort();
	}
	must(waitid(P_PID, other, &info, WEXITED | WNOWAIT));
	if (info.si_code != CLD_DUMPED)
		must((errno = ECHILD, -1));
}

/* A pipe that another process reads. */
static void pipe_reader(void)
{
	int fds[2];
	must(pipe(fds));
	child(nothing);
	must(close(fds[0]));
}

/* A FIFO that another process reads and writes. */
static void fifo_ends(void)
{
	must(mkfifo("/tmp/refused.fifo", 0600));
	int both = must(open("/tmp/refused.fifo", O_RDWR));
	child(nothing);
	must(open("/tmp/refused.fifo", O_RDONLY));
	must(close(both));
}

/* A packet, and bytes that were written after packets were switched off. */
static void packets(void)
{
	int ends[2];
	must(pipe2(ends, O_DIRECT));
	must(write(ends[1], "packet", 6));
	must(fcntl(ends[1], F_SETFL, 0));
	must(write(ends[1], "plain", 5));
}

static void master(void) { must(posix_openpt(O_RDWR | O_NOCTTY)); }
static void terminal(void) { pseudo(); }

/* Another terminal than that which controls it. */
static void stranger(void)
{
	int own = pseudo();
	must(setsid());
	must(ioctl(own, TIOCSCTTY, 0));
	must(close(own));
	pseudo();
}

static void terminal_leader(void)
{
	int own = pseudo();
	must(setsid());
	must(ioctl(own, TIOCSCTTY, 0));
}

static void hung_up(void)
{
	int slave = pseudo();
	must(kill(other, SIGKILL));
	must(waitpid(other, NULL, 0));
	must(slave);
}

/* A path to a terminal, which is a way to whoever has its number. */
static void path_of_terminal(void)
{
	int slave = pseudo();
	must(open(ttyname(slave), O_PATH));
	must(close(slave));
}

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
	{ "ipc-wait", ipc_wait },
	{ "notify", notify_of },
	{ "pressure", pressure_of_all },
	{ "pressure-of-cgroup", pressure_of_cgroup },
	{ "proc-of-another", proc_of_another },
	{ "proc-folder", proc_folder },
	{ "eventfd", event },
	{ "epoll", epoll },
	{ "timerfd", timer },
	{ "signalfd", signals },
	{ "inotify", notify },
	{ "pidfd", pidfd },
	{ "memfd", memfd },
	{ "pair-rights", pair_rights },
	{ "pair-option", pair_option },
	{ "pair-parted", pair_parted },
	{ "memfd-sealed", memfd_sealed },
	{ "mqueue", queue },
	{ "perf", performance },
	{ "unlinked", unlinked },
	{ "lines", lines },
	{ "latin", latin },
	{ "directory", directory },
	{ "device", port },
	{ "device-mapping", device },
	{ "hugetlb", huge },
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
	{ "pty-master", master },
	{ "terminal", terminal },
	{ "terminal-of-another", stranger },
	{ "terminal-leader", terminal_leader },
	{ "terminal-hung-up", hung_up },
	{ "terminal-path", path_of_terminal },
	{ "mounted-over", mounted_over },
	{ "file-mounted-over", file_mounted_over },
	{ "descriptor-of-memory", descriptor_of_memory },
	{ "signals-of-another", signals_of_another },
	{ "dispatch", dispatch },
	{ "memory-of-another", memory_of_another },
	{ "files-of-another", files_of_another },
	{ "folders-of-another", folders_of_another },
	{ "priority-of-another", priority_of_another },
	{ "files-of-a-thread", files_of_a_thread },
	{ "login-of-a-thread", login_of_a_thread },
	{ "cgroup-of-a-thread", cgroup_of_a_thread },
	{ "segments", segments },
	{ "label", label },
	{ "landlock", landlock },
	{ "core-dump", core_dump },
	{ "pipe-reader", pipe_reader },
	{ "fifo-ends", fifo_ends },
	{ "packets", packets },
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
	while (messages >= 0) {
		struct { long type; char text[8]; } message;
		msgrcv(messages, &message, sizeof message.text, 0, 0);
	}
	wait_for_ever();
}
