/* What a thread has for itself: masks, pending signals, lists of futexes, seccomp, an LDT, I/O ports. */
#include "state.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <asm/ldt.h>
#include <stddef.h>
#include <sys/io.h>
#include <sys/personality.h>
#include <sys/rseq.h>

static pthread_mutex_t robust;
static sigset_t masked;

static void set_mask(struct worker *w)
{
	stack_t other = { .ss_sp = malloc(32768), .ss_size = 32768 };
	MUST(sigaltstack(&other, NULL));
	sigset_t more;
	sigemptyset(&more);
	sigaddset(&more, SIGINT);
	sigaddset(&more, 50);
	pthread_sigmask(SIG_BLOCK, &more, NULL);
	pthread_sigmask(SIG_BLOCK, NULL, &masked);
	MUST(syscall(SYS_tgkill, getpid(), w->tid, SIGINT));
	siginfo_t info = { .si_signo = 50, .si_code = -60 };
	info.si_value.sival_int = 5050;
	MUST(syscall(SYS_rt_tgsigqueueinfo, getpid(), w->tid, 50, &info));
}

static void check_mask(struct worker *w)
{
	(void)w;
	sigset_t now, one;
	stack_t other;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	for (int signal = 1; signal <= 64; signal++)
		CHECK(sigismember(&now, signal) == sigismember(&masked, signal), "thread blocks %d: %d",
		      signal, sigismember(&now, signal));
	MUST(sigaltstack(NULL, &other));
	SAME("alternate stack of a thread", other.ss_size, 32768);
	siginfo_t info = { 0 };
	struct timespec none = { 0 };
	sigemptyset(&one);
	sigaddset(&one, 50);
	SAME("signal to a thread", sigtimedwait(&one, &info, &none), 50);
	SAME("its code", info.si_code, -60);
	SAME("its value", info.si_value.sival_int, 5050);
	sigaddset(&one, SIGINT);
	SAME("SIGINT to a thread", sigtimedwait(&one, &info, &none), SIGINT);
}

static void *robust_head;

static void set_robust(struct worker *w)
{
	(void)w;
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attributes);
	pthread_mutex_lock(&robust);
	size_t length;
	MUST(syscall(SYS_get_robust_list, 0, &robust_head, &length));
}

/* It ends with the mutex locked: the next who locks it is told. */
static void check_robust(struct worker *w)
{
	(void)w;
	void *head = NULL;
	size_t length = 0;
	MUST(syscall(SYS_get_robust_list, 0, &head, &length));
	CHECK(head == robust_head, "robust list at %p", head);
	SAME("length of a robust list's head", length, 24);
}

static void check_rseq(struct worker *w)
{
	(void)w;
	struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	CHECK((int)area->cpu_id >= 0, "rseq: no CPU in it");
	/* EBUSY says that this very area is registered, EINVAL another. */
	SAME("rseq", syscall(SYS_rseq, area, 32, 0, RSEQ_SIG), -1);
	SAME("rseq", errno, EBUSY);
}

static int *cleared;

static void set_cleared(struct worker *w)
{
	(void)w;
	/* The C library waits for it in pthread_join. */
	MUST(prctl(PR_GET_TID_ADDRESS, &cleared));
}

static void check_cleared(struct worker *w)
{
	int *now = NULL;
	MUST(prctl(PR_GET_TID_ADDRESS, &now));
	CHECK(now == cleared, "address cleared at the end: %p", (void *)now);
	SAME("what is there", *now, w->tid);
}

#define REFUSED 77

