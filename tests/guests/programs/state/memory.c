/* Mappings of all kinds, their protections, advice, locks and contents. */
#include "state.h"
#include <sys/mman.h>

#define PAGE 4096
#define PAGES 8
#define SIZE (PAGES * PAGE)
#define MPOL_BIND 2
#define MPOL_F_ADDR 2

enum contents { NONE, PATTERN, FROM_FILE, COPIED };

static struct mapping {
	const char *name;
	int protection, flags, advice;
	enum contents contents;
	/* What /proc/self/smaps has to say of it: in VmFlags, and not there. */
	const char *with, *without;
	unsigned char *at;
} mappings[] = {
	{ "anonymous", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, PATTERN, "rd wr", "ex" },
	{ "read-only", PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, PATTERN, "rd", "wr" },
	{ "untouchable", PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, PATTERN, "mr", "rd" },
	{ "executable", PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, PATTERN,
	  "rd wr ex", "sh" },
	{ "never touched", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, NONE,
	  "nr", "sh" },
	{ "grows down", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, PATTERN,
	  "gd", "sh" },
	{ "shared", PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, PATTERN, "sh", "gd" },
	{ "file, private", PROT_READ | PROT_WRITE, MAP_PRIVATE, -1, COPIED, "rd wr", "sh" },
	{ "file, read-only", PROT_READ, MAP_PRIVATE, -1, FROM_FILE, "rd", "wr" },
	{ "file, executable", PROT_READ | PROT_EXEC, MAP_PRIVATE, -1, FROM_FILE, "rd ex", "wr" },
	{ "file, shared", PROT_READ | PROT_WRITE, MAP_SHARED, -1, FROM_FILE, "sh ms", "ac" },
	{ "file, shared, read-only", PROT_READ, MAP_SHARED, -1, FROM_FILE, "sh", "wr" },
	{ "not for children", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MADV_DONTFORK, PATTERN,
	  "dc", "wf" },
	{ "wiped for children", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MADV_WIPEONFORK,
	  PATTERN, "wf", "dc" },
	{ "not dumped", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MADV_DONTDUMP, PATTERN, "dd",
	  "sr" },
	{ "merged", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MADV_MERGEABLE, PATTERN, "mg",
	  "dd" },
	{ "huge", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MADV_HUGEPAGE, PATTERN, "hg", "nh" },
	{ "not huge", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MADV_NOHUGEPAGE, PATTERN, "nh",
	  "hg" },
	{ "sequential", PROT_READ, MAP_PRIVATE, MADV_SEQUENTIAL, FROM_FILE, "sr", "rr" },
	{ "random", PROT_READ, MAP_PRIVATE, MADV_RANDOM, FROM_FILE, "rr", "sr" },
	{ "locked", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, PATTERN, "lo",
	  "lf" },
};
static unsigned char *on_fault, *on_node, *heap;
static char *page_of_zeros;

static unsigned char byte_of(int mapping, size_t at)
{
	return mapping * 31 + at * 7 + at / PAGE;
}

static unsigned char byte_of_file(size_t at)
{
	return at * 13 + at / PAGE;
}

/* The last one is a part of its own: memory that is locked is not for every test. */
#define LOCKED (COUNT(mappings) - 1)

