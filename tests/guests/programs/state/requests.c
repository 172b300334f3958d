/* What a task has asked the kernel for with prctl and its like, that stands in flags of the task, and who
 * logged in.
 */
#include "state.h"
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/prctl.h>
#include <sys/mman.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#define PR_GET_IO_FLUSHER 58
#endif
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
/* What lies in the program is made, all else is told. */
#define TOLD 1

extern char __executable_start[], etext[];

static volatile unsigned char selector = TOLD;
static __thread volatile int told_of;
/* Dispatch is of 5.11. */
static int dispatches = 1;
static long (*elsewhere)(void);
static long speculation[3];

static void tell_of(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	told_of = info->si_syscall;
}

static int barrier(int command) { return syscall(SYS_membarrier, command, 0, 0); }

/* Asks for its number, from outside of the program. */
static void make_elsewhere(void)
{
	static const unsigned char code[] = { 0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(at != MAP_FAILED, __FILE__, "mmap");
	memcpy(at, code, sizeof code);
	elsewhere = (long (*)(void))at;
}

static void dispatch(struct worker *worker)
{
	(void)worker;
	unsigned long length = etext - __executable_start;
	MUST(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, __executable_start, length, &selector) != 0) {
		must(errno == EINVAL, __FILE__, "PR_SET_SYSCALL_USER_DISPATCH");
		dispatches = 0;
	}
}

static void is_dispatched(struct worker *worker)
{
	SAME("the selector", selector, TOLD);
	elsewhere();
	SAME(worker->name, told_of, dispatches ? SYS_getpid : 0);
	SAME("when it hears of damaged memory", prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_LATE);
	if (dispatches)
		MUST(prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0));
}

static struct worker workers[] = {
	{ .name = "dispatched 1", .set = dispatch, .check = is_dispatched },
	{ .name = "dispatched 2", .set = dispatch, .check = is_dispatched },
};

static void write_text(const char *path, const char *text)
{
	int fd;
	MUST(fd = open(path, O_WRONLY));
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

/* Who has this privilege sets the least that the score may be adjusted by, too. */
static void as_unprivileged(const char *text)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct whole[2], less[2];
	MUST(syscall(SYS_capget, &header, whole));
	memcpy(less, whole, sizeof less);
	less[0].effective &= ~(1u << CAP_SYS_RESOURCE);
	MUST(syscall(SYS_capset, &header, less));
	write_text("/proc/self/oom_score_adj", text);
	MUST(syscall(SYS_capset, &header, whole));
}

static void set(void)
{
	write_text("/proc/self/oom_score_adj", "100");
	as_unprivileged("300");
	int fd;
	MUST(fd = open("/proc/self/loginuid", O_WRONLY));
	MUST(write(fd, "1234", 4));
	close(fd);
	struct sigaction action = { .sa_sigaction = tell_of, .sa_flags = SA_SIGINFO };
	MUST(sigaction(SIGSYS, &action, NULL));
	make_elsewhere();
	MUST(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
	MUST(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE));
	MUST(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
	MUST(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	MUST(prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
	/* Where the CPU has it. */
	for (int which = 0; which < COUNT(speculation); which++) {
		prctl(PR_SET_SPECULATION_CTRL, which, which < 2 ? PR_SPEC_DISABLE : PR_SPEC_ENABLE, 0, 0);
		speculation[which] = prctl(PR_GET_SPECULATION_CTRL, which, 0, 0, 0);
	}
	start_workers(workers, COUNT(workers));
}

static void check(void)
{
	char text[16] = "";
	int way = 0, fd;
	MUST(fd = open("/proc/self/oom_score_adj", O_RDONLY));
	MUST(read(fd, text, sizeof text - 1));
	close(fd);
	SAME("what the OOM score is adjusted by", atoi(text), 300);
	as_unprivileged("100");
	memset(text, 0, sizeof text);
	MUST(fd = open("/proc/self/loginuid", O_RDONLY));
	MUST(read(fd, text, sizeof text - 1));
	close(fd);
	CHECK(!strcmp(text, "1234"), "who logged in: %s", text);
	SAME("a barrier of the process", barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED), 0);
	SAME("a barrier of its code", barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE), 0);
	SAME("a barrier that it is not registered for",
	     barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ), -1);
	MUST(prctl(PR_GET_TSC, &way));
	SAME("reading the time stamp counter", way, PR_TSC_SIGSEGV);
	SAME("when it hears of damaged memory", prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_EARLY);
	SAME("writing for a device", prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0), 1);
	for (int which = 0; which < COUNT(speculation); which++)
		SAME("speculation", prctl(PR_GET_SPECULATION_CTRL, which, 0, 0, 0), speculation[which]);
	finish_workers(workers, COUNT(workers));
}

