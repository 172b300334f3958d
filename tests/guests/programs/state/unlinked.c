/* Files whose last name was removed, and that are open or mapped still. */
#include "state.h"
#include <sys/mman.h>
#include <sys/stat.h>

#define END (1 << 20)

static char pattern[9000];
static int file, again, log_only, nameless, never, in_memory;
static struct stat was[6];
/* Of a file that is not open any more. */
static char *area;

static int made(const char *path, int flags, const char *text)
{
	int fd;
	MUST(fd = open(path, flags | O_CREAT | O_TRUNC, 0640));
	if (text)
		MUST(write(fd, text, strlen(text)));
	return fd;
}

static void nothing(void) {}

/* It has what its parent has, and not a file of its own. */
static void check_child(void)
{
	char text[16] = "";
	SAME("what a parent wrote", pread(file, text, 13, 4096), 13);
	CHECK(!strcmp(text, "by the parent"), "what a parent wrote: %s", text);
	CHECK(!strcmp(area + 5000, "mapped"), "what is mapped: %.10s", area + 5000);
	strcpy(area + 8192, "by the child");
}

static struct child child = { "unlinked", nothing, check_child, 0 };

static void set(void)
{
	for (int i = 0; i < COUNT(pattern); i++)
		pattern[i] = 'a' + i % 23;
	file = made("unlinked", O_RDWR, NULL);
	/* By another name, which is gone as well. */
	MUST(link("unlinked", "unlinked too"));
	MUST(again = open("unlinked too", O_RDONLY | O_NOFOLLOW));
	MUST(write(file, pattern, sizeof pattern));
	MUST(pwrite(file, "end", 3, END));
	MUST(unlink("unlinked"));
	MUST(unlink("unlinked too"));
	MUST(lseek(file, 100, SEEK_SET));
	MUST(lseek(again, 5, SEEK_SET));
	log_only = made("unlinked log", O_WRONLY | O_APPEND, "a line\n");
	MUST(unlink("unlinked log"));
	MUST(nameless = open(".", O_TMPFILE | O_RDWR, 0600));
	MUST(write(nameless, "nameless", 8));
	MUST(never = open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600));
	in_memory = made("/tmp/unlinked part", O_RDWR, "in memory");
	MUST(unlink("/tmp/unlinked part"));
	int mapped = made("unlinked map", O_RDWR, NULL);
	MUST(ftruncate(mapped, 3 * 4096));
	area = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
	must(area != MAP_FAILED, __FILE__, "mmap");
	strcpy(area + 5000, "mapped");
	close(mapped);
	MUST(unlink("unlinked map"));
	const struct timespec times[] = { { 1000000000, 5 }, { 1100000000, 123456789 } };
	MUST(futimens(file, times));
	MUST(fchown(file, 1234, 5678));
	MUST(fchmod(file, 0604));
	const int all[] = { file, again, log_only, nameless, never, in_memory };
	for (int i = 0; i < COUNT(all); i++)
		MUST(fstat(all[i], &was[i]));
	start_children(&child, 1);
}

static int name(int fd, const char *new)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, new, AT_SYMLINK_FOLLOW) ? errno : 0;
}

/* What is in a file, whatever it was opened for. */
static void has(const char *what, int fd, const char *text)
{
	char path[64], is[64] = "";
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int reader = open(path, O_RDONLY);
	SAME(what, pread(reader, is, sizeof is - 1, 0), strlen(text));
	CHECK(!strcmp(is, text), "%s: %s", what, is);
	close(reader);
}

static void check(void)
{
	const int all[] = { file, again, log_only, nameless, never, in_memory };
	for (int i = 0; i < COUNT(all); i++) {
		struct stat is;
		char what[64];
		snprintf(what, sizeof what, "unlinked file %d", i);
		MUST(fstat(all[i], &is));
		SAME(what, is.st_size, was[i].st_size);
		SAME(what, is.st_mode, was[i].st_mode);
		SAME(what, is.st_uid, was[i].st_uid);
		SAME(what, is.st_gid, was[i].st_gid);
		SAME(what, is.st_nlink, 0);
		/* A boot makes the file system anew. */
		if (all[i] != in_memory)
			SAME(what, is.st_dev, was[i].st_dev);
		SAME(what, is.st_mtim.tv_sec, was[i].st_mtim.tv_sec);
		SAME(what, is.st_mtim.tv_nsec, was[i].st_mtim.tv_nsec);
	}
	static char content[END + 3];
	SAME("position", lseek(file, 0, SEEK_CUR), 100);
	SAME("position by another name", lseek(again, 0, SEEK_CUR), 5);
	SAME("content", pread(again, content, sizeof content, 0), END + 3);
	CHECK(!memcmp(content, pattern, sizeof pattern), "content");
	CHECK(!memcmp(content + END, "end", 3), "content at the end");
	int hole = 1;
	for (int i = sizeof pattern; i < END; i++)
		hole &= content[i] == 0;
	CHECK(hole, "content between");
	MUST(pwrite(file, "by the parent", 13, 4096));
	char text[16] = "";
	SAME("what was written by another name", pread(again, text, 13, 4096), 13);
	CHECK(!strcmp(text, "by the parent"), "what was written by another name: %s", text);
	MUST(write(log_only, "more\n", 5));
	has("a log", log_only, "a line\nmore\n");
	has("a file that had no name", nameless, "nameless");
	has("a file in memory", in_memory, "in memory");
	SAME("a name for what lost its last", name(file, "named"), ENOENT);
	SAME("a name for what is to have none", name(never, "named"), ENOENT);
	SAME("a name for what had none yet", name(nameless, "named"), 0);
	finish_children(&child, 1);
	CHECK(!strcmp(area + 8192, "by the child"), "what a child wrote: %.16s", area + 8192);
	SAME("flags of a log", fcntl(log_only, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
}

const struct part unlinked_part = { "unlinked", set, check, 0 };