static void set_filter(struct worker *w)
{
	(void)w;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | REFUSED),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { COUNT(code), code };
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void check_filter(struct worker *w)
{
	(void)w;
	SAME("seccomp", prctl(PR_GET_SECCOMP), SECCOMP_MODE_FILTER);
	SAME("a refused call", getpgid(0), -1);
	SAME("a refused call", errno, REFUSED);
	SAME("no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}

static void set_personality(struct worker *w)
{
	(void)w;
	MUST(personality(UNAME26 | STICKY_TIMEOUTS));
}

static void check_personality(struct worker *w)
{
	(void)w;
	SAME("personality of a thread", personality(0xffffffff), UNAME26 | STICKY_TIMEOUTS);
}

static void set_ports(struct worker *w)
{
	(void)w;
	MUST(ioperm(0x80, 1, 1));
}

static void check_ports(struct worker *w)
{
	(void)w;
	/* A port that takes anything; without the permission this is SIGSEGV. */
	outb(0, 0x80);
	CHECK(1, "port 0x80");
}

static void set_all_ports(struct worker *w)
{
	(void)w;
	MUST(iopl(3));
}

static void check_all_ports(struct worker *w)
{
	(void)w;
	/* One that nothing listens at, and that no other thread has alone. */
	outb(0, 0xed);
	CHECK(1, "port 0xed");
}

static void set_ldt(struct worker *w)
{
	(void)w;
	struct user_desc entry = { .entry_number = 3, .base_addr = 0x12345000, .limit = 0xabc,
				   .seg_32bit = 1, .useable = 1, .limit_in_pages = 1 };
	MUST(syscall(SYS_modify_ldt, 0x11, &entry, sizeof entry));
}

static void check_ldt(struct worker *w)
{
	(void)w;
	uint64_t entries[8] = { 0 };
	SAME("the LDT", syscall(SYS_modify_ldt, 0, entries, sizeof entries), sizeof entries);
	/* Base and limit are where the i386 has them; the CPU sets the bit for "accessed". */
	SAME("entry of the LDT", entries[3] & ~(1ull << 40), 0x12d0f23450000abcull);
	SAME("entry behind it", entries[4], 0);
}

static void set_folder(struct worker *w)
{
	(void)w;
	MUST(unshare(CLONE_FS));
	MUST(chdir("/"));
}

static void check_folder(struct worker *w)
{
	(void)w;
	char now[64] = "";
	if (!getcwd(now, sizeof now))
		now[0] = 0;
	CHECK(!strcmp(now, "/"), "working directory of a thread: %s", now);
}

static struct worker workers[] = {
	{ .name = "masks", .set = set_mask, .check = check_mask },
	{ .name = "robust list", .set = set_robust, .check = check_robust },
	{ .name = "rseq", .check = check_rseq },
	{ .name = "cleared", .set = set_cleared, .check = check_cleared },
	{ .name = "filter", .set = set_filter, .check = check_filter },
	{ .name = "personality", .set = set_personality, .check = check_personality },
	{ .name = "ports", .set = set_ports, .check = check_ports },
	{ .name = "all ports", .set = set_all_ports, .check = check_all_ports },
	{ .name = "ldt", .set = set_ldt, .check = check_ldt },
	{ .name = "folder", .set = set_folder, .check = check_folder },
};

/* It may read, write and end, nothing else: it is a thread of its own kind. */
static int question[2], answer[2];

static void *strict(void *argument)
{
	(void)argument;
	char byte = 0;
	MUST(prctl(PR_SET_NAME, "strict"));
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	syscall(SYS_write, answer[1], "r", 1);
	syscall(SYS_read, question[0], &byte, 1);
	byte++;
	syscall(SYS_write, answer[1], &byte, 1);
	syscall(SYS_exit, 0);
	return NULL;
}

static void set(void)
{
	char byte;
	MUST(pipe(question));
	MUST(pipe(answer));
	pthread_t thread;
	errno = pthread_create(&thread, NULL, strict, NULL);
	must(errno == 0, __FILE__, "pthread_create");
	pthread_detach(thread);
	MUST(read(answer[0], &byte, 1));
	start_workers(workers, COUNT(workers));
}

static void check(void)
{
	char byte = 0;
	SAME("a strict thread is asked", write(question[1], "a", 1), 1);
	SAME("a strict thread answers", read(answer[0], &byte, 1), 1);
	SAME("its answer", byte, 'b');
	finish_workers(workers, COUNT(workers));
	SAME("a mutex whose owner ended", pthread_mutex_lock(&robust), EOWNERDEAD);
}

const struct part threads = { "threads", set, check };