static void set_mapping(int i, int fd)
{
	struct mapping *m = &mappings[i];
	int anonymous = m->flags & MAP_ANONYMOUS;
	int writable = m->contents == PATTERN ? PROT_WRITE | PROT_READ : 0;
	/* Files from their second page on. Guards between them keep mappings apart. */
	unsigned char *room = mmap(NULL, SIZE + 2 * PAGE, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(room != MAP_FAILED, __FILE__, "mmap");
	/* A mapping that grows keeps its distance from what lies below. */
	if (m->flags & MAP_GROWSDOWN)
		munmap(room, SIZE + 2 * PAGE);
	int place = m->flags & MAP_GROWSDOWN ? 0 : MAP_FIXED;
	m->at = mmap(room + PAGE, SIZE, m->protection | writable, m->flags | place,
		     anonymous ? -1 : fd, anonymous ? 0 : PAGE);
	must(m->at != MAP_FAILED, __FILE__, m->name);
	if (m->advice >= 0)
		MUST(madvise(m->at, SIZE, m->advice));
	if (m->contents == PATTERN)
		for (size_t at = 0; at < SIZE; at++)
			m->at[at] = byte_of(i, at);
	/* One page in the middle is the program's own, the others are the file's. */
	if (m->contents == COPIED)
		for (size_t at = 3 * PAGE; at < 4 * PAGE; at++)
			m->at[at] = byte_of(i, at);
	MUST(mprotect(m->at, SIZE, m->protection));
}

static void set(void)
{
	int fd;
	MUST(fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	for (size_t at = 0; at < SIZE + PAGE; at++) {
		unsigned char byte = byte_of_file(at);
		MUST(write(fd, &byte, 1));
	}
	for (int i = 0; i < LOCKED; i++)
		set_mapping(i, fd);
	close(fd);
	on_node = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(on_node != MAP_FAILED, __FILE__, "mmap");
	unsigned long first = 1;
	MUST(syscall(SYS_mbind, on_node, SIZE, MPOL_BIND, &first, 8 * sizeof first, 0));
	/* Nothing asks for it again: the next image has it (tests/thaw/parts.rs). */
	/* A call of 5.17. */
	if (syscall(SYS_set_mempolicy_home_node, on_node, SIZE, 0, 0) != 0)
		must(errno == ENOSYS, __FILE__, "set_mempolicy_home_node");
	page_of_zeros = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(page_of_zeros != MAP_FAILED, __FILE__, "mmap");
	/* Read, and so the kernel's one page of zeros; and written with zeros. */
	page_of_zeros[PAGE] = page_of_zeros[0];
	heap = sbrk(3 * PAGE + 100);
	must(heap != (void *)-1, __FILE__, "sbrk");
	memset(heap, 0xc3, 3 * PAGE + 100);
}

static void set_locked(void)
{
	set_mapping(LOCKED, -1);
	on_fault = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(on_fault != MAP_FAILED, __FILE__, "mmap");
	MUST(syscall(SYS_mlock2, on_fault, SIZE, 1 /* MLOCK_ONFAULT */));
	on_fault[PAGE] = 0x5a;
}

/* The line VmFlags of the mapping at an address. */
static int vm_flags(const void *at, char *flags, size_t room)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512];
	int here = 0, found = 0;
	while (smaps && fgets(line, sizeof line, smaps)) {
		unsigned long start, end;
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (unsigned long)at;
		if (here && !strncmp(line, "VmFlags:", 8)) {
			snprintf(flags, room, "%s", line + 8);
			found = 1;
		}
	}
	if (smaps)
		fclose(smaps);
	return found;
}

static int has_all(const char *flags, const char *wanted)
{
	for (; *wanted; wanted += wanted[2] ? 3 : 2) {
		char flag[5] = { ' ', wanted[0], wanted[1], ' ', 0 };
		if (!strstr(flags, flag))
			return 0;
	}
	return 1;
}

static void check_mapping(int i)
{
	struct mapping *m = &mappings[i];
	char flags[256] = "";
	CHECK(vm_flags(m->at, flags, sizeof flags), "%s: no mapping begins there", m->name);
	CHECK(has_all(flags, m->with), "%s: %s is not all in%s", m->name, m->with, flags);
	CHECK(!has_all(flags, m->without), "%s: %s is in%s", m->name, m->without, flags);
	MUST(mprotect(m->at, SIZE, m->protection | PROT_READ));
	size_t differ = 0;
	for (size_t at = 0; at < SIZE; at++) {
		unsigned char byte = byte_of_file(PAGE + at);
		if (m->contents == NONE)
			byte = 0;
		if (m->contents == PATTERN || (m->contents == COPIED && at / PAGE == 3))
			byte = byte_of(i, at);
		differ += m->at[at] != byte;
	}
	CHECK(differ == 0, "%s: %zu bytes differ", m->name, differ);
}

