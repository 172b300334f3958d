/* tree SEED FOLDER: processes born of each other that share memory and open files in ways that SEED decides.
 *
 * Prints "ready" and the numbers of all, waits for SIGUSR1, and prints "ok" if each has what it had, what is
 * shared is shared with the same processes, and what is private is nobody else's. Files are made in FOLDER and
 * in /dev/shm.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define PROCESSES 10
#define TURNS 30
#define AREAS 24
#define PAGES 64
#define SHARED 16
#define OPEN 32
#define FILES 40

/* What a page has: who wrote it, and when; 0 for nobody. */
typedef uint32_t stamp;

/* What all of them know. */
static struct talk {
	_Atomic int processes, shared, files, phase, done, wrong;
	/* Held while shared memory and what is known of it are written. */
	atomic_flag busy;
	pid_t pids[PROCESSES];
	/* Pages of shared memory, by number of the memory. */
	_Atomic stamp pages[SHARED][PAGES];
	/* Positions of open files, and bytes in pipes. */
	_Atomic long positions[FILES];
	/* Which open file each process has at which descriptor; 0 for none, else one more than its number. */
	int open[PROCESSES][OPEN];
	/* Whether two descriptors are one open file, as kcmp(2) says. */
	uint8_t same[PROCESSES * OPEN][PROCESSES * OPEN / 8];
} *talk;

enum kind { NONE, PRIVATE, COMMON };

/* What one of them has; a child has it from its parent. */
static struct area {
	enum kind kind;
	unsigned char *at;
	int pages, number, is_read_only;
	stamp stamps[PAGES];
} areas[AREAS];
static struct descriptor {
	int fd, file, is_pipe, end, flags;
} descriptors[OPEN];
static int self;
static uint64_t random_state;
static stamp clock_of_stamps;
static const char *folder;
static unsigned seed;

static void must(long result, const char *what)
{
	if (result < 0) {
		printf("process %d: %s: %s\n", self, what, strerror(errno));
		exit(1);
	}
}

#define wrong(...) \
	do { \
		if (atomic_fetch_add(&talk->wrong, 1) < 20) { \
			printf("wrong: process %d: ", self); \
			printf(__VA_ARGS__); \
			putchar('\n'); \
		} \
	} while (0)

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static unsigned below(unsigned limit)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % limit;
}

static stamp new_stamp(void)
{
	return (stamp)(self + 1) << 24 | ++clock_of_stamps;
}

static void write_page(unsigned char *page, stamp stamp)
{
	for (size_t at = 0; at < PAGE; at += PAGE / 4)
		memcpy(page + at, &stamp, sizeof stamp);
}

static void check_page(const struct area *area, int index)
{
	stamp wanted = area->kind == COMMON ? talk->pages[area->number][index] : area->stamps[index];
	for (size_t at = 0; at < PAGE; at += PAGE / 4) {
		stamp found;
		memcpy(&found, area->at + (size_t)index * PAGE + at, sizeof found);
		if (found != wanted) {
			wrong("page %d at %p: %#x, not %#x", index, (void *)area->at, found, wanted);
			return;
		}
	}
}

static struct area *some_area(enum kind kind)
{
	struct area *area = &areas[below(AREAS)];
	return area->kind == kind ? area : NULL;
}

static void put(struct area *area, int index)
{
	stamp stamp = new_stamp();
	if (area->is_read_only)
		return;
	while (atomic_flag_test_and_set(&talk->busy))
		;
	write_page(area->at + (size_t)index * PAGE, stamp);
	if (area->kind == COMMON)
		talk->pages[area->number][index] = stamp;
	else
		area->stamps[index] = stamp;
	atomic_flag_clear(&talk->busy);
}

static void map_area(enum kind kind)
{
	struct area *area = some_area(NONE);
	int number = kind == COMMON ? atomic_fetch_add(&talk->shared, 1) : 0;
	if (!area || number >= SHARED)
		return;
	memset(area, 0, sizeof *area);
	area->pages = 1 + below(PAGES);
	size_t size = (size_t)area->pages * PAGE;
	int fd = -1, flags = kind == COMMON ? MAP_SHARED : MAP_PRIVATE;
	if (kind == COMMON && below(2)) {
		char path[80];
		snprintf(path, sizeof path, "/dev/shm/tree-%u-%d", seed, number);
		must(fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600), path);
		must(ftruncate(fd, size), path);
	}
	area->at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	must(area->at == MAP_FAILED ? -1 : 0, "mmap");
	if (fd >= 0)
		close(fd);
	area->kind = kind;
	area->number = number;
	for (int index = 0; index < area->pages; index++)
		if (below(3))
			put(area, index);
}

