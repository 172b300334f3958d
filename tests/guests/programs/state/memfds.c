/* Files that never had a name, and what nobody may do with them any more. */
#include "state.h"
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

enum { PLAIN, AGAIN, SEALED, OPEN_TO_SEALS, FUTURE, NEVER_RUN, FILES };
static int all[FILES] = { -1, -1, -1, -1, -1, -1 };
static struct stat was[FILES];
static int seals[FILES];
/* Of files that are not open any more. */
static char *area, *own;

static int made(const char *name, int flags, const char *text)
{
	int fd = memfd_create(name, flags);
	if (fd >= 0)
		MUST(write(fd, text, strlen(text)));
	return fd;
}

static char *mapped(const char *name, int how)
{
	int fd;
	MUST(fd = made(name, 0, "mapped"));
	MUST(ftruncate(fd, 3 * 4096));
	char *at = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, how, fd, 0);
	must(at != MAP_FAILED, __FILE__, "mmap");
	close(fd);
	return at;
}

static void nothing(void) {}

static void check_child(void)
{
	char text[16] = "";
	SAME("what a parent wrote", pread(all[PLAIN], text, 13, 4096), 13);
	CHECK(!strcmp(text, "by the parent"), "what a parent wrote: %s", text);
	CHECK(!strcmp(area + 5000, "shared"), "what is shared: %.10s", area + 5000);
	CHECK(!strcmp(own + 5000, "own"), "what is private: %.10s", own + 5000);
	strcpy(area + 8192, "by the child");
	strcpy(own + 8192, "by the child");
}

static struct child child = { "memfds", nothing, check_child, 0 };

static void set(void)
{
	char path[64];
	MUST(all[PLAIN] = made("with a space\n", 0, "plain"));
	snprintf(path, sizeof path, "/proc/self/fd/%d", all[PLAIN]);
	MUST(all[AGAIN] = open(path, O_RDONLY));
	MUST(lseek(all[AGAIN], 3, SEEK_SET));
	MUST(all[SEALED] = made("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING, "sealed"));
	MUST(fcntl(all[SEALED], F_ADD_SEALS, SEALS));
	MUST(all[OPEN_TO_SEALS] = made("", MFD_ALLOW_SEALING, "more"));
	MUST(fcntl(all[OPEN_TO_SEALS], F_SETFL, O_APPEND));
	MUST(all[FUTURE] = made("future", MFD_ALLOW_SEALING, "future"));
	MUST(fcntl(all[FUTURE], F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL));
	/* Since Linux 6.3. */
	all[NEVER_RUN] = made("never run", MFD_NOEXEC_SEAL, "never run");
	area = mapped("shared", MAP_SHARED);
	strcpy(area + 5000, "shared");
	own = mapped("private", MAP_PRIVATE);
	strcpy(own + 5000, "own");
	const struct timespec times[] = { { 1000000000, 5 }, { 1100000000, 123456789 } };
	MUST(futimens(all[SEALED], times));
	MUST(fchown(all[SEALED], 1234, 5678));
	MUST(fchmod(all[SEALED], 0604));
	for (int i = 0; i < FILES; i++)
		if (all[i] >= 0) {
			MUST(fstat(all[i], &was[i]));
			MUST(seals[i] = fcntl(all[i], F_GET_SEALS));
		}
	start_children(&child, 1);
}

static void has(int file, const char *name, const char *text)
{
	char path[64], is[64] = "";
	snprintf(path, sizeof path, "/proc/self/fd/%d", all[file]);
	ssize_t length = readlink(path, is, sizeof is - 1);
	CHECK(length == (ssize_t)strlen(name) && !memcmp(is, name, length), "name of a memfd: %s", is);
	memset(is, 0, sizeof is);
	SAME("length of a memfd", pread(all[file], is, sizeof is - 1, 0), strlen(text));
	CHECK(!strcmp(is, text), "%s: %s", name, is);
}

/* What a call is answered, as an error number; 0 if it is done. */
static int answer(long result)
{
	return result < 0 ? errno : 0;
}

static void check(void)
{
	for (int i = 0; i < FILES; i++) {
		struct stat is;
		char what[64];
		if (all[i] < 0)
			continue;
		snprintf(what, sizeof what, "memfd %d", i);
		MUST(fstat(all[i], &is));
		SAME(what, is.st_size, was[i].st_size);
		SAME(what, is.st_mode, was[i].st_mode);
		SAME(what, is.st_uid, was[i].st_uid);
		SAME(what, is.st_gid, was[i].st_gid);
		SAME(what, is.st_nlink, was[i].st_nlink);
		SAME(what, is.st_mtim.tv_sec, was[i].st_mtim.tv_sec);
		SAME(what, is.st_mtim.tv_nsec, was[i].st_mtim.tv_nsec);
		snprintf(what, sizeof what, "seals of memfd %d", i);
		SAME(what, fcntl(all[i], F_GET_SEALS), seals[i]);
	}
	has(PLAIN, "/memfd:with a space\n (deleted)", "plain");
	has(AGAIN, "/memfd:with a space\n (deleted)", "plain");
	has(SEALED, "/memfd:sealed (deleted)", "sealed");
	has(FUTURE, "/memfd:future (deleted)", "future");
	SAME("position", lseek(all[PLAIN], 0, SEEK_CUR), 5);
	SAME("position of one that was opened again", lseek(all[AGAIN], 0, SEEK_CUR), 3);
	MUST(pwrite(all[PLAIN], "by the parent", 13, 4096));
	SAME("a seal for what takes none", answer(fcntl(all[PLAIN], F_ADD_SEALS, F_SEAL_GROW)), EPERM);
	SAME("a write to what is sealed", answer(pwrite(all[SEALED], "x", 1, 0)), EPERM);
	SAME("a new size of what is sealed", answer(ftruncate(all[SEALED], 1)), EPERM);
	SAME("a write after a seal for the future", answer(pwrite(all[FUTURE], "x", 1, 0)), EPERM);
	SAME("flags", fcntl(all[OPEN_TO_SEALS], F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
	SAME("more", write(all[OPEN_TO_SEALS], " and more", 9), 9);
	SAME("a seal", answer(fcntl(all[OPEN_TO_SEALS], F_ADD_SEALS, F_SEAL_WRITE)), 0);
	has(OPEN_TO_SEALS, "/memfd: (deleted)", "more and more");
	SAME("close on exec", fcntl(all[SEALED], F_GETFD), FD_CLOEXEC);
	if (all[NEVER_RUN] >= 0) {
		has(NEVER_RUN, "/memfd:never run (deleted)", "never run");
		SAME("a mode to be executed", answer(fchmod(all[NEVER_RUN], 0700)), EPERM);
	}
	CHECK(!strcmp(area, "mapped"), "what is mapped: %.10s", area);
	CHECK(!strcmp(own, "mapped"), "what is mapped private: %.10s", own);
	finish_children(&child, 1);
	CHECK(!strcmp(area + 8192, "by the child"), "what a child wrote: %.16s", area + 8192);
	CHECK(own[8192] == 0, "what a child wrote of its own: %.16s", own + 8192);
}

const struct part memfds_part = { "memfds", set, check, 0 };