const struct part requests = { "requests", set, check, .named = 1 };

/* Memory under protection keys, of which one between was given back. */
static int keys[3];
static char *keyed[3];

static void set_keyed(void)
{
	for (int i = 0; i < COUNT(keys); i++) {
		keyed[i] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(keyed[i] != MAP_FAILED, __FILE__, "mmap");
		keyed[i][0] = i + 1;
		MUST(keys[i] = pkey_alloc(0, i == 2 ? PKEY_DISABLE_WRITE : 0));
		MUST(pkey_mprotect(keyed[i], 4096, PROT_READ | PROT_WRITE, keys[i]));
	}
	MUST(pkey_mprotect(keyed[1], 4096, PROT_READ | PROT_WRITE, keys[0]));
	MUST(pkey_free(keys[1]));
}

/* What /proc/self/smaps says of the mapping at an address: the number behind a name, or whether a flag
 * is among its flags.
 */
static int of_mapping(void *at, const char *name, const char *flag)
{
	char line[512];
	int within = 0, found = -1;
	FILE *maps = fopen("/proc/self/smaps", "r");
	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long start, end;
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			within = start <= (uintptr_t)at && (uintptr_t)at < end;
		else if (within && name && !strncmp(line, name, strlen(name)))
			found = atoi(line + strlen(name));
		else if (within && flag && !strncmp(line, "VmFlags:", 8))
			found = strstr(line, flag) != NULL;
	}
	if (maps)
		fclose(maps);
	return found;
}

static void check_keyed(void)
{
	for (int i = 0; i < COUNT(keys); i++) {
		SAME("memory under a key", keyed[i][0], i + 1);
		SAME("its key", of_mapping(keyed[i], "ProtectionKey:", NULL), keys[i == 1 ? 0 : i]);
	}
	SAME("what may be done with a key", pkey_get(keys[2]), PKEY_DISABLE_WRITE);
	SAME("the key that was given back", pkey_alloc(0, 0), keys[1]);
}

const struct part keyed_part = { "keyed", set_keyed, check_keyed };

/* What newer kernels can be asked for. */
static char *sealed, *droppable;

/* struct sched_attr, in its first version. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void set_guarded(void)
{
	struct attributes slice = { .size = 48, .nice = 3, .runtime = 7000000 };
	MUST(syscall(SYS_sched_setattr, 0, &slice, 0));
	sealed = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(sealed != MAP_FAILED, __FILE__, "mmap");
	/* mseal. */
	MUST(syscall(462, sealed, 4096, 0));
	/* MAP_DROPPABLE. */
	droppable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | 8, -1, 0);
	must(droppable != MAP_FAILED, __FILE__, "memory that can be dropped");
	MUST(prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0));
	MUST(prctl(PR_SET_MDWE, 1, 0, 0, 0));
}

static void check_guarded(void)
{
	struct attributes slice = { 0 };
	MUST(syscall(SYS_sched_getattr, 0, &slice, 48, 0));
	SAME("nice", slice.nice, 3);
	SAME("slice", slice.runtime, 7000000);
	SAME("sealed memory", munmap(sealed, 4096), -1);
	SAME("memory that can be dropped", of_mapping(droppable, NULL, " dp"), 1);
	SAME("merging memory", prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0), 1);
	SAME("refusing to make memory executable", prctl(PR_GET_MDWE, 0, 0, 0, 0), 1);
	void *at = mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(at == MAP_FAILED, "memory to write and to execute");
}

const struct part guarded = { "guarded", set_guarded, check_guarded, .named = 1 };