static struct descriptor *some_descriptor(int is_used)
{
	struct descriptor *found = &descriptors[below(OPEN)];
	return (found->fd != 0) == is_used ? found : NULL;
}

static void keep(int fd, int file, int is_pipe, int end)
{
	for (struct descriptor *free = descriptors; free < descriptors + OPEN; free++)
		if (!free->fd) {
			*free = (struct descriptor){ fd, file, is_pipe, end, fcntl(fd, F_GETFD) };
			return;
		}
	close(fd);
}

static void open_file(void)
{
	int file = atomic_fetch_add(&talk->files, 1);
	if (file >= FILES)
		return;
	if (below(3)) {
		char path[160];
		snprintf(path, sizeof path, "%s/tree-%u-%d", folder, seed, below(4));
		int fd = open(path, O_RDWR | O_CREAT | (below(2) ? O_CLOEXEC : 0), 0600);
		must(fd, path);
		talk->positions[file] = below(1000);
		must(lseek(fd, talk->positions[file], SEEK_SET), "lseek");
		keep(fd, file, 0, 0);
	} else {
		/* Each end is an open file. */
		int ends[2], other = atomic_fetch_add(&talk->files, 1);
		if (other >= FILES)
			return;
		must(pipe2(ends, O_NONBLOCK), "pipe2");
		int size = below(3000);
		char bytes[3000] = { 0 };
		must(write(ends[1], bytes, size), "write");
		talk->positions[file] = talk->positions[other] = size;
		keep(ends[0], file, 1, 0);
		keep(ends[1], other, 1, 1);
	}
}

static void duplicate(void)
{
	struct descriptor *from = some_descriptor(1);
	if (!from)
		return;
	int fd = fcntl(from->fd, below(2) ? F_DUPFD : F_DUPFD_CLOEXEC, 3 + below(60));
	must(fd, "F_DUPFD");
	keep(fd, from->file, from->is_pipe, from->end);
}

static void take_turns(void);
static void live(void);

static void fork_one(void)
{
	int number = atomic_fetch_add(&talk->processes, 1);
	if (number >= PROCESSES) {
		atomic_fetch_sub(&talk->processes, 1);
		return;
	}
	fflush(stdout);
	pid_t pid = fork();
	must(pid, "fork");
	if (pid == 0) {
		self = number;
		clock_of_stamps = 0;
		random_state = (uint64_t)seed << 32 | number;
		take_turns();
		live();
		exit(0);
	}
	talk->pids[number] = pid;
}

static void take_turn(void)
{
	struct area *area;
	struct descriptor *gone;
	switch (below(13)) {
	case 0:
		map_area(COMMON);
		break;
	case 1:
	case 2:
		map_area(PRIVATE);
		break;
	case 3:
	case 4:
		if ((area = some_area(PRIVATE)))
			put(area, below(area->pages));
		break;
	case 5:
		if ((area = some_area(COMMON)))
			put(area, below(area->pages));
		break;
	case 6:
		if (!(area = some_area(PRIVATE)) || below(2))
			break;
		must(munmap(area->at, (size_t)area->pages * PAGE), "munmap");
		area->kind = NONE;
		break;
	case 7:
		if (!(area = some_area(PRIVATE)))
			break;
		int index = below(area->pages);
		must(madvise(area->at + (size_t)index * PAGE, PAGE, MADV_DONTNEED), "madvise");
		area->stamps[index] = 0;
		break;
	case 8:
		if (!(area = some_area(PRIVATE)) || below(3))
			break;
		must(mprotect(area->at, (size_t)area->pages * PAGE, PROT_READ), "mprotect");
		area->is_read_only = 1;
		break;
	case 9:
		open_file();
		break;
	case 10:
		duplicate();
		break;
	case 11:
		/* The last end of a pipe would take its bytes along. */
		if ((gone = some_descriptor(1)) && !gone->is_pipe) {
			close(gone->fd);
			gone->fd = 0;
		}
		break;
	case 12:
		fork_one();
		break;
	}
}

static void take_turns(void)
{
	for (int turn = 0; turn < TURNS; turn++)
		take_turn();
}