static void check(void)
{
	for (int i = 0; i < LOCKED; i++)
		check_mapping(i);
	/* What is written through a shared mapping is in the file. */
	for (int i = 0; i < COUNT(mappings); i++)
		if (!strcmp(mappings[i].name, "file, shared")) {
			mappings[i].at[5] = 0xee;
			int fd = open("mapped", O_RDONLY | O_CLOEXEC);
			unsigned char byte = 0;
			SAME("a shared file", pread(fd, &byte, 1, PAGE + 5), 1);
			SAME("a byte written through a mapping", byte, 0xee);
			close(fd);
		}
	int policy = -1;
	unsigned long nodes[16] = { 0 };
	MUST(syscall(SYS_get_mempolicy, &policy, nodes, 8 * sizeof nodes, on_node, MPOL_F_ADDR));
	SAME("memory policy of a mapping", policy, MPOL_BIND);
	SAME("its nodes", nodes[0], 1);
	for (size_t at = 0; at < SIZE; at++)
		if (page_of_zeros[at])
			CHECK(0, "a page of zeros has %#x at %zu", page_of_zeros[at], at);
	SAME("the heap", heap[3 * PAGE + 99], 0xc3);
	CHECK((unsigned char *)sbrk(0) >= heap + 3 * PAGE + 100, "the heap ends at %p", sbrk(0));
}

static void check_locked(void)
{
	check_mapping(LOCKED);
	char flags[256] = "";
	CHECK(vm_flags(on_fault, flags, sizeof flags) && has_all(flags, "lo"), "locked on fault:%s",
	      flags);
	SAME("a byte locked on fault", on_fault[PAGE], 0x5a);
}

/* All that it has, and what it will map. */
static unsigned char *nobodys, *past_the_end;
static long locked_before;

/* A line of /proc/self/status, in KiB. */
static long of_status(const char *name)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	long size = -1;
	while (status && fgets(line, sizeof line, status))
		if (!strncmp(line, name, strlen(name)))
			size = atol(line + strlen(name) + 1);
	if (status)
		fclose(status);
	return size;
}

static int is_present(void *at)
{
	unsigned char there = 0;
	MUST(mincore(at, PAGE, &there));
	return there & 1;
}

static void set_all_locked(void)
{
	int fd;
	MUST(fd = open("short", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	MUST(ftruncate(fd, PAGE));
	nobodys = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	past_the_end = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(nobodys != MAP_FAILED && past_the_end != MAP_FAILED, __FILE__, "mmap");
	close(fd);
	MUST(mlockall(MCL_CURRENT | MCL_FUTURE));
	locked_before = of_status("VmLck:");
	CHECK(locked_before > 0, "nothing is locked");
}

static void check_all_locked(void)
{
	SAME("locked, in KiB", of_status("VmLck:"), locked_before);
	for (int i = 0; i < 2; i++) {
		char flags[256] = "";
		CHECK(vm_flags(i ? past_the_end : nobodys, flags, sizeof flags) && has_all(flags, "lo"),
		      "all is locked, %d:%s", i, flags);
	}
	char *later = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(later != MAP_FAILED, __FILE__, "mmap");
	CHECK(is_present(later + PAGE), "what is mapped later is not locked");
	SAME("locked then, in KiB", of_status("VmLck:"), locked_before + SIZE / 1024);
}

/* What it will map, page by page as it is used. */
static void set_locked_on_fault(void)
{
	MUST(mlockall(MCL_FUTURE | MCL_ONFAULT));
	locked_before = of_status("VmLck:");
}

static void check_locked_on_fault(void)
{
	SAME("locked, in KiB", of_status("VmLck:"), locked_before);
	char *later = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(later != MAP_FAILED, __FILE__, "mmap");
	later[0] = 1;
	CHECK(is_present(later) && !is_present(later + PAGE), "it is there before it is used");
	SAME("locked then, in KiB", of_status("VmLck:"), locked_before + SIZE / 1024);
}

const struct part memory = { "memory", set, check };
const struct part locked = { "locked", set_locked, check_locked };
const struct part all_locked = { "all-locked", set_all_locked, check_all_locked, 1 };
const struct part locked_on_fault = { "locked-on-fault", set_locked_on_fault, check_locked_on_fault, 1 };
