/* kept plain|swapped|huge|filtered|reserved: memory that was swapped out, memory of huge pages, a seccomp
 * filter, or memory in the middle of 400 GiB that are only reserved.
 *
 * Prints "ready" and where the memory begins, waits for SIGUSR1, and prints "ok" if all is as it was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE ((size_t)2 << 20)
#define SIZE (2 * HUGE)
#define RESERVED ((size_t)400 << 30)

static void must(long result, const char *what)
{
	if (result < 0) {
		printf("%s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static unsigned char byte_of(size_t at)
{
	return at * 7 + at / 4096 + 1;
}

/* Large pages are made of small ones that are free, and what each CPU keeps aside goes on the lists
 * from which pages are swapped out (mm/compaction.c: compact_nodes). */
static void compact(void)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY);
	must(fd, "compact_memory");
	must(write(fd, "1", 1), "compact_memory");
	close(fd);
}

/* How much of this process is swapped out, in bytes. */
static size_t swapped_out(void)
{
	char line[128];
	size_t kib = 0;
	FILE *status = fopen("/proc/self/status", "r");
	must(status ? 0 : -1, "status");
	while (fgets(line, sizeof line, status))
		if (sscanf(line, "VmSwap: %zu kB", &kib) == 1)
			break;
	fclose(status);
	return kib << 10;
}

/* Each turn swaps out what can be at that moment. */
static void swap_out(unsigned char *at)
{
	do {
		compact();
		must(madvise(at, SIZE, MADV_PAGEOUT), "MADV_PAGEOUT");
	} while (swapped_out() < SIZE);
}

/* getppid fails from now on. */
static void filter(void)
{
	struct sock_filter instructions[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, instructions };
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
}

/* Memory that is mapped and not touched. */
static unsigned char *map(size_t size, int may)
{
	unsigned char *at = mmap(NULL, size, may, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(at == MAP_FAILED ? -1 : 0, "mmap");
	return at;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	unsigned char *room;
	if (!strcmp(how, "reserved")) {
		room = map(RESERVED, PROT_NONE) + RESERVED / 2;
		must(mprotect(room, SIZE + HUGE, PROT_READ | PROT_WRITE), "mprotect");
	} else {
		room = map(SIZE + HUGE, PROT_READ | PROT_WRITE);
	}
	unsigned char *at = (unsigned char *)(((uintptr_t)room + HUGE - 1) & -HUGE);
	if (!strcmp(how, "huge")) {
		compact();
		must(madvise(at, SIZE, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	}
	for (size_t i = 0; i < SIZE; i++)
		at[i] = byte_of(i);
	if (!strcmp(how, "swapped"))
		swap_out(at);
	int filtered = !strcmp(how, "filtered");
	if (filtered)
		filter();
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready %p\n", (void *)at);
	fflush(stdout);
	int wrong = 0;
	/* The mask stays as it is: a call that waits for the signal would lift it. */
	for (sigset_t pending; sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1);)
		usleep(10000);
	for (size_t i = 0; i < SIZE; i++)
		wrong += at[i] != byte_of(i);
	if (filtered)
		wrong += syscall(SYS_getppid) != -1 || errno != EXDEV;
	printf(wrong ? "WRONG\n" : "ok\n");
	return wrong != 0;
}