/* Waits until the first process says so, and says when it has done its part. */
static void phase(int number)
{
	if (self == 0) {
		while (talk->done < talk->processes - 1)
			usleep(2000);
		talk->done = 0;
		talk->phase = number;
	} else {
		talk->done++;
		while (talk->phase < number)
			usleep(2000);
	}
}

static long position_of(const struct descriptor *one)
{
	int size = -1;
	if (one->is_pipe) {
		must(ioctl(one->fd, FIONREAD, &size), "FIONREAD");
		return size;
	}
	return lseek(one->fd, 0, SEEK_CUR);
}

static void check(void)
{
	for (struct area *area = areas; area < areas + AREAS; area++)
		for (int index = 0; area->kind != NONE && index < area->pages; index++)
			check_page(area, index);
	for (struct descriptor *one = descriptors; one < descriptors + OPEN; one++) {
		if (!one->fd)
			continue;
		long found = position_of(one), wanted = talk->positions[one->file];
		if (found != wanted)
			wrong("descriptor %d: %ld, not %ld", one->fd, found, wanted);
		if (fcntl(one->fd, F_GETFD) != one->flags)
			wrong("descriptor %d: flags %d", one->fd, fcntl(one->fd, F_GETFD));
	}
}

/* Changes something of all that it has. */
static void change(void)
{
	for (struct area *area = areas; area < areas + AREAS; area++)
		if (area->kind != NONE)
			put(area, (self * 5) % area->pages);
	for (struct descriptor *one = descriptors; one < descriptors + OPEN; one++) {
		if (one->fd && !one->is_pipe) {
			must(lseek(one->fd, 1 + self, SEEK_CUR), "lseek");
			talk->positions[one->file] += 1 + self;
		}
	}
}

static void register_descriptors(void)
{
	for (int index = 0; index < OPEN; index++)
		talk->open[self][index] = descriptors[index].fd;
}

/* Holds what kcmp(2) says of any two descriptors against what it said, or keeps it. */
static void compare_all(int is_first)
{
	for (int a = 0; a < PROCESSES * OPEN; a++)
		for (int b = 0; b < a; b++) {
			int of_a = talk->open[a / OPEN][a % OPEN], of_b = talk->open[b / OPEN][b % OPEN];
			if (!of_a || !of_b)
				continue;
			long order = syscall(SYS_kcmp, talk->pids[a / OPEN], talk->pids[b / OPEN], KCMP_FILE, of_a, of_b);
			must(order, "kcmp");
			uint8_t *byte = &talk->same[a][b / 8], bit = 1 << b % 8;
			if (is_first)
				*byte |= order == 0 ? bit : 0;
			else if ((*byte & bit) != (order == 0 ? bit : 0))
				wrong("descriptor %d of %d and %d of %d", of_a, a / OPEN, of_b, b / OPEN);
		}
}

/* All of its life after birth. */
static void live(void)
{
	sigset_t set;
	register_descriptors();
	phase(1);
	check();
	if (self == 0)
		compare_all(1);
	phase(2);
	if (self == 0) {
		printf("ready");
		for (int index = 0; index < talk->processes; index++)
			printf(" %d", talk->pids[index]);
		printf("\n");
		fflush(stdout);
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigwaitinfo(&set, NULL);
	}
	phase(3);
	check();
	if (self == 0)
		compare_all(0);
	/* One after the other, so that nobody writes what another does. */
	for (int turn = 0; turn < talk->processes; turn++) {
		phase(4 + turn);
		if (turn == self)
			change();
	}
	phase(4 + PROCESSES);
	check();
	fflush(stdout);
	phase(5 + PROCESSES);
	while (wait(NULL) > 0)
		;
}

int main(int count, char **arguments)
{
	if (count != 3)
		return 2;
	seed = atoi(arguments[1]);
	folder = arguments[2];
	talk = mmap(NULL, sizeof *talk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(talk == MAP_FAILED ? -1 : 0, "mmap");
	random_state = (uint64_t)seed << 32;
	talk->pids[0] = getpid();
	talk->processes = 1;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* What most of them have from the first. */
	for (int index = 0; index < 8; index++)
		map_area(index % 4 ? PRIVATE : COMMON);
	open_file();
	open_file();
	take_turns();
	while (talk->processes < 4)
		fork_one();
	live();
	printf("%s\n", talk->wrong ? "not right" : "ok");
	return talk->wrong != 0;
}
