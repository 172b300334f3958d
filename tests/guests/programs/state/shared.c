/* Memory that is more than one process's own: files in memory, with a name and without, mapped and open,
 * and files on the disk that are written through memory.
 */
#include "state.h"
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PAGE 4096
#define NAMED_SIZE (5 * PAGE + 100)
#define SPARSE_SIZE (1ul << 30)
#define INHERITED (768 * PAGE)

/* What processes tell each other in memory without a file. */
struct talk {
	pthread_mutex_t mutex;
	int asked, answered;
	char rest[1 << 16];
};

static struct talk *talk;
static unsigned char *named, *named_again, *private_part, *read_only, *sparse, *on_disk, *beyond;
static sem_t *semaphore;
/* Private, and the same pages in parent and child until one of them writes. */
static unsigned *inherited;
static char name[64], other_name[64], semaphore_name[64], sparse_name[64];
static int by_name, by_other_name;

static unsigned char byte_at(unsigned at) { return at / PAGE == 2 ? 0 : 1 + at % 251; }

static void *mapped(int fd, size_t size, int access, int how)
{
	void *at = mmap(NULL, size, access, how, fd, 0);
	must(at != MAP_FAILED, __FILE__, "mmap");
	return at;
}

static int made(const char *path, int flags)
{
	int fd;
	MUST(fd = open(path, flags | O_CREAT, 0640));
	return fd;
}

static void set_inherited(void)
{
	inherited = mapped(-1, INHERITED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
	for (unsigned i = 0; i < INHERITED / sizeof *inherited; i++)
		inherited[i] = i * 2654435761u + 1;
}

static void check_inherited(unsigned own, unsigned value)
{
	int wrong = 0;
	for (unsigned i = 0; i < INHERITED / sizeof *inherited; i++)
		wrong += inherited[i] != (i == own ? value : i * 2654435761u + 1);
	SAME("wrong words of memory that parent and child have", wrong, 0);
}

static void *known_to_child;

static void set_child(void)
{
	/* It has the file by the name, and not by birth. */
	int fd = made(name, O_RDWR);
	known_to_child = mapped(fd, NAMED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
	close(fd);
	MUST(munmap(named, NAMED_SIZE));
	inherited[5000] = 1;
}

static void check_child(void)
{
	unsigned char *seen = known_to_child;
	check_inherited(5000, 1);
	SAME("what the parent writes to a file in memory", seen[17], 201);
	seen[PAGE + 18] = 202;
	pthread_mutex_lock(&talk->mutex);
	SAME("what the parent asks", talk->asked, 42);
	talk->answered = 43;
	pthread_mutex_unlock(&talk->mutex);
	MUST(sem_post(semaphore));
}

static struct child child = { "shares", set_child, check_child, 0 };

static void set_talk(void)
{
	talk = mapped(-1, sizeof *talk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&talk->mutex, &attributes);
	for (unsigned i = 0; i < sizeof talk->rest; i++)
		talk->rest[i] = byte_at(i);
}

static void set_named(void)
{
	snprintf(name, sizeof name, "/dev/shm/state-%d", getpid());
	snprintf(other_name, sizeof other_name, "/dev/shm/other-%d", getpid());
	by_name = made(name, O_RDWR | O_EXCL);
	MUST(ftruncate(by_name, NAMED_SIZE));
	MUST(link(name, other_name));
	by_other_name = made(other_name, O_RDONLY);
	named = mapped(by_name, NAMED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (unsigned i = 0; i < NAMED_SIZE; i++)
		if (byte_at(i))
			named[i] = byte_at(i);
	named_again = mapped(by_name, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	read_only = mapped(by_other_name, NAMED_SIZE, PROT_READ, MAP_SHARED);
	private_part = mapped(by_name, NAMED_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	private_part[PAGE] = 99;
	MUST(lseek(by_name, 77, SEEK_SET));
	MUST(fchmod(by_name, 0604));
	MUST(fchown(by_name, 12, 34));
}

static void set(void)
{
	mkdir("/dev/shm", 01777);
	set_talk();
	set_named();
	set_inherited();
	snprintf(semaphore_name, sizeof semaphore_name, "/state-%d", getpid());
	semaphore = sem_open(semaphore_name, O_CREAT | O_EXCL, 0600, 3);
	must(semaphore != SEM_FAILED, __FILE__, "sem_open");
	snprintf(sparse_name, sizeof sparse_name, "/dev/shm/sparse-%d", getpid());
	int fd = made(sparse_name, O_RDWR);
	MUST(ftruncate(fd, SPARSE_SIZE));
	sparse = mapped(fd, SPARSE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
	sparse[SPARSE_SIZE / 2] = 5;
	close(fd);
	fd = made("shared whole", O_RDWR);
	MUST(ftruncate(fd, 2 * PAGE));
	on_disk = mapped(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	memset(on_disk, 7, PAGE);
	close(fd);
	fd = made("shared short", O_RDWR);
	MUST(ftruncate(fd, PAGE));
	beyond = mapped(fd, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	beyond[0] = 8;
	close(fd);
	start_children(&child, 1);
	inherited[9000] = 2;
}

static void check_named(void)
{
	struct stat of, of_other;
	MUST(fstat(by_name, &of));
	MUST(stat(other_name, &of_other));
	SAME("size of a file in memory", of.st_size, NAMED_SIZE);
	SAME("mode of a file in memory", of.st_mode & 07777, 0604);
	SAME("user of a file in memory", of.st_uid, 12);
	SAME("group of a file in memory", of.st_gid, 34);
	SAME("the file of another name", of_other.st_ino, of.st_ino);
	SAME("position in a file in memory", lseek(by_name, 0, SEEK_CUR), 77);
	int wrong = 0;
	for (unsigned i = 0; i < NAMED_SIZE; i++)
		wrong += named[i] != byte_at(i) || read_only[i] != byte_at(i) ||
			 (i != PAGE && private_part[i] != byte_at(i));
	SAME("wrong bytes of a file in memory", wrong, 0);
	SAME("what was written to a private part of it", private_part[PAGE], 99);
	named[17] = 201;
	SAME("the same file mapped again", named_again[17], 201);
	SAME("the same file by another name", read_only[17], 201);
	unsigned char byte = 0;
	MUST(pread(by_other_name, &byte, 1, 17));
	SAME("the same file read", byte, 201);
}

static void check(void)
{
	int wrong = 0, value = -1;
	struct stat of;
	check_named();
	check_inherited(9000, 2);
	for (unsigned i = 0; i < sizeof talk->rest; i++)
		wrong += (unsigned char)talk->rest[i] != byte_at(i);
	SAME("wrong bytes of memory without a file", wrong, 0);
	talk->asked = 42;
	finish_children(&child, 1);
	SAME("what a child answers", talk->answered, 43);
	SAME("what a child writes to a file in memory", named[PAGE + 18], 202);
	sem_t *again = sem_open(semaphore_name, 0);
	CHECK(again != SEM_FAILED, "a semaphore by its name");
	if (again != SEM_FAILED)
		MUST(sem_post(again));
	MUST(sem_getvalue(semaphore, &value));
	SAME("a semaphore", value, 5);
	MUST(stat(sparse_name, &of));
	SAME("size of a file with holes", of.st_size, SPARSE_SIZE);
	CHECK(of.st_blocks <= 64, "a file with holes has %ld blocks", (long)of.st_blocks);
	SAME("what is in a file with holes", sparse[SPARSE_SIZE / 2], 5);
	SAME("a file on the disk", on_disk[PAGE - 1], 7);
	SAME("a mapping that reaches past its file", beyond[0], 8);
}

const struct part shared = { "shared", set, check };
