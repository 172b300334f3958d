/* forked MIB: nine processes and one more, born of each other, that have MIB mebibytes in common, and each a few
 * pages of its own in them.
 *
 * Prints "ready" and the numbers of all, waits for SIGUSR1, and prints "ok" if all that each has is what it
 * was, and what one writes no other sees.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define WORDS (PAGE / sizeof(uint64_t))
/* Pages of the small areas. */
#define FEW 16
#define CHILDREN 8
/* The parent, its children, and a child of the first of them. */
#define ALL (CHILDREN + 2)
#define GRANDCHILD (CHILDREN + 1)
/* Pages that each process writes, and where it writes before it is frozen. */
#define OWN 3
#define FIRST_OWN 64
/* Where each writes afterwards: all of them to the first, and each to one that the others leave alone. */
#define LATER 32

struct talk {
	_Atomic int set, phase, done[3], wrong;
	pid_t pids[ALL];
};

enum area { COMMON, WIPED, NOT_FORKED, READ_ONLY, NO_ACCESS, OF_FILE, GONE, MOVED, REPLACED, AREAS };

static struct talk *talk;
static uint64_t *areas[AREAS];
static size_t pages[AREAS];
/* Which process this is. */
static int self;

static void must(long result, const char *what)
{
	if (result < 0) {
		printf("%s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static uint64_t value(int area, size_t page, int writer)
{
	uint64_t seed = (uint64_t)(writer + 2) << 48 ^ (uint64_t)area << 40 ^ page;
	return seed * 0x9e3779b97f4a7c15u | 1;
}

/* Words of a page that are looked at. */
static const size_t spots[] = { 0, 1, WORDS / 2, WORDS - 1 };

static void put(int area, size_t page, int writer)
{
	for (size_t i = 0; i < sizeof spots / sizeof *spots; i++)
		areas[area][page * WORDS + spots[i]] = value(area, page, writer) + i;
}

#define NOBODY -1
#define ZERO -2

static void expect(int area, size_t page, int writer)
{
	for (size_t i = 0; i < sizeof spots / sizeof *spots; i++) {
		uint64_t wanted = writer == ZERO ? 0 : value(area, page, writer) + i;
		uint64_t found = areas[area][page * WORDS + spots[i]];
		if (found == wanted)
			continue;
		if (atomic_fetch_add(&talk->wrong, 1) < 20)
			printf("wrong: process %d: page %zu of area %d: %#jx, not %#jx\n", self, page, area,
			       (uintmax_t)found, (uintmax_t)wanted);
	}
}

static void wrong(const char *what)
{
	atomic_fetch_add(&talk->wrong, 1);
	printf("wrong: process %d: %s\n", self, what);
}

static void *map(void *at, size_t count, int flags, int fd)
{
	void *mapped = mmap(at, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | flags, fd, 0);
	must(mapped == MAP_FAILED ? -1 : 0, "mmap");
	return mapped;
}

static void advise(int area, int advice)
{
	must(madvise(areas[area], pages[area] * PAGE, advice), "madvise");
}

static void protect(int area, int access)
{
	must(mprotect(areas[area], pages[area] * PAGE, access), "mprotect");
}

/* Before there are children. */
static void set_areas(const char *program, size_t mebibytes)
{
	int fd = open(program, O_RDONLY);
	must(fd, program);
	for (int area = 0; area < AREAS; area++) {
		pages[area] = area == COMMON ? mebibytes << 8 : FEW;
		int flags = area == OF_FILE ? 0 : MAP_ANONYMOUS;
		areas[area] = map(NULL, pages[area] + 1, flags, area == OF_FILE ? fd : -1);
		/* Nothing between them, lest they become one. */
		must(munmap(areas[area] + pages[area] * WORDS, PAGE), "munmap");
		for (size_t page = 0; page < pages[area]; page++)
			put(area, page, NOBODY);
	}
	close(fd);
	protect(READ_ONLY, PROT_READ);
	protect(NO_ACCESS, PROT_NONE);
	advise(WIPED, MADV_WIPEONFORK);
	advise(NOT_FORKED, MADV_DONTFORK);
}

static size_t own_page(int process, int which)
{
	return FIRST_OWN + process * 7 + which * 100;
}

/* What a process does with what it was born with. */
static void set_own(void)
{
	for (int i = 0; i < OWN; i++)
		put(COMMON, own_page(self, i), self);
	if (self == 0)
		must(munmap(areas[GONE], FEW * PAGE), "munmap");
	if (self != 0)
		for (size_t page = 0; page < FEW; page += 2)
			put(WIPED, page, self);
	if (self == 1)
		must(munmap(areas[COMMON] + pages[COMMON] * WORDS / 2, pages[COMMON] * PAGE / 2), "munmap");
	if (self == 2) {
		void *there = map(NULL, FEW, MAP_ANONYMOUS, -1);
		uint64_t *moved = mremap(areas[MOVED], FEW * PAGE, FEW * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, there);
		must(moved == MAP_FAILED ? -1 : 0, "mremap");
		areas[MOVED] = moved;
	}
	if (self == 3) {
		map(areas[REPLACED], FEW, MAP_ANONYMOUS | MAP_FIXED, -1);
		map(areas[NOT_FORKED], FEW, MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1);
		for (size_t page = 0; page < FEW; page += 3) {
			put(REPLACED, page, self);
			put(NOT_FORKED, page, self);
		}
	}
	if (self == 4)
		must(madvise(areas[COMMON] + WORDS * 1000, 100 * PAGE, MADV_DONTNEED), "madvise");
	if (self == 5)
		must(mprotect(areas[COMMON] + WORDS * 1000, 100 * PAGE, PROT_READ), "mprotect");
	if (self == 6)
		must(setsid(), "setsid");
}

/* Who wrote a page of the first area, as far as this process knows. */
static int writer_of(size_t page)
{
	int writer = NOBODY;
	for (int i = 0; i < OWN; i++) {
		/* Born after the first child had written. */
		if (self == GRANDCHILD && page == own_page(1, i))
			writer = 1;
		if (page == own_page(self, i))
			writer = self;
	}
	if (self == 4 && page >= 1000 && page < 1100)
		writer = ZERO;
	return writer;
}

static size_t reach(void)
{
	int is_half = self == 1 || self == GRANDCHILD;
	return is_half ? pages[COMMON] / 2 : pages[COMMON];
}

static void check_small(int area)
{
	for (size_t page = 0; page < FEW; page++) {
		int writer = NOBODY;
		if (area == WIPED && self != 0)
			writer = page % 2 ? ZERO : self;
		if ((area == REPLACED || area == NOT_FORKED) && self == 3)
			writer = page % 3 ? ZERO : self;
		expect(area, page, writer);
	}
}

static int is_mapped(int area)
{
	unsigned char there[FEW];
	return mincore(areas[area], FEW * PAGE, there) == 0;
}

static void check_areas(void)
{
	for (size_t page = 0; page < reach(); page++)
		expect(COMMON, page, writer_of(page));
	if (self == 1 && msync(areas[COMMON] + pages[COMMON] * WORDS / 2, PAGE, MS_ASYNC) == 0)
		wrong("it has memory that it gave away");
	for (int area = WIPED; area < AREAS; area++) {
		int has = area == GONE ? self != 0 : area == NOT_FORKED ? self == 0 || self == 3 : 1;
		if (is_mapped(area) != has)
			wrong(has ? "an area that is not there" : "an area that it did not have");
		if (!has)
			continue;
		if (area == NO_ACCESS)
			protect(NO_ACCESS, PROT_READ);
		check_small(area);
	}
	if (self != 0)
		return;
	/* Advice about children to come. */
	pid_t child = fork();
	must(child, "fork");
	if (child == 0)
		_exit(is_mapped(NOT_FORKED) || !is_mapped(WIPED) || areas[WIPED][0] != 0);
	int status = -1;
	waitpid(child, &status, 0);
	if (status != 0)
		wrong("what a child is not to have");
}

/* Waits until all are there. */
static void meet(int phase)
{
	atomic_fetch_add(&talk->done[phase], 1);
	while (atomic_load(&talk->done[phase]) < ALL)
		usleep(10000);
}

static void check(void)
{
	check_areas();
	meet(0);
	put(COMMON, LATER, self);
	put(COMMON, LATER + 1 + self, self);
	meet(1);
	expect(COMMON, LATER, self);
	for (int other = 0; other < ALL; other++)
		expect(COMMON, LATER + 1 + other, other == self ? self : NOBODY);
	meet(2);
}

static void become(int process)
{
	self = process;
	if (self != 0) {
		set_own();
		talk->pids[self] = getpid();
		atomic_fetch_add(&talk->set, 1);
	}
}

static void wait_and_check(void)
{
	while (atomic_load(&talk->phase) == 0)
		usleep(20000);
	check();
	fflush(stdout);
}

static void bear(int process)
{
	pid_t child = fork();
	must(child, "fork");
	if (child != 0)
		return;
	become(process);
	if (process == 1)
		bear(GRANDCHILD);
	wait_and_check();
	if (self == 1)
		wait(NULL);
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: forked MIB\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 1 << 12);
	talk = mmap(NULL, sizeof *talk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(talk == MAP_FAILED ? -1 : 0, "mmap");
	set_areas(argv[0][0] == '/' ? argv[0] : "/bin/forked", strtoul(argv[1], NULL, 10));
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int child = 1; child <= CHILDREN; child++)
		bear(child);
	while (atomic_load(&talk->set) < ALL - 1)
		usleep(10000);
	set_own();
	printf("ready %d", getpid());
	for (int other = 1; other < ALL; other++)
		printf(" %d", talk->pids[other]);
	printf("\n");
	int signal;
	sigwait(&set, &signal);
	atomic_store(&talk->phase, 1);
	wait_and_check();
	for (int child = 1; child <= CHILDREN; child++)
		wait(NULL);
	printf(talk->wrong ? "WRONG\n" : "ok\n");
	return talk->wrong != 0;
}
